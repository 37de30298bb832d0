"""One graph for every batch, height and width; and the switch of PyTorch's that it hangs on works."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from small import small
from vitrail.errors import InputError
from vitrail.export import program
from vitrail.export.adapter import BATCHES, SIZES, Adapter, adapt, largest_difference

VARIANTS = {
    "scalablevit_nano local": ("scalablevit_nano", {"local": "lem", "windows": "shifted", "padding": "masked"}),
    "iwin_nano depthwise": ("iwin_nano", {"down": "depthwise", "position": "absolute"}),
    "iwin_nano average": ("iwin_nano", {"down": "average", "position": "relative"}),
    "iwin_nano merge": ("iwin_nano", {"down": "merge", "padding": "masked", "structure": "serial"}),
    "swin_nano padding": ("swin_nano", {"shift": "padding"}),
    "swin_nano sliding": ("swin_nano", {"mixer": "sliding"}),
    "dense_swin_nano": ("dense_swin_nano", {}),
}


@pytest.mark.parametrize("any_size", [True, False])
def test_the_switch_leaves_a_batch_of_one_free(any_size):
    """Fails where PyTorch changes the switch: then `program.any_size` is what to mend."""
    free = (dict.fromkeys(program.FREE, torch.export.Dim.DYNAMIC),)
    module = nn.Conv2d(3, 2, 3, padding=1)
    if any_size:
        with program.any_size():
            found = torch.export.export(module, (torch.zeros(2, 3, 8, 9),), dynamic_shapes=free)
    else:
        found = torch.export.export(module, (torch.zeros(2, 3, 8, 9),), dynamic_shapes=free)
    lower = [int(bounds.lower) for bounds in found.range_constraints.values()]
    assert (max(lower) <= 1) == any_size, lower


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_switch_of_the_papers_exports(name):
    model = small(VARIANTS[name][0], **VARIANTS[name][1])
    adapter = adapt(model)
    run = program.record(adapter).module()
    for height, width in SIZES[:4]:
        for batch in BATCHES:
            x = torch.randn(batch, 3, height, width)
            found = run(x)
            found = [found] if isinstance(found, torch.Tensor) else list(found)
            assert largest_difference(adapter.expected(x), found) < 1e-4, (height, width, batch)


def test_the_model_is_as_it_was():
    model = small("swin_nano", drop_path=0.5)
    x, before = torch.randn(1, 3, 40, 56), {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        wanted = model(x)
        program.record(adapt(model))
        assert torch.equal(model(x), wanted)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_package_needs_no_vitrail(tmp_path):
    recorded = program.record(adapt(small("iwin_nano")))
    assert program.operators(recorded) == {"aten"}
    torch.export.save(recorded, tmp_path / "model.pt2")
    assert b"site-packages" not in (tmp_path / "model.pt2").read_bytes()
    code = (
        "import sys; sys.modules['vitrail'] = None\n"
        "import torch; run = torch.export.load(sys.argv[1]).module()\n"
        "print(*run(torch.zeros(1, 3, 37, 41)).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "model.pt2"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["1", "3"], done.stderr


def test_what_branches_on_a_value_is_said_in_a_line():
    class Branches(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match="does not export with free sizes: ") as caught:
        program.record(Adapter(Branches()))
    assert "\n" not in str(caught.value)
