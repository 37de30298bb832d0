"""Our trunks as encoders of segmentation_models.pytorch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import vitrail
from vitrail import weights
from vitrail.errors import InputError

smp = pytest.importorskip("segmentation_models_pytorch")
ours = pytest.importorskip("vitrail.integrations.smp")

DECODERS = ["FPN", "Linknet", "MAnet", "PSPNet", "Segformer", "UPerNet", "Unet", "UnetPlusPlus"]
NANO = ["iwin_nano", "scalablevit_nano", "swin_nano"]
PAIRS = [*(("iwin_nano", decoder) for decoder in DECODERS), *((name, "FPN") for name in NANO[1:])]


@pytest.mark.parametrize(("name", "decoder"), PAIRS)
def test_masks_and_gradients(name: str, decoder: str) -> None:
    model = getattr(smp, decoder)(name, encoder_weights=None, classes=4)
    masks = model(torch.randn(2, 3, 64, 96))
    assert masks.shape == (2, 4, 64, 96)
    masks.square().mean().backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", [*NANO, *(f"dense_{name}" for name in NANO)])
def test_maps_are_those_of_vitrail(name: str) -> None:
    encoder = smp.encoders.get_encoder(name).eval()
    own = vitrail.create_model(name).eval()
    missing, unexpected = own.load_state_dict(encoder.state_dict(), strict=False)
    assert unexpected == [] and all(key.startswith(("norm.", "head.")) for key in missing)
    for size in ((64, 64), (61, 97)):
        x = torch.randn(1, 3, *size)
        same, half, *maps = encoder(x)
        assert torch.equal(same, x) and half.shape == (1, 0, -(-size[0] // 2), -(-size[1] // 2))
        wanted = own(x) if name.startswith("dense_") else own.features(x)
        assert all(torch.equal(one, other) for one, other in zip(maps, wanted, strict=True))
    assert encoder.out_channels == [3, 0, 16, 32, 64, 128] and encoder.output_stride == 32


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_depth(depth: int) -> None:
    encoder = smp.encoders.get_encoder("dense_iwin_nano", in_channels=2, depth=depth)
    assert encoder.out_channels == [2, 0, 16, 32, 64, 128][: depth + 1] and encoder.output_stride == 2**depth
    maps = encoder(torch.randn(1, 2, 64, 64))
    assert [m.shape[1] for m in maps] == encoder.out_channels
    sum(m.square().sum() for m in maps).backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize("channels", [1, 4])
def test_other_input_channels(channels: int) -> None:
    model = smp.Unet("swin_nano", encoder_weights=None, in_channels=channels)
    assert model.encoder.spec.in_channels == channels
    assert model(torch.randn(1, channels, 61, 97)).shape == (1, 1, 61, 97)  # U-Net alone takes any size in smp


def test_fields_of_the_spec_and_weights(tmp_path: Path) -> None:
    ours.register("swin_nano", "swin_nano_at_64", size=(64, 64), depths=(1, 1, 1, 1), drop_path=0.1)
    model = smp.FPN("swin_nano_at_64", encoder_weights=None)
    assert model.encoder.size == (64, 64) and model.encoder.spec.drop_path == 0.1
    own = vitrail.create_model("swin_nano", 5, (64, 64), depths=(1, 1, 1, 1), drop_path=0.1).eval()
    weights.save(tmp_path / "m.safetensors", own)
    report = vitrail.load_weights(model.encoder, tmp_path / "m.safetensors", partial=True)
    assert report.missing == () and all(key.startswith(("norm.", "head.")) for key in report.unexpected)
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(model.eval().encoder(x)[-1], own.features(x)[-1])


@pytest.mark.parametrize(
    ("decoder", "options", "said"),
    [
        ("DeepLabV3", {}, "output_stride=8: windows are not dilated"),
        ("DeepLabV3Plus", {}, "output_stride=16: windows are not dilated"),
        ("PAN", {}, "output_stride=16: windows are not dilated"),
        ("PSPNet", {"encoder_depth": 1}, "depth=1: iwin_nano gives maps for 2 to 5"),
    ],
)
def test_what_they_cannot_do_is_one_line(decoder: str, options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        getattr(smp, decoder)("iwin_nano", encoder_weights=None, **options)
    assert "\n" not in str(caught.value)


def test_pan_at_stride_32() -> None:
    model = smp.PAN("iwin_nano", encoder_weights=None, encoder_output_stride=32).eval()
    assert model(torch.randn(1, 3, 256, 256)).shape == (1, 1, 256, 256)  # it halves the last map three times


def test_no_name_of_theirs_is_taken() -> None:
    mine = {name for name, row in smp.encoders.encoders.items() if row["encoder"] is ours.Encoder}
    assert {*ours.CLASSIFIERS, *ours.BACKBONES} <= mine
    assert {"resnet18", "mit_b0"} <= set(smp.encoders.encoders) - mine
