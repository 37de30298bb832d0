"""A network of pictures and the one of clips that begins from it agree on still clips."""

from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.weights.inflation import inflate

SIZE = (40, 56)  # grids of 10 x 14 and 5 x 7
SMALL = {"dim": 8, "depths": (2, 2), "heads": (1, 2)}
IWIN = {**SMALL, "window": 3, "kernels": (3, 5), "conv_stages": (0,)}

CASES = {
    "iwin": ("iwin", IWIN, IWIN),
    "iwin_masked": ("iwin", {**IWIN, "padding": "masked"}, {**IWIN, "padding": "masked"}),
    "iwin_kernel": ("iwin", IWIN, {**IWIN, "time": "kernel", "time_kernel": 5}),
    "iwin_interleave": ("iwin", IWIN, {**IWIN, "time": "interleave", "time_window": 3}),
    "iwin_patches_of_three": ("iwin", IWIN, {**IWIN, "patch_time": 3}),
    "swin": ("swin", {**SMALL, "window": 3}, {**SMALL, "window": (3, 3, 3)}),
    "swin_clamped_in_time": ("swin", {**SMALL, "window": 3}, {**SMALL, "window": (8, 3, 3)}),
    # on 40 x 40 the second stage, 5 x 5, is smaller than its window
    "swin_corrected": ("swin", {**SMALL, "window": 7}, {**SMALL, "window": (2, 7, 7), "bias": "corrected"}),
}
SIZES = {"swin_corrected": (40, 40)}


def pair(family: str, of_pictures: dict, of_clips: dict, size: tuple[int, int] = SIZE):
    """A picture's network with weights that show what is wrong, and one of clips of 12 frames."""
    torch.manual_seed(0)
    image = vitrail.create_model(f"{family}_nano", 3, size, **of_pictures)
    video = vitrail.create_model(f"video_{family}_nano", 5, size, **{"frames": 12, **of_clips})
    with torch.no_grad():
        for parameter in (*image.parameters(), *video.parameters()):
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return image.eval(), video.eval()


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("name", sorted(CASES))
@torch.no_grad()
def test_still_clips_have_the_features_of_their_picture(name, dtype, limit):
    size = SIZES.get(name, SIZE)
    image, video = (model.to(dtype) for model in pair(*CASES[name], size))
    head = [p.clone() for p in video.head.parameters()]
    report = inflate(image, video)
    assert not report.missing and not report.unexpected
    assert all(torch.equal(a, b) for a, b in zip(head, video.head.parameters(), strict=True))
    assert bool(report.resized) == (name == "swin_corrected")
    x = torch.randn(2, 3, *size, dtype=dtype)
    clip = x[:, :, None].expand(-1, -1, 12, -1, -1)
    for expected, found in zip(image.features(x), video.features(clip), strict=True):
        scale = expected.abs().max().clamp(min=1)
        assert (found - expected[:, :, None]).abs().max() <= limit * scale
    torch.testing.assert_close(video.embed(clip), image.embed(x), rtol=limit, atol=limit)


@torch.no_grad()
def test_moving_clips_have_other_features():
    image, video = pair(*CASES["swin"])
    inflate(image, video)
    clip = torch.randn(1, 3, 12, *SIZE)
    assert not torch.allclose(video.embed(clip), image.embed(clip[:, :, 0]), atol=1e-2)


@torch.no_grad()
def test_the_released_rows_of_clamped_windows_are_those_of_other_offsets():
    name, of_pictures, of_clips = CASES["swin_corrected"]
    image, video = pair(name, of_pictures, {**of_clips, "bias": "released"}, (40, 40))
    inflate(image, video)
    x = torch.randn(1, 3, 40, 40)
    found = video.features(x[:, :, None].expand(-1, -1, 12, -1, -1))
    first, second = ((a - b[:, :, None]).abs().max() for a, b in zip(found, image.features(x), strict=True))
    assert first < 1e-4 < 1e-1 < second


def test_tables_of_another_window_are_stretched():
    image, video = pair("swin", {**SMALL, "window": 3}, {**SMALL, "window": (4, 5, 5)})
    report = inflate(image, video)
    assert len(report.resized) == 4
    table = video.trunk.stages[0].blocks[0].mix.body.bias.table.unflatten(0, (7, 81))
    assert torch.equal(table, table[:1].expand_as(table))


@pytest.mark.parametrize(
    ("family", "of_pictures", "of_clips", "message"),
    [
        ("iwin", {**IWIN, "heads": (2, 4)}, IWIN, "iwin_nano has heads=\\(2, 4\\), video_iwin_nano heads=\\(1, 2\\)"),
        ("iwin", {**IWIN, "conv_stages": (0, 1)}, IWIN, "video_iwin_nano has nothing for trunk.stages.1.*conv"),
        ("iwin", IWIN, {**IWIN, "conv_stages": (0, 1)}, "iwin_nano has nothing for trunk.stages.1.*conv"),
        ("iwin", {**IWIN, "kernels": (5, 5)}, IWIN, "\\(8, 1, 5, 5\\) comes of iwin_nano"),
        ("swin", {**SMALL, "position": "both"}, SMALL, "nothing for trunk.stem.position.table"),
    ],
)
def test_networks_that_differ_are_refused_whole(family, of_pictures, of_clips, message):
    image, video = pair(family, of_pictures, of_clips)
    before = {name: value.clone() for name, value in video.state_dict().items()}
    with pytest.raises(InputError, match=message) as caught:
        inflate(image, video)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in video.state_dict().items())


def test_other_families_are_refused():
    image, video = pair(*CASES["swin"])
    iwin, _ = pair(*CASES["iwin"])
    with pytest.raises(InputError, match="begins from a network with a SwinSpec; iwin_nano is another"):
        inflate(iwin, video)
    with pytest.raises(InputError, match="fills a video model"):
        inflate(image, image)
