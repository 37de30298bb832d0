"""Other libraries' classifiers under our face."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import vitrail
from vitrail import weights
from vitrail.data.sample import Batch
from vitrail.errors import InputError
from vitrail.tasks.classify import Classify

SMALL = {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2), "window_size": 2}
SWIN = "timm/swin_tiny_patch4_window7_224"


def test_they_are_what_their_library_builds() -> None:
    import timm
    import torchvision

    ours = vitrail.create_model("timm/resnet18", 10, (64, 64)).eval()
    theirs = timm.create_model("resnet18", num_classes=10).eval()
    theirs.load_state_dict({name.removeprefix("model."): value for name, value in ours.state_dict().items()})
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(ours(x), theirs(x))
    document = vitrail.describe("torchvision/resnet50", 1000)
    assert document["parameters"] == 25_557_032
    assert document["multiply_adds"] == pytest.approx(4.09e9, rel=2e-3)
    assert torchvision.models.get_model("resnet18").fc.out_features == 1000


def test_a_timm_swin_of_equal_size_has_our_parameters_and_maps() -> None:
    theirs = vitrail.create_model(SWIN, 5, (32, 32), **SMALL)
    ours = vitrail.create_model("swin_nano", 5, (32, 32), dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), window=2)
    assert sum(p.numel() for p in theirs.parameters()) == sum(p.numel() for p in ours.parameters())
    x = torch.randn(1, 3, 32, 32)
    assert [m.shape for m in theirs.features(x)] == [m.shape for m in ours.features(x)]
    assert theirs.channels == ours.channels and theirs.strides == ours.strides
    assert all(name in dict(theirs.named_parameters()) for name in theirs.no_weight_decay())


def test_our_file_carries_them(tmp_path: Path) -> None:
    model = vitrail.create_model(SWIN, 5, (32, 32), **SMALL).eval()
    weights.save(tmp_path / "m.safetensors", model, classes=list("abcde"))
    again, _ = weights.open_model(tmp_path / "m.safetensors")
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(model(x), again(x))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("timm/resnet55", {}, "Nearest: .*resnet50"),
        ("torchvision/swin_t", {"windw": 7}, "windw"),
        ("timm/resnet18", {"pretrained": True}, "not an option"),
        ("timm/hf_hub:someone/thing", {}, "no model"),
    ],
)
def test_what_they_do_not_know_is_one_line(name: str, options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        vitrail.create_model(name, 10, (64, 64), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "side", "options", "said"),
    [
        (
            "torchvision/vit_b_16",
            32,
            {},
            "at 32x32, in use: Wrong image height! Expected 224 but got 32!; another size",
        ),
        ("timm/botnet26t_256", 224, {}, "at 224x224, in use: AssertionError in the library"),
        ("torchvision/inception_v3", 32, {"aux_logits": False, "init_weights": False}, "Kernel size can't be greater"),
    ],
)
def test_a_size_that_they_cannot_take_is_one_line(name: str, side: int, options: dict, said: str) -> None:
    for place in ("cpu", "meta"):
        with pytest.raises(InputError, match=said) as caught, torch.device(place):
            vitrail.create_model(name, 10, (side, side), **options)
        assert "\n" not in str(caught.value)
    assert vitrail.create_model("torchvision/vit_b_16", 3, (32, 32), image_size=32).num_classes == 3
    assert vitrail.create_model("timm/resnet18", 0, (32, 32), in_chans=1).num_classes == 0


def test_what_cannot_be_trained_is_seen_before_and_leaves_no_trace() -> None:
    model = vitrail.create_model("torchvision/resnet18", 3, (32, 32))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(0)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    model.try_out(2, training=True)
    with pytest.raises(InputError, match="in training on 1 at a time: Expected more than 1 value per channel"):
        model.try_out(1, training=True)
    assert torch.equal(torch.rand(1), drawn)
    assert model.training and all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    vitrail.create_model("torchvision/resnet18", 3, (64, 64)).try_out(1, training=True)
    model = vitrail.create_model("torchvision/googlenet", 3, (64, 64), init_weights=False)
    with pytest.raises(InputError, match=r"it gives GoogLeNetOutputs, wanted one tensor \(2, 3\)"):
        model.try_out(2, training=True)
    plain = vitrail.create_model("torchvision/googlenet", 3, (64, 64), init_weights=False, aux_logits=False)
    plain.try_out(2, training=True)


def test_a_model_that_wants_numbers_is_not_refused() -> None:
    class Asking(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)) if x.sum().item() == 0 else x

    model = vitrail.create_model("timm/resnet18", 3, (32, 32))
    model.model = Asking()
    model.try_out()


NAMES = (
    (r"^model\.patch_embed\.proj\.", "trunk.stem.project."),
    (r"^model\.patch_embed\.norm\.", "trunk.stem.norm."),
    (r"^model\.head\.fc\.", "head."),
    (r"^model\.norm\.", "norm."),
    (r"^model\.layers\.(\d)\.downsample\.reduction\.", r"trunk.stages.\1.down.reduce."),
    (r"^model\.layers\.(\d)\.downsample\.norm\.", r"trunk.stages.\1.down.norm."),
    (r"^model\.layers\.(\d)\.blocks\.(\d)\.norm1\.", r"trunk.stages.\1.blocks.\2.mix.norm."),
    (r"^model\.layers\.(\d)\.blocks\.(\d)\.norm2\.", r"trunk.stages.\1.blocks.\2.mlp.norm."),
    (r"^model\.layers\.(\d)\.blocks\.(\d)\.mlp\.", r"trunk.stages.\1.blocks.\2.mlp.body."),
    (r"^model\.layers\.(\d)\.blocks\.(\d)\.attn\.relative_position_bias_", r"trunk.stages.\1.blocks.\2.mix.body.bias."),
    (r"^model\.layers\.(\d)\.blocks\.(\d)\.attn\.", r"trunk.stages.\1.blocks.\2.mix.body."),
)


def test_our_swin_learns_as_timms_gradient_for_gradient() -> None:
    """From the same weights, on maps that are not clamped and shift: the loss and every gradient."""
    torch.manual_seed(0)
    shape = {"depths": (2, 2, 2, 1)}
    theirs = vitrail.create_model(SWIN, 5, (96, 96), **(SMALL | shape | {"window_size": 6, "drop_path_rate": 0.0}))
    ours = vitrail.create_model("swin_nano", 5, (96, 96), dim=8, heads=(1, 1, 2, 2), window=6, **shape)
    parameters, pairs = dict(ours.named_parameters()), []
    for name, parameter in theirs.named_parameters():
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        pairs.append((parameters.pop(name), parameter))
        pairs[-1][0].data.copy_(parameter.data + 0.05 * torch.randn_like(parameter))
        parameter.data.copy_(pairs[-1][0].data)
    assert not parameters
    batch = Batch(torch.randn(4, 3, 96, 96), torch.randint(0, 5, (4,)), tuple("abcd"))
    losses = [Classify(5, 0.1).loss(model.train(), batch).total for model in (ours, theirs)]
    for loss in losses:
        loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)
    for one, other in pairs:
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)
