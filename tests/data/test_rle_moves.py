"""Masks moved, mirrored and joined while packed, against the same done to their pixels."""

from __future__ import annotations

import tracemalloc

import pytest
import torch

from vitrail.data import rle, rle_moves

SIZES = [(1, 1), (5, 7), (13, 4)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_mask_of_a_part_is_one_of_the_whole(size: tuple[int, int], share: float) -> None:
    torch.manual_seed(0)
    masks = torch.rand(4, *size) < share
    for whole, corner in (((13, 9), (0, 0)), ((13, 9), (0, 2)), ((20, 17), (7, 10)), ((14, 8), (1, 1))):
        expected = torch.zeros(4, *whole, dtype=torch.bool)
        expected[:, corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = masks
        assert tuple(rle_moves.moved(mask, corner, whole) for mask in rle.encode(masks)) == rle.encode(expected)
    for mask in rle.encode(masks):
        assert rle_moves.moved(mask, (0, 0), size) == mask


@pytest.mark.parametrize("size", SIZES)
def test_mirrored_and_joined(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    masks = torch.rand(4, *size) < 0.3
    packed = rle.encode(masks)
    assert tuple(map(rle_moves.mirrored, packed)) == rle.encode(masks.flip(2))
    assert rle_moves.joined(packed) == rle.encode(masks.any(0)[None])[0]
    assert rle_moves.joined(packed[:1]) == packed[0]


def test_the_whole_is_never_unpacked() -> None:
    (mask,) = rle.encode(torch.rand(1, 40, 40) < 0.5)
    rle_moves.moved(mask, (3, 5), (50, 60))
    tracemalloc.start()
    moved = rle_moves.moved(mask, (9000, 9000), (10_000, 10_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rle.areas([moved]) == rle.areas([mask])
    assert peak < 1_000_000  # bytes; the pixels of the whole are a hundred times as many
