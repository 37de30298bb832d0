from __future__ import annotations

import math

import pytest
import torch

from vitrail.geometry.links import self_links
from vitrail.geometry.sequence import blocks_until_reached, causal_links, lanes, stride_at
from vitrail.geometry.windows import membership

SHAPES = [(1, 3, 1), (2, 3, 2), (7, 3, 2), (12, 4, 4), (13, 4, 3), (13, 4, 1), (17, 5, 5), (9, 12, 4), (10, 1, 1)]


@pytest.mark.parametrize(("length", "stride", "near"), SHAPES)
def test_links_in_words(length, stride, near):
    found = causal_links(length, stride, near).dense()
    for i in range(length):
        for j in range(length):
            assert found[i, j].item() == (j <= i and (j % stride == i % stride or i - j < near)), (i, j)


@pytest.mark.parametrize("near", range(2, 9))
@pytest.mark.parametrize("stride", range(1, 9))
def test_blocks_until_reached_against_propagation(stride, near):
    """Booleans multiplied block by block, nothing else known."""
    for length in (1, 2, stride, stride + 1, 2 * stride + 1, 5 * stride + 3, 40):
        past = torch.ones(length, length, dtype=torch.bool).tril()
        reached, blocks = self_links((length,)), 0
        while not torch.equal(reached.dense(), past):
            reached, blocks = reached.then(causal_links(length, stride, near)), blocks + 1
        assert blocks_until_reached(stride, near, length) == (blocks if length > 1 else 1), (stride, near, length)


def test_two_blocks_suffice_exactly_when_the_near_part_spans_the_stride():
    for stride in range(2, 20):
        for near in range(2, 25):
            assert (blocks_until_reached(stride, near, 10 * stride) <= 2) == (near >= stride), (stride, near)


def test_nothing_near_never_gets_there():
    with pytest.raises(ValueError, match="stride=4 without a near part"):
        blocks_until_reached(4, 1, 9)
    assert blocks_until_reached(1, 1, 9) == 1
    assert blocks_until_reached(4, 1, 1) == 1
    assert blocks_until_reached(4, 9, 9) == 1


def test_the_root_is_rounded_up():
    for length in (1, 2, 3, 4, 5, 15, 16, 17, 1023, 1024, 1025, 65536):
        root = stride_at("sqrt", length)
        assert root == math.ceil(math.sqrt(length))
        assert (root - 1) ** 2 < length <= root**2
    assert stride_at(7, 3) == 7


@pytest.mark.parametrize("length", [1, 5, 8, 13])
def test_lanes_are_residue_classes(length):
    assert membership(lanes(4), (length,)).tolist() == [i % 4 for i in range(length)]
    assert lanes(4).axes((length,))[0].tokens == -(-length // 4)
    assert lanes(4).mask((length,)) is None
