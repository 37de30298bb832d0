"""Counts against the dullest loop, whole and added up from parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from vitrail.metrics.counts import Counts


@dataclass
class Scores:
    scores: Tensor


@pytest.mark.parametrize("classes", [2, 5, 7])
def test_counts_equal_the_dullest_loop(classes: int) -> None:
    torch.manual_seed(classes)
    scores, target = torch.rand(50, classes), torch.randint(classes - 1, (50,))  # the last class never comes
    counts = Counts(classes)
    counts.update(Scores(scores[:20]), target[:20])
    counts.update(Scores(scores[20:]), target[20:])

    confusion = [[0] * classes for _ in range(classes)]
    top5 = 0
    for row, truth in zip(scores.tolist(), target.tolist(), strict=True):
        ranked = sorted(range(classes), key=lambda k, row=row: -row[k])
        confusion[truth][ranked[0]] += 1
        top5 += truth in ranked[:5]
    assert counts.confusion.tolist() == confusion
    result = counts.compute()
    assert result["top1"] == pytest.approx(sum(confusion[k][k] for k in range(classes)) / 50)
    assert ("top5" in result) == (classes > 5)
    if classes > 5:
        assert result["top5"] == pytest.approx(top5 / 50)
    for k, share in enumerate(counts.per_class().tolist()):
        count = sum(confusion[k])
        assert math.isnan(share) if not count else share == pytest.approx(confusion[k][k] / count)


def test_states_of_processes_add_up() -> None:
    torch.manual_seed(0)
    scores, target = torch.rand(30, 6), torch.randint(6, (30,))
    whole, first, second = Counts(6), Counts(6), Counts(6)
    whole.update(Scores(scores), target)
    first.update(Scores(scores[:7]), target[:7])
    second.update(Scores(scores[7:]), target[7:])
    first.absorb([second.states()])
    assert first.compute() == whole.compute()
    assert torch.equal(first.confusion, whole.confusion)


def test_nothing_counted_is_not_a_number() -> None:
    assert all(math.isnan(value) for value in Counts(6).compute().values())
