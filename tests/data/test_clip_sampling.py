"""Which frames make a clip, by cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrail.data import clip_sampling
from vitrail.data.clip_settings import Sampling
from vitrail.data.randomness import seeded


@pytest.mark.parametrize(
    ("count", "clips", "firsts"),
    [  # 32 x 2: clip k of K begins at floor((k + 1/2) (n - 63) / K)
        (300, 4, [29, 88, 148, 207]),
        (300, 1, [118]),
        (65, 4, [0, 0, 1, 1]),
        (64, 4, [0, 0, 0, 0]),
        (20, 2, [0, 0]),
        (1, 1, [0]),
    ],
)
def test_clips_of_a_test_begin_where_the_releases_begin_them(count: int, clips: int, firsts: list[int]) -> None:
    found = clip_sampling.spread(count, Sampling(), clips)
    assert found.shape == (clips, 32)
    assert found[:, 0].tolist() == firsts
    for first, clip in zip(firsts, found, strict=True):
        assert clip.tolist() == [(first + 2 * t) % count for t in range(32)]


def test_dense_clips_reach_from_end_to_end() -> None:
    dense = Sampling(8, 4, "dense")
    found = clip_sampling.spread(100, dense, 10)
    assert found[:, 0].tolist() == [0, 7, 15, 22, 30, 37, 45, 52, 60, 68]
    assert found[-1, -1] == 96  # the last clip's span of 32 ends with frame 99
    assert clip_sampling.spread(100, dense)[0, 0] == 34
    assert clip_sampling.spread(10, dense, 3)[:, 0].tolist() == [0, 0, 0]


def test_uniform_takes_the_middle_of_equal_pieces() -> None:
    uniform = Sampling(4, 1, "uniform")
    assert clip_sampling.spread(40, uniform).tolist() == [[5, 15, 25, 35]]
    assert clip_sampling.spread(10, uniform).tolist() == [[1, 3, 6, 8]]  # of pieces of 2.5 frames: 1.25 3.75 6.25 8.75
    assert clip_sampling.spread(2, uniform).tolist() == [[0, 0, 1, 1]]
    assert clip_sampling.spread(40, uniform, 2).tolist() == [[2, 12, 22, 32], [7, 17, 27, 37]]


def drawn(count: int, sampling: Sampling, times: int = 400) -> np.ndarray:
    with seeded(3):
        return np.stack([clip_sampling.draw(count, sampling) for _ in range(times)])


@pytest.mark.parametrize("how", ["dense", "interval"])
def test_a_training_clip_begins_anywhere_it_fits(how: str) -> None:
    clips = drawn(20, Sampling(4, 3, how))
    assert set(clips[:, 0].tolist()) == set(range(9))  # 0 to n - length x interval, both included
    assert (np.diff(clips, axis=1) == 3).all()
    counts = np.bincount(clips[:, 0])
    assert counts.min() > 20  # 44 are expected of each


def test_a_short_video_is_begun_again() -> None:
    assert drawn(5, Sampling(4, 3), 3).tolist() == [[0, 3, 1, 4]] * 3
    assert drawn(12, Sampling(4, 3), 3).tolist() == [[0, 3, 6, 9]] * 3
    assert drawn(1, Sampling(4, 3), 1).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("count", [3, 8, 21, 300])
def test_uniform_draws_every_frame_of_each_piece(count: int) -> None:
    clips = drawn(count, Sampling(8, 1, "uniform"), 300 if count < 100 else 1500)
    edges = np.arange(9) * count / 8
    assert (clips >= np.floor(edges[:-1])).all() and (clips < np.ceil(edges[1:])).all()
    assert (np.diff(clips, axis=1) >= 0).all()
    assert set(np.unique(clips).tolist()) == set(range(count))


def test_the_generator_given_decides() -> None:
    before = torch.random.get_rng_state()
    assert (drawn(300, Sampling()) == drawn(300, Sampling())).all()
    assert torch.equal(before, torch.random.get_rng_state())
