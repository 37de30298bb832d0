"""Samples in rows: every pixel of every picture is there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vitrail.draw.mosaic import GAP, mosaic


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))


def test_pixels_are_enlarged_by_one_whole_factor() -> None:
    rows = [("a", [picture(0, (8, 8)), picture(1, (8, 8))]), ("long " * 9, [picture(2, (12, 16))])]
    sheet = np.asarray(mosaic(rows))
    factor = 5  # 8 pixels become 40
    left = sheet.shape[1] - max(2 * (40 + GAP), 16 * factor + GAP)
    top = GAP
    for _, row in rows:
        at = left
        for each in row:
            large = np.asarray(each).repeat(factor, 0).repeat(factor, 1)
            assert np.array_equal(sheet[top : top + len(large), at : at + large.shape[1]], large)
            at += large.shape[1] + GAP
        top += factor * row[0].height + GAP
    assert top == sheet.shape[0]
    assert (sheet[:, :left] < 128).any()  # the words


def test_nothing_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        mosaic([("a", [])])
