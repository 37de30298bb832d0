"""Batches of clips: decided by (seed, epoch, sample), whole where a video is broken, in views one after another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import films
from vitrail.data import clip_layouts
from vitrail.data.clip_batches import ClipBatch, ClipBatches
from vitrail.data.clip_set import Clips
from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, ClipViews, Sampling
from vitrail.data.loader import Loader
from vitrail.data.settings import RandAugment
from vitrail.errors import InputError

pytest.importorskip("av", reason="the extra `video` is not installed")

SETTINGS = ClipPreprocessing(Sampling(4, 2))
STRONG = ClipAugment(rand=RandAugment(chance=1.0), erase=0.5)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    root = tmp_path_factory.mktemp("clips")
    for number, name in enumerate(("a/0.mp4", "a/1.mp4", "a/2.mp4", "b/3.mp4", "b/4.mp4")):
        films.write(root / name, films.numbered(20 + number), options={"preset": "ultrafast"})
    (root / "b" / "broken.mp4").write_bytes((root / "b" / "3.mp4").read_bytes()[:900])
    return clip_layouts.open_held_out(root, "auto", ("a", "b"))


@pytest.fixture(scope="module")
def sound(clips: Clips) -> Clips:
    return clips.chosen(range(5))


def training(clips: Clips, augment: ClipAugment = STRONG) -> ClipBatches:
    return ClipBatches(clips, (16, 24), SETTINGS, augment, seed=3, replace=True)


def by_name(batches: list[ClipBatch]) -> dict[str, torch.Tensor]:
    return {name: image for batch in batches for name, image in zip(batch.names, batch.images, strict=True)}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_clip_is_decided_by_seed_epoch_and_sample(sound: Clips) -> None:
    loads: list[Callable[[int], dict[str, torch.Tensor]]] = [
        lambda epoch, batch=batch, workers=workers: by_name(
            list(Loader(training(sound), batch, shuffle=True, workers=workers).epoch(epoch))
        )
        for batch, workers in ((5, 0), (1, 0), (5, 2))
    ]
    first = loads[0](1)
    assert len(first) == 5
    assert all(same(first, load(1)) for load in loads[1:])
    assert not same(first, loads[0](2))


def test_training_batches_hold_normalised_clips(sound: Clips) -> None:
    (batch,) = Loader(training(sound), 8, shuffle=True).epoch(0)
    assert (batch.images.shape, batch.images.dtype) == ((5, 3, 4, 16, 24), torch.float32)
    assert batch.images.is_contiguous()
    assert batch.target.dtype == torch.int64
    assert [sound.classes[t] for t in batch.target] == [Path(name).parent.name for name in batch.names]
    assert [view is batch.images for view in batch.views()] == [True]
    assert batch.to("cpu").names == batch.names


def test_mixing_keeps_shares_and_frames_together(sound: Clips) -> None:
    mixed = training(sound, ClipAugment(mixup=1.0))
    plain = training(sound, ClipAugment())
    (a,), (b,) = (list(Loader(each, 5, shuffle=True).epoch(0)) for each in (mixed, plain))
    assert a.names == b.names and a.target.shape == (5, 2)
    torch.testing.assert_close(a.target.sum(1), torch.ones(5))
    whole = torch.nn.functional.one_hot(b.target, 2).float()
    other = whole.roll(1, 0)
    row = int((whole != other).any(1).nonzero()[0])
    share = float((a.target[row] * whole[row]).sum())
    torch.testing.assert_close(a.images, share * b.images + (1 - share) * b.images.roll(1, 0))
    (cut,) = Loader(training(sound, ClipAugment(cutmix=1.0)), 5, shuffle=True).epoch(0)
    taken = (cut.images != b.images).any(1)  # the same rectangle in every frame
    assert type(cut.images) is torch.Tensor
    assert torch.equal(taken.any(0).any(0), taken.any(0)[0]) or taken.any()
    assert torch.equal(cut.images, torch.where(cut.images == b.images, b.images, b.images.roll(1, 0)))


def test_a_broken_video_is_counted_and_in_training_replaced(clips: Clips) -> None:
    batches = list(Loader(ClipBatches(clips, (16, 16), SETTINGS, None, 0), 4, shuffle=False).epoch(0))
    assert [len(batch) for batch in batches] == [4, 1]
    (line,) = batches[1].skipped
    assert "broken.mp4: not a readable video" in line and "\n" not in line
    (batch,) = Loader(training(clips), 8, shuffle=True).epoch(0)
    assert len(batch) == len(clips) == 6
    assert len(batch.skipped) == 1 and not any("broken" in name for name in batch.names)
    alone = clips.chosen([5])
    (nothing,) = Loader(ClipBatches(alone, (16, 16), SETTINGS, None, 0), 4, shuffle=False).epoch(0)
    assert len(nothing) == 0 and nothing.images.shape == (0, 3, 4, 16, 16)
    with pytest.raises(InputError, match=r"broken.mp4.* Nor could any of 16 others"):
        list(Loader(training(alone.chosen([0, 0])), 1, shuffle=True).epoch(0))


def test_views_come_one_after_another(sound: Clips) -> None:
    load = lambda views: next(  # noqa: E731
        iter(Loader(ClipBatches(sound, (16, 16), SETTINGS, None, 0, views=views), 3, shuffle=False).epoch(0))
    )
    several = load(ClipViews(2, 3))
    assert (several.images.shape, several.images.dtype) == ((3, 6, 3, 4, 16, 16), torch.uint8)
    views = list(several.views())
    assert len(views) == 6
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (SETTINGS.mean, SETTINGS.std))
    for place, view in enumerate(views):
        torch.testing.assert_close(view, (several.images[:, place].float() / 255 - mean) / std, atol=1e-5, rtol=1e-5)
    one = load(ClipViews())
    assert (one.images.shape, one.images.dtype) == ((3, 3, 4, 16, 16), torch.float32)
    middle = load(ClipViews(3, 1))
    torch.testing.assert_close(list(middle.views())[1], one.images)  # the second of three clips is in the middle
