from __future__ import annotations

import pytest
import torch

from vitrail.data.detections import Instances
from vitrail.heads.matching import NOTHING, UNDECIDED, Match, Sample, learnable


def overlap(a: list[float], b: list[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def slow_match(truth, boxes, positive: float, negative: float, lowest: float | None) -> list[int]:
    """What `Match` says, one pair at a time."""
    table = [[overlap(t, b) for b in boxes.tolist()] for t in truth.tolist()]
    found = []
    for index in range(len(boxes)):
        column = [row[index] for row in table]
        most = max(column, default=0.0)
        found.append(column.index(most) if most >= positive and column else NOTHING if most < negative else UNDECIDED)
    if lowest is not None:
        for thing, row in enumerate(table):
            most = max(row)
            if most >= lowest and most > 0:
                for index, value in enumerate(row):
                    if value == pytest.approx(most, abs=1e-7):
                        found[index] = thing
    return found


@pytest.mark.parametrize(
    "rule",
    [(0.7, 0.3, 0.3), (0.5, 0.4, 0.0), (0.5, 0.5, 0.5), (0.6, 0.6, None)],
    ids=["rpn", "retina", "mask", "cascade"],
)
@pytest.mark.parametrize("seed", range(4))
def test_matches_equal_a_slow_loop(rule, seed):
    """Corners on a coarse grid, so that equal overlaps occur."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, 7, (60, 2, 2), generator=generator).float() * 4
    boxes = torch.cat([corners.amin(1), corners.amax(1) + 4], 1)
    truth = boxes[:5] + torch.tensor([0.0, 0, 2, 2])
    found = Match(*rule)(truth, boxes[3:]).tolist()
    assert found == slow_match(truth, boxes[3:], *rule)
    assert max(found) >= 0 > min(found)


def test_no_things_and_no_boxes():
    boxes = torch.rand(3, 4)
    assert Match(0.5, 0.4, 0.0)(torch.zeros(0, 4), boxes).tolist() == [NOTHING] * 3
    assert len(Match()(boxes, torch.zeros(0, 4))) == 0


def test_a_sample_keeps_to_its_share():
    matched = torch.tensor([0, 1, 2, 0, 1] + [NOTHING] * 50 + [UNDECIDED] * 5)
    positive, negative = Sample(16, 0.25)(matched)
    assert len(positive) == 4 and len(negative) == 12
    assert (matched[positive] >= 0).all() and (matched[negative] == NOTHING).all()
    positive, negative = Sample(100, 0.25)(matched)
    assert len(positive) == 5 and len(negative) == 50


def test_crowds_and_boxes_of_no_size_are_not_learnt():
    boxes = torch.tensor([[0.0, 0, 4, 4], [1.0, 1, 1, 5], [0.0, 0, 9, 9]])
    target = Instances(boxes, torch.tensor([3, 4, 5]), (10, 10), crowd=torch.tensor([False, False, True]))
    assert learnable(target).classes.tolist() == [3]
