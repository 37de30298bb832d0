from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from vitrail.data.text_codes import Bytes, Characters
from vitrail.data.text_set import TextBatch, Texts
from vitrail.errors import InputError

WHOLE = (np.arange(37) * 7 % 256).astype(np.uint8)


def line() -> Texts:
    """In parts, some of them empty."""
    parts = [WHOLE[:0], WHOLE[:5], WHOLE[5:5], WHOLE[5:6], WHOLE[6:30].astype(np.uint16), WHOLE[30:], WHOLE[:0]]
    return Texts(parts, [f"p{n}" for n in range(7)], Bytes(), "root")


def test_parts_read_as_one():
    texts = line()
    assert len(texts) == 37
    for start in range(38):
        for count in range(38 - start):
            assert texts.read(start, count).tolist() == WHOLE[start : start + count].tolist()
    with pytest.raises(InputError, match="root: tokens 30 to 38 of 37"):
        texts.read(30, 8)


def test_slices_are_lines_of_their_own():
    for start, behind in ((0, 37), (3, 5), (5, 6), (4, 31), (36, 37)):
        part = line().slice(start, behind)
        assert part.read(0, len(part)).tolist() == WHOLE[start:behind].tolist()
    with pytest.raises(InputError, match="root: no text in it"):
        line().slice(5, 5)


def test_draws_follow_seed_and_step_alone():
    texts = line()
    first = texts.draw(6, 9, seed=3, step=5)
    torch.manual_seed(99)
    again = line()
    again.draw(2, 4, seed=1, step=1)
    assert torch.equal(first.tokens, again.draw(6, 9, seed=3, step=5).tokens)
    for other in (texts.draw(6, 9, 3, 6), texts.draw(6, 9, 4, 5)):
        assert not torch.equal(first.tokens, other.tokens)
    assert first.tokens.dtype == torch.int64 and first.tokens.shape == (6, 10) and len(first) == 6
    assert torch.equal(first.inputs[:, 1:], first.targets[:, :-1])
    shares = [texts.draw(6, 9, 3, 5, slice(rank, None, 2)).tokens for rank in (0, 1)]
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), first.tokens)


def test_every_window_is_drawn_about_as_often():
    starts = Counter(start for step in range(400) for start in line().starts(10, 30, 0, step))
    assert set(starts) == set(range(7))  # 37 tokens hold 7 windows of 31
    assert max(abs(count - 4000 / 7) for count in starts.values()) < 4 * (4000 / 7) ** 0.5


@pytest.mark.parametrize("length", [1, 4, 6, 12, 36])
def test_covering_asks_for_each_token_once(length):
    texts = line()
    asked = [start + 1 + i for start in texts.cover(length) for i in range(length)]
    assert asked == list(range(1, 1 + 36 // length * length))
    batch = texts.batch(list(texts.cover(length)), length)
    assert batch.targets.flatten().tolist() == WHOLE[1 : 1 + len(asked)].tolist()


def test_batches_move():
    batch = TextBatch(torch.zeros(2, 5, dtype=torch.int64)).to("meta")
    assert batch.tokens.is_meta and batch.inputs.shape == (2, 4)


def test_what_is_wrong_is_said_in_one_line():
    with pytest.raises(InputError, match="root: 37 tokens; windows of length=37 need 38"):
        line().draw(2, 37, 0, 0)
    with pytest.raises(InputError, match="windows of length=0"):
        list(line().cover(0))
    few = Texts([np.array([0, 1, 7], np.uint16)], ["bad.txt"], Characters("abc"), "root")
    with pytest.raises(InputError, match="bad.txt: token 7 stands in it; its vocabulary ends at 2"):
        few.read(0, 3)
    with pytest.raises(InputError, match="root: no text in it"):
        Texts([], [], Bytes(), "root")
