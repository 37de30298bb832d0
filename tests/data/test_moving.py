"""Moving shapes: nothing but the order of frames tells a class from its reversal."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vitrail.data import moving
from vitrail.data.clip_batches import ClipBatches
from vitrail.data.clip_settings import ClipPreprocessing, Sampling
from vitrail.data.loader import Loader
from vitrail.data.moving import CLASSES, CYCLE, Moving
from vitrail.errors import InputError


def frames(clips: Moving, index: int) -> np.ndarray:
    return clips[index].video.frames(range(clips[index].video.count()))


def test_each_clip_stands_beside_its_reversal() -> None:
    clips = Moving(24, frames=7, size=16)
    for index in range(0, 24, 2):
        forwards, backwards = frames(clips, index), frames(clips, index + 1)
        assert np.array_equal(forwards, backwards[::-1])
        assert not np.array_equal(forwards, backwards)
        assert (clips.targets[index] + 1, clips.targets[index] % 2) == (clips.targets[index + 1], 0)
    assert Counter(clips.targets) == dict.fromkeys(range(6), 4)


@pytest.mark.parametrize("pair", [0, 1, 2])
def test_both_classes_of_a_pair_have_the_same_frames(pair: int) -> None:
    """Over a set the bags of frames are equal, so what ignores their order is right for one half inside a pair."""
    clips = Moving(36, frames=5, size=16)
    bags = [
        Counter(
            frame.tobytes() for index in range(36) if clips.targets[index] == target for frame in frames(clips, index)
        )
        for target in (2 * pair, 2 * pair + 1)
    ]
    assert bags[0] == bags[1]


@pytest.mark.parametrize("target", range(6))
def test_a_clip_may_begin_anywhere(target: int) -> None:
    """The frame at any place, the first too, has one distribution in both classes: every start is as likely."""
    clips = Moving(6 * 400, frames=9)
    starts = Counter()
    for index in range(target, 6 * 400, 6):
        drawn = clips.video(index)
        starts[(drawn.scene.start + (drawn.total - 1 if drawn.backwards else 0)) % CYCLE] += 1
    assert len(starts) == CYCLE
    expected = 400 / CYCLE
    assert sum((count - expected) ** 2 / expected for count in starts.values()) < 50  # chi square of 23, p < 0.001


def middle(frame: np.ndarray) -> np.ndarray:
    """(x, y) of what is not the ground, and how much of it there is."""
    there = np.abs(frame.astype(float) - frame[0, 0]).sum(-1)
    y, x = np.mgrid[: len(there), : there.shape[1]]
    return np.asarray([(x * there).sum(), (y * there).sum(), there.sum() ** 2]) / there.sum()


def test_the_names_say_what_moves() -> None:
    clips = Moving(600, frames=4, size=32)
    seen: Counter[str] = Counter()
    for index in range(72):
        name = CLASSES[clips.targets[index]]
        if name in ("left", "right"):
            film = frames(clips, index)
            if (film[:, :, [0, -1]] == film[0, 0, 0]).all():  # none leaves at an edge
                places = [middle(frame)[0] for frame in film]
                assert sorted(set(places), reverse=name == "left") == places
                seen[name] += 1
        elif name in ("growing", "shrinking"):
            areas = [float(middle(np.asarray(clips.video(index)._frame(t)))[2]) for t in range(4)]
            if max(areas) < 2 * min(areas):  # not begun again
                assert sorted(set(areas), reverse=name == "shrinking") == areas
                seen[name] += 1
        else:
            video = clips.video(index)
            here, there = (np.asarray(video._frame(t)).astype(int) for t in (0, 1))
            turned = [_turned(here, video.scene, sign) for sign in (1, -1)]
            apart = [np.abs(one - there).mean() for one in turned]
            assert (apart[0] < apart[1]) == (name == "clockwise")
            seen[name] += 1
    assert min(seen[name] for name in CLASSES) >= 4


def _turned(frame: np.ndarray, scene: moving.Scene, sign: int) -> np.ndarray:
    """The frame turned clockwise, or the other way, by one step about the middle of its shape."""
    from PIL import Image

    side = len(frame)
    image = Image.fromarray(frame.astype(np.uint8))
    angle = -sign * 360 / CYCLE  # Pillow counts the other way round
    return np.asarray(image.rotate(angle, center=(scene.x * side, scene.y * side), fillcolor=scene.ground)).astype(int)


def test_the_same_numbers_give_the_same_clips() -> None:
    a, b, other = Moving(6, seed=1), Moving(12, seed=1), Moving(6, seed=2)
    assert a.digest(4) == b.digest(4) != other.digest(4)
    assert len({a.digest(index) for index in range(6)}) == 6
    training, held_out = moving.open_split(60, 0.2, 4, 16)
    assert (len(training), len(held_out)) == (48, 12)
    assert not {training.digest(i) for i in range(48)} & {held_out.digest(i) for i in range(12)}
    assert Counter(held_out.targets) == dict.fromkeys(range(6), 2)


def test_it_is_loaded_like_any_videos() -> None:
    settings = ClipPreprocessing(Sampling(4, 2), share=1.0)
    clips = Moving(6, 8, 24)
    (batch,) = Loader(ClipBatches(clips, (16, 16), settings, None, 0), 6, shuffle=False).epoch(0)  # type: ignore[arg-type]
    assert batch.images.shape == (6, 3, 4, 16, 16)
    assert batch.target.tolist() == list(range(6))
    assert clips[0].video.about().middle.shape == (24, 24, 3)
    with pytest.raises(InputError, match="wanted some of its frames 0 to 7"):
        clips[0].video.frames([8])
    with pytest.raises(InputError, match="6 clips of 1 frames"):
        Moving(6, 1)
