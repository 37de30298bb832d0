from __future__ import annotations

import pytest
import torch

from vitrail.heads.anchors import Anchors

CPU = torch.device("cpu")


def test_centres_are_multiples_of_the_stride_and_sides_follow_ratio_and_scale():
    """Order: rows, columns, ratios, scales; ratio is height over width; the area does not follow it."""
    (boxes,) = Anchors((16,), (2.0, 3.0), (0.5, 1.0, 2.0))([(2, 3)], CPU)
    place = 0
    for row in range(2):
        for column in range(3):
            for ratio in (0.5, 1.0, 2.0):
                for scale in (2.0, 3.0):
                    x1, y1, x2, y2 = boxes[place].tolist()
                    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((16 * column, 16 * row), abs=1e-4)
                    assert (y2 - y1) / (x2 - x1) == pytest.approx(ratio)
                    assert (x2 - x1) * (y2 - y1) == pytest.approx((16 * scale) ** 2, rel=1e-5)
                    place += 1
    assert place == len(boxes)


def test_who_may_learn():
    anchors = Anchors((8, 16), (1.0,), (1.0,))
    levels = anchors([(8, 12), (4, 6)], CPU)  # a batch of 64 x 96
    free = anchors.inside(levels, (40, 33), None)  # padded by itself: 64 x 64
    for boxes, allowed, stride in zip(levels, free.split([len(x) for x in levels]), (8, 16), strict=True):
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert torch.equal(allowed, centres[:, 0] < 64) and len(allowed) == (64 // stride) * (96 // stride)
    strict = anchors.inside(levels, (40, 33), 0.0)
    every = torch.cat(levels)
    for box, allowed in zip(every.tolist(), strict.tolist(), strict=True):
        assert allowed == (box[0] >= 0 and box[1] >= 0 and box[2] < 33 and box[3] < 40)
    assert 0 < strict.sum() < free.sum()
