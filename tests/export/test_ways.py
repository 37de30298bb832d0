"""Every way to run a model gives what the model gives, in its numbers and at other sizes of batch."""

from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.export import ways

SMALL = {"dim": 8, "depths": (1, 1), "heads": (1, 2), "window": 4, "kernels": (3, 3)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("way", ways.WAYS)
def test_the_same_answer(way, dtype):
    if way == "openvino":
        pytest.importorskip("openvino")
    torch.manual_seed(0)
    model = vitrail.create_model("iwin_nano", num_classes=3, size=32, **SMALL).eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        wanted = model(x)
    run = ways.prepare(model.to(dtype), x.to(dtype), way)
    found = run(x.to(dtype))
    assert found.dtype == dtype and not found.requires_grad
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(found.float(), wanted, rtol=0, atol=tolerance * wanted.abs().max().item())
    assert all(parameter.dtype == dtype for parameter in model.parameters())


def test_what_cannot_run_is_said_in_a_line(monkeypatch):
    model, x = torch.nn.Conv2d(3, 1, 1), torch.zeros(1, 3, 8, 8)
    with pytest.raises(InputError, match="'fast' is none of eager, compiled, openvino"):
        ways.prepare(model, x, "fast")
    pytest.importorskip("openvino")
    with pytest.raises(InputError, match="float32 and bfloat16 here"):
        ways.prepare(model, x.half(), "openvino")
    monkeypatch.setattr(ways.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'vitrail\[openvino\]'"):
        ways.prepare(model, x, "openvino")


def test_compiled_on_a_cpu_has_its_weights_inside():
    """Frozen weights are constants of the compiled code, packed once; as inputs they would be packed each time."""
    from torch._inductor.utils import run_and_get_code

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(24, 40), torch.nn.GELU(), torch.nn.Linear(40, 8)).eval()
    x = torch.randn(16, 24)
    found, codes = run_and_get_code(lambda: ways.prepare(model, x, "compiled")(x))
    assert any("_frozen_param" in code for code in codes)
    with torch.no_grad():
        torch.testing.assert_close(found, model(x))


@torch._dynamo.config.patch(recompile_limit=1)  # monkeypatch would leave the name hidden to all that follow
def test_many_of_one_class_compile_in_one_process():
    """PyTorch compiles one function eight times and no more, and all classifiers share theirs."""
    for width in (3, 4, 5):
        model = torch.nn.Sequential(torch.nn.Linear(width, 2)).eval()
        assert ways.prepare(model, torch.randn(1, width), "compiled")(torch.randn(1, width)).shape == (1, 2)
