"""Clips for training and for use: the same change in every frame, views where they belong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from vitrail.data import clip_sampling
from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, ClipViews, Sampling
from vitrail.data.clip_transforms import erasing, for_training, for_use, larger, normalise
from vitrail.data.randomness import seeded
from vitrail.data.settings import RandAugment

PLAIN = ClipPreprocessing(Sampling(3, 2), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
STRONG = ClipAugment(rand=RandAugment(4, 7.0, chance=1.0))


class Held:
    """A video in memory, that keeps what it was asked for."""

    name = "held"

    def __init__(self, film: np.ndarray) -> None:
        self.film = film
        self.asked: list[list[int]] = []

    def count(self) -> int:
        return len(self.film)

    def frames(self, wanted: Sequence[int], cover: tuple[int, int] | None = None) -> np.ndarray:
        self.asked.append(list(wanted))
        return self.film[list(wanted)]


def smooth(count: int, height: int, width: int, still: bool = False) -> np.ndarray:
    t, y, x = np.mgrid[:count, :height, :width]
    t = 0 * t if still else t
    film = np.stack([np.sin(x / 5 + t), np.cos(y / 4 - t), np.sin((x + y) / 7 + t / 2)], -1)
    return (127 + 120 * film).astype(np.uint8)


def test_use_resizes_crops_the_middle_and_normalises() -> None:
    video = Held(smooth(12, 40, 64))
    settings = ClipPreprocessing(Sampling(3, 2), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    view = for_use((21, 28), settings, ClipViews())(video)
    assert (view.shape, view.dtype) == ((1, 3, 3, 21, 28), torch.uint8)
    frames = torch.from_numpy(video.film[[3, 5, 7]]).permute(0, 3, 1, 2).float()  # floor((12 - 5) / 2) = 3
    assert larger((21, 28), 0.875) == (24, 32)
    plain = F.resize(frames, [24, 38], antialias=True)[:, :, 1:22, 5:33]
    assert (view[0].transpose(0, 1).float() - plain).abs().max() <= 1
    clip = normalise(view[0], settings)
    expected = F.normalize(view[0].transpose(0, 1).float() / 255, [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]).transpose(0, 1)
    torch.testing.assert_close(clip, expected)
    there = torch.empty(clip.shape)
    assert normalise(view[0], settings, there) is there and torch.equal(there, clip)


@pytest.mark.parametrize(("height", "width"), [(16, 41), (41, 16), (16, 16)])
def test_three_crops_lie_from_end_to_end(height: int, width: int) -> None:
    video = Held(smooth(9, height, width))
    views = for_use((16, 16), PLAIN, ClipViews(2, 3))(video)
    assert views.shape == (6, 3, 3, 16, 16)
    places = clip_sampling.spread(9, PLAIN.sampling, 2)
    firsts = [0, (max(height, width) - 16) // 2, max(height, width) - 16]
    for clip in range(2):
        for crop, first in enumerate(firsts):
            top, left = (first, 0) if height > width else (0, first)
            plain = video.film[places[clip]][:, top : top + 16, left : left + 16]
            assert np.array_equal(views[3 * clip + crop].permute(1, 2, 3, 0).numpy(), plain)
    assert len(video.asked) == 1 and len(set(video.asked[0])) == len(video.asked[0])  # each frame is decoded once


def test_an_image_smaller_than_the_model_is_enlarged() -> None:
    for views in (ClipViews(), ClipViews(1, 3)):
        assert for_use((20, 24), PLAIN, views)(Held(smooth(5, 7, 9))).shape == (views.count, 3, 3, 20, 24)
    for augment in (ClipAugment(), ClipAugment(crop=None)):
        assert for_training((20, 24), PLAIN, augment)(Held(smooth(5, 7, 9))).shape == (3, 3, 20, 24)


def alike(clip: Tensor) -> bool:
    return bool((clip == clip[:, :1]).all())


def test_every_frame_of_a_clip_is_changed_alike() -> None:
    change = for_training((16, 16), PLAIN, STRONG)
    results = []
    for number in range(8):
        with seeded(number):
            results.append(change(Held(smooth(12, 24, 30, still=True))))
        assert alike(results[-1])
    assert not torch.equal(results[0], results[1])
    with seeded(0):
        assert not alike(change(Held(smooth(12, 24, 30))))


def test_each_change_is_made_only_where_it_is_asked_for() -> None:
    video = Held(smooth(6, 16, 16))
    settings = ClipPreprocessing(Sampling(3, 2), share=1.0, mean=PLAIN.mean, std=PLAIN.std)
    none = for_training((16, 16), settings, ClipAugment(crop=None, flip=0.0))(video)
    assert none.dtype == torch.uint8 and none.is_contiguous()
    assert torch.equal(none, for_use((16, 16), settings, ClipViews())(video)[0])
    flipped = for_training((16, 16), settings, ClipAugment(crop=None, flip=1.0))(video)
    assert torch.equal(flipped, none.flip(-1))
    assert erasing(ClipAugment()) is None
    erase, plain = erasing(ClipAugment(erase=1.0)), normalise(none, settings)
    assert erase
    with seeded(1):
        erased = erase(plain.clone())
    noise = torch.where(erased != plain, erased, 0)
    assert ((noise != 0) == (noise[:, :1] != 0)).all() and torch.equal(noise, noise[:, :1].expand_as(noise))
    share = (noise != 0).any(0).float().mean((1, 2))
    assert (share > 0).all() and (share < 0.5).all() and (share == share[0]).all()


def test_a_random_crop_is_the_crop_resized() -> None:
    """On a ramp, the rows and columns of any crop are ramps, whose steps tell its size."""
    y, x = np.mgrid[:64, :96]
    film = np.stack([2 * x, 3 * y, 0 * x], -1).astype(np.uint8)[None].repeat(6, 0)
    change = for_training((32, 32), PLAIN, ClipAugment(crop=(0.2, 0.4), aspect=(0.5, 2.0), flip=0.0))
    shares, ratios = [], []
    for number in range(60):
        with seeded(number):
            clip = change(Held(film)).float()
        width = float((clip[0, 0, 16, 28] - clip[0, 0, 16, 4]) / 24 * 32 / 2)
        height = float((clip[1, 0, 28, 16] - clip[1, 0, 4, 16]) / 24 * 32 / 3)
        shares.append(width * height / (64 * 96))
        ratios.append(width / height)
    assert 0.18 < min(shares) < 0.24 and 0.36 < max(shares) < 0.43
    assert 0.45 < min(ratios) < 0.7 and 1.4 < max(ratios) < 2.2
