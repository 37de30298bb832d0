from __future__ import annotations

import math

import pytest
import torch

from vitrail.heads.boxes import best, clip, decode, encode, with_area
from vitrail.models.detectors import _STDS


def some(count: int, seed: int = 0) -> torch.Tensor:
    corners = torch.rand(count, 2, 2, generator=torch.Generator().manual_seed(seed)) * 50
    return torch.cat([corners.amin(1), corners.amax(1) + 1], 1)


@pytest.mark.parametrize("stds", _STDS)
def test_decode_undoes_encode(stds):
    boxes, anchors = some(40), some(40, 1)
    torch.testing.assert_close(decode(encode(boxes, anchors, stds), anchors, stds), boxes, rtol=1e-4, atol=1e-3)


def test_offsets_by_hand():
    anchor, box = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 0, 25, 10]])
    expected = torch.tensor([[1.0 / 0.1, -0.25 / 0.1, math.log(2) / 0.2, math.log(0.5) / 0.2]])
    torch.testing.assert_close(encode(box, anchor, (0.1, 0.1, 0.2, 0.2)), expected)


def test_offsets_of_every_class_come_from_the_same_anchor():
    anchors, deltas = some(3), torch.randn(3, 5, 4)
    every = decode(deltas, anchors)
    assert every.shape == (3, 5, 4)
    torch.testing.assert_close(every[:, 2], decode(deltas[:, 2], anchors))


def test_logarithms_are_cut_on_both_sides():
    anchor = torch.tensor([[0.0, 0, 16, 16]])
    wide = decode(torch.tensor([[0.0, 0, 50, -50]]), anchor)[0]
    assert wide[2] - wide[0] == pytest.approx(1000, rel=1e-4)
    assert wide[3] - wide[1] == pytest.approx(16 * 16 / 1000, rel=1e-3)


def test_clip_and_area():
    boxes = torch.tensor([[-5.0, 3, 30, 99], [40.0, 2, 60, 5]])
    cut = clip(boxes, (20, 25))
    assert cut.tolist() == [[0, 3, 25, 20], [25, 2, 25, 5]]
    assert with_area(cut).tolist() == [True, False]


def test_best_suppresses_within_a_class_alone():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1.0, 0, 11, 10], [50.0, 50, 60, 60]])
    scores = torch.tensor([[0.9, 0.3], [0.8, 0.6], [0.04, 0.5]])
    found, sure, classes, rows = best(boxes, scores, 0.05, 0.5, 10)
    assert rows.tolist() == [0, 1, 2] and classes.tolist() == [0, 1, 1]
    assert sure.tolist() == pytest.approx([0.9, 0.6, 0.5]) and torch.equal(found, boxes)
    assert len(best(boxes, scores, 0.05, 0.5, 2)[0]) == 2
    assert len(best(boxes, scores, 0.95, 0.5, 2)[0]) == 0
