"""timm's, torchvision's and Hugging Face's own Swin give our logits at every size that each accepts, by its rule."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import originals
import vitrail
from vitrail.errors import InputError
from vitrail.models.swin import ShiftThenPad
from vitrail.weights import load_weights, open_model
from vitrail.weights.convert import Wanted, convert

SIZES = [(224, 224), (256, 256), (224, 256), (200, 312), (97, 133), (64, 300), (30, 50)]
LIBRARIES = {
    "huggingface": lambda size: originals.hugging_face_swin(),
    "timm": originals.timm_swin,
    "torchvision": lambda size: originals.torchvision_swin(),
}


def logits(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        y = model(x)
    return getattr(y, "logits", y)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_logits_are_the_librarys_own(library, size, tmp_path):
    """Through a converted file, which carries the rule; the weights are large, so that a wrong mask shows."""
    theirs = LIBRARIES[library](size)
    x = torch.randn(2, 3, *size)
    if library == "huggingface" and min(-(-side // 32) for side in size) < 7:
        with pytest.raises(RuntimeError):
            logits(theirs, x)  # it cannot use a window smaller than its table
        return
    torch.save(theirs.state_dict(), tmp_path / "in.pth")
    convert(tmp_path / "in.pth", tmp_path / "ours.safetensors", Wanted(size=size, fields={"window": 7}))
    ours, _ = open_model(tmp_path / "ours.safetensors")
    assert ours.size == size
    expected = logits(theirs, x)
    assert expected.std() > 0.1
    torch.testing.assert_close(logits(ours, x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(224, 256), (97, 133)], ids=str)
def test_a_backbone_of_hugging_face_never_clamps(size):
    theirs = originals.hugging_face_swin("SwinBackbone")
    ours = vitrail.create_model("dense_swin_tiny", size=size, **originals.SHAPE)
    load_weights(ours, theirs.state_dict(), partial=True)
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        for mine, other in zip(ours.eval()(x), theirs(x).feature_maps, strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=2e-5)


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_the_real_swin_tiny(library):
    import timm
    import torchvision

    made = {"timm": timm.models.swin_tiny_patch4_window7_224, "torchvision": torchvision.models.swin_t}
    theirs = made[library]()
    with torch.no_grad():
        for value in theirs.parameters():
            value.add_(0.03 * torch.randn_like(value))
    ours = vitrail.create_model("swin_tiny", rule=library)
    assert not load_weights(ours, theirs.state_dict()).unexpected
    x = torch.randn(1, 3, 224, 224)
    expected = logits(theirs.eval(), x)
    torch.testing.assert_close(
        logits(ours.eval(), x), expected, rtol=0, atol=1e-5 * max(1, float(expected.abs().max()))
    )


def test_rules_differ_and_that_is_noticed():
    """At 224 x 256 the libraries disagree by far more than rounding; without leave such weights are refused."""
    state = originals.torchvision_swin().state_dict()
    x = torch.randn(1, 3, 224, 256)
    found = {}
    for rule in ("release", "timm", "torchvision"):
        model = vitrail.create_model("swin_tiny", 5, (224, 256), rule=rule, **originals.SHAPE)
        if rule == "torchvision":
            load_weights(model, state)
        else:
            with pytest.raises(InputError, match=r"torchvision's rule of windows differs.*rule='torchvision'"):
                load_weights(model, state)
            load_weights(model, state, new_window=True)
        found[rule] = logits(model.eval(), x)
    assert (found["timm"] - found["torchvision"]).abs().max() > 1e-2
    square = vitrail.create_model("swin_tiny", 5, (224, 224), **originals.SHAPE)
    load_weights(square, state)  # there all rules are one


def test_links_of_a_shift_before_padding_are_those_of_autograd():
    model = vitrail.create_model("swin_nano", 3, (36, 52), rule="timm", window=4, depths=(2, 1), heads=(1, 2))
    mixers = [module for module in model.modules() if isinstance(module, ShiftThenPad)]
    assert mixers
    for mixer in mixers:
        grid = (9, 13)
        x = torch.randn(1, *grid, 16, requires_grad=True)
        flat = mixer(x).flatten(1, 2).sum(-1)[0]
        reads = torch.stack([torch.autograd.grad(y, x, retain_graph=True)[0].abs().sum(-1).flatten() > 0 for y in flat])
        assert torch.equal(mixer.links(grid).dense(), reads)


@pytest.mark.parametrize("fields", [{"mixer": "mlp"}, {"shift": "padding"}, {"padding": "masked"}, {"window": "reach"}])
def test_what_a_rule_does_not_go_with(fields):
    more = {"position": "none"} if "mixer" in fields else {}
    with pytest.raises(InputError, match="rule='timm' takes"):
        vitrail.create_model("swin_nano", 3, (64, 64), rule="timm", **more, **fields)
