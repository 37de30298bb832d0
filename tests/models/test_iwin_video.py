from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.geometry.windows import Windows
from vitrail.layers.embed import TimeTable
from vitrail.mixers import DepthwiseConv
from vitrail.models.iwin_video import VARIANTS, resolve_windows
from vitrail.models.spec import override

SMALL = {"dim": 8, "depths": (1, 2), "heads": (1, 2), "window": 3, "kernels": (3, 3), "frames": 8, "patch_time": 1}


def built(**more) -> torch.nn.Module:
    torch.manual_seed(0)
    model = vitrail.create_model("video_iwin_nano", 5, (20, 28), **{**SMALL, **more}).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "time.table" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def clip(frames: int = 8, size: tuple[int, int] = (20, 28)) -> torch.Tensor:
    return torch.randn(2, 3, frames, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("size", "window", "windows"),
    [
        ((224, 224), 7, [(7, 7)] * 4),
        ((45, 60), 7, [(7, 7), (6, 7), (3, 4), (2, 2)]),  # each axis is clamped for itself
        ((48, 64), ((4, 4), (3, 4), (2, 2), (1, 1)), [(4, 4), (3, 4), (2, 2), (1, 1)]),
    ],
)
def test_windows_are_clamped_on_each_axis_and_hold_every_frame(size, window, windows):
    spec = override(VARIANTS["video_iwin_tiny"], window=window)
    expected = [Windows((1, *sides), interleaved=True, by=("count", "size", "size")) for sides in windows]
    assert resolve_windows(spec, size) == tuple(expected)
    along = override(spec, time="interleave", frames=12)  # six moments, fewer than the window's eight
    assert resolve_windows(along, size) == tuple(Windows((6, *sides), interleaved=True) for sides in windows)


@pytest.mark.parametrize("moments", [1, 5, 8, 21])
def test_a_position_reads_every_frame_whatever_the_length(moments):
    block = built().trunk.stages[0].blocks[0]
    attention, conv = block.mix.body.attention, block.mix.body.conv
    time, rows, _ = attention.links((moments, 5, 7)).terms[0]
    assert time.all()
    assert rows.sum().item() == 5 * 2 + 3  # 5 rows in windows of 3: every second one, so 3, 2, 3, 2, 3
    assert torch.equal(conv.links((moments, 5, 7)).terms[0][0], torch.eye(moments, dtype=torch.bool))


def test_the_last_stage_has_no_convolution():
    model = vitrail.create_model("video_iwin_nano", size=(256, 256))  # its map is larger than the window
    has_conv = [any(isinstance(m, DepthwiseConv) for m in stage.modules()) for stage in model.trunk.stages]
    assert has_conv == [True, True, True, False]


@pytest.mark.parametrize("more", [{}, {"time": "interleave", "time_window": 3}, {"time": "kernel"}, {"patch_time": 3}])
@torch.no_grad()
def test_clips_of_any_length(more):
    model = built(**more)
    for frames in (1, 2, 7, 8, 19):
        x = clip(frames, (17, 30))
        moments = -(-frames // model.time_stride)
        assert [m.shape for m in model.features(x)] == [(2, 8, moments, 5, 8), (2, 16, moments, 3, 4)]
        assert torch.isfinite(model(x)).all()


@torch.no_grad()
def test_without_its_embedding_time_has_no_order():
    """Windows hold every frame and convolutions stay in theirs, so an order of frames is not seen until it is added."""
    model = built()
    shuffled = clip()[:, :, torch.randperm(8, generator=torch.Generator().manual_seed(2))]
    torch.testing.assert_close(model(shuffled), model(clip()), rtol=1e-4, atol=1e-4)
    model.trunk.stem.time.table.normal_()
    assert not torch.allclose(model(shuffled), model(clip()), atol=1e-2)


@pytest.mark.parametrize("more", [{"time": "interleave", "time_window": 4}, {"time": "kernel"}])
@torch.no_grad()
def test_further_ways_see_an_order_without_an_embedding(more):
    model = built(**more)
    assert not any(isinstance(module, TimeTable) for module in model.modules())
    assert not torch.allclose(model(clip().flip(2)), model(clip()), atol=1e-2)


@pytest.mark.parametrize("more", [{"time": "interleave", "time_window": 8}, {"time": "kernel", "time_kernel": 1}])
@torch.no_grad()
def test_further_ways_come_to_the_released_one_where_they_span_all_or_nothing(more):
    plain, further = built(), built(**more)
    state = {name.replace(".conv.layer.", ".conv."): value for name, value in plain.state_dict().items()}
    own = {name: name.replace(".conv.layer.", ".conv.") for name in further.state_dict()}
    further.load_state_dict({n: state[own[n]].view_as(v) for n, v in further.state_dict().items()})
    torch.testing.assert_close(further(clip()), plain(clip()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("more", "blocks"),
    [({}, 2), ({"time": "interleave"}, 3), ({"time": "interleave", "time_window": 4, "time_kernel": 7}, 3)],
)
def test_blocks_that_connect_all_positions_of_the_third_stage(more, blocks):
    """On 16 x 14 x 14: interleaved along time as well, the two convolutions need a block each."""
    with torch.device("meta"):
        block = vitrail.create_model("video_iwin_nano", **more).trunk.stages[2].blocks[0]
    links = whole = block.links((16, 14, 14))
    for _ in range(blocks - 2):
        whole = whole.then(links)
    assert not whole.everywhere
    assert whole.then(links).everywhere


def test_starting_values_are_those_of_the_release():
    torch.manual_seed(0)
    model = vitrail.create_model("video_iwin_nano", 400)
    stem, head = model.trunk.stem, model.head.fc
    assert not stem.time.table.any()
    assert stem.project.weight.std().item() == pytest.approx((2 / (16 * 2 * 4 * 4)) ** 0.5, rel=0.1)
    assert not stem.project.bias.any()
    assert head.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert model.trunk.stages[0].blocks[0].mlp.body.fc1.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert "trunk.stem.time.table" not in model.no_weight_decay()  # the release decays it


def test_the_head_drops_features_in_training_alone():
    model = built(dropout=0.9)
    x = torch.ones(4, 16)
    assert torch.equal(model.head(x), model.head.fc(x))
    assert not torch.equal(model.train().head(x), model.head.fc(x))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"frames": 0}, "frames=0"),
        ({"frames": 2.5}, "frames=2.5"),
        ({"time": "reversed"}, "time='reversed'"),
        ({"time": "kernel", "time_kernel": 4}, "kernel=4 is even"),
        ({"conv_stages": (4,)}, "names stages from 0 to 3"),
        ({"heads": (1, 2)}, "heads=\\(1, 2\\) has 2 entries"),
        ({"window": (7, 7)}, "one number, or one for each of the 4 stages"),
        ({"dropout": 1.0}, "dropout=1.0"),
    ],
)
def test_impossible_specs_get_one_line(overrides, message):
    with pytest.raises(InputError, match=message) as caught:
        vitrail.create_model("video_iwin_nano", **overrides)
    assert "\n" not in str(caught.value)
