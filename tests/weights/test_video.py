"""Files of the papers' video releases: tensors under "state_dict", `backbone.` before all names but the head's."""

from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.layers.relative import resize_table
from vitrail.weights import load_weights
from vitrail.weights.formats import to_release

SMALL = {"dim": 16, "depths": (1, 2), "heads": (1, 2), "frames": 8}
NAMES = ["video_iwin_nano", "video_swin_nano"]


def built(name: str, **more):
    more = {"kernels": (3, 3), **more} if "iwin" in name else more
    return vitrail.create_model(name, 7, (64, 64), **{**SMALL, **more})


def released(model) -> dict:
    """A checkpoint as the releases write it."""
    state = to_release(model)
    if "swin" in model.name:
        state["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(392, 392, dtype=torch.long)
    return {
        "meta": {},
        "state_dict": {key if key.startswith("cls_head.") else f"backbone.{key}": t for key, t in state.items()},
    }


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_checkpoint_of_the_release_loads(name):
    torch.manual_seed(0)
    model, again = built(name).eval(), built(name).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.2)
    report = load_weights(again, released(model), trained_as=model)
    assert not report.missing and not report.unexpected
    assert len(report.derived) == ("swin" in name)
    x = torch.randn(1, 3, 8, 64, 64)
    assert torch.equal(again(x), model(x))


def test_a_time_embedding_stands_with_channels_first():
    model = built("video_iwin_nano")
    model.trunk.stem.time.table.data = torch.arange(4.0).view(1, 4, 1, 1, 1).expand(1, 4, 1, 1, 16).clone()
    table = to_release(model)["time_embed"]
    assert table.shape == (1, 16, 4, 1, 1)
    assert table[0, 5, :, 0, 0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_heads_of_iwin_are_asked_for():
    model = built("video_iwin_nano")
    with pytest.raises(InputError, match="heads of video_iwin_nano"):
        load_weights(model, released(model))


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_pictures_are_no_weights_of_clips(name):
    picture = vitrail.create_model(name.removeprefix("video_"), 7, (64, 64), dim=16)
    with pytest.raises(InputError):
        load_weights(built(name), to_release(picture), trained_as=built(name))


def test_further_ways_in_time_have_no_place_in_the_release():
    model = built("video_iwin_nano", time="interleave", time_window=2)
    named = set(vitrail.weights.formats.release_keys(model))
    left = {name for name, _ in model.named_parameters()} - named
    assert left == {
        f"trunk.stages.{stage}.blocks.{block}.mix.body.time.layer.conv.{leaf}"
        for stage, block in ((0, 0), (1, 0), (1, 1))
        for leaf in ("weight", "bias")
    }


@torch.no_grad()
def test_another_length_resizes_the_table_of_time_when_asked():
    torch.manual_seed(0)
    model, longer = built("video_iwin_nano").eval(), built("video_iwin_nano", frames=16).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.2)
    with pytest.raises(InputError, match=r"4 moments|windows"):
        load_weights(longer, model.state_dict(), trained_as=model)
    report = load_weights(longer, model.state_dict(), trained_as=model, new_window=True)
    assert any(name.endswith("time.table") for name in report.resized)
    x = torch.randn(1, 3, 16, 64, 64)
    torch.testing.assert_close(longer(x), model(x), rtol=0, atol=1e-5)  # which resizes at every call


def test_tables_of_another_length_of_window_are_stretched_when_asked(tmp_path):
    torch.manual_seed(0)
    short, long = built("video_swin_nano", window=(2, 3, 3)), built("video_swin_nano", window=(4, 3, 3))
    vitrail.weights.save(tmp_path / "short.safetensors", short)
    for source, trained_as in ((short.state_dict(), short), (tmp_path / "short.safetensors", None)):
        with pytest.raises(InputError, match="windows 2x3x3"):
            load_weights(long, source, trained_as=trained_as)
        report = load_weights(long, source, trained_as=trained_as, new_window=True)
        assert len(report.resized) == 3 and not report.missing and not report.unexpected
        for name in report.resized:
            table = resize_table(short.state_dict()[name], (2, 3, 3), (4, 3, 3))
            assert torch.equal(long.state_dict()[name], table)
