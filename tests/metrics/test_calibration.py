"""Calibration against the dullest loop and against scikit-learn, whole and added up from parts."""

from __future__ import annotations

import math

import pytest
import torch

from vitrail.metrics.calibration import BINS, Calibration
from vitrail.metrics.counts import Counts
from vitrail.metrics.several import SeveralRight


class Scores:
    def __init__(self, scores: torch.Tensor) -> None:
        self.scores = scores


def drawn(count: int = 200, classes: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(count, classes, generator=generator)
    return logits.softmax(1), torch.randint(classes, (count,), generator=generator)


def test_calibration_equals_the_dullest_loop() -> None:
    scores, target = drawn()
    counts = Counts(7)
    counts.update(Scores(scores[:90]), target[:90])
    counts.update(Scores(scores[90:]), target[90:])
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    nats = 0.0
    for row, truth in zip(scores.tolist(), target.tolist(), strict=True):
        best = max(range(7), key=row.__getitem__)
        for number in range(BINS):
            if number / BINS < row[best] <= (number + 1) / BINS:
                bins[number].append((row[best], best == truth))
        nats -= math.log(row[truth])
    error = 0.0
    for entries in filter(None, bins):
        sure, right = (sum(entry[part] for entry in entries) / len(entries) for part in (0, 1))
        error += len(entries) / 200 * abs(right - sure)
    result = counts.compute()
    assert result["ece"] == pytest.approx(error, rel=1e-12)
    assert result["nll"] == pytest.approx(nats / 200, rel=1e-12)
    assert counts.calibration.count.tolist() == [len(entries) for entries in bins]
    assert counts.calibration.right.tolist() == [sum(right for _, right in entries) for entries in bins]
    assert int(counts.calibration.right.sum()) == int(counts.confusion.trace())


def test_scikit_learn_agrees() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    calibration = pytest.importorskip("sklearn.calibration")
    scores, target = drawn()
    counts = Counts(7)
    counts.update(Scores(scores), target)
    exact = scores.double() / scores.double().sum(1, keepdim=True)
    assert counts.compute()["nll"] == pytest.approx(metrics.log_loss(target, exact, labels=range(7)), rel=1e-6)
    confidence, best = scores.double().max(1)
    shares, means = calibration.calibration_curve(best == target, confidence, n_bins=BINS)
    states = counts.calibration
    some = states.count > 0
    assert (states.right / states.count)[some].tolist() == pytest.approx(shares.tolist())
    assert (states.confidence / states.count)[some].tolist() == pytest.approx(means.tolist())


def test_states_of_processes_add_up() -> None:
    scores, target = drawn()
    whole, first, second = Counts(7), Counts(7), Counts(7)
    whole.update(Scores(scores), target)
    first.update(Scores(scores[:30]), target[:30])
    second.update(Scores(scores[30:]), target[30:])
    first.absorb([second.states()])
    assert first.compute() == pytest.approx(whole.compute(), rel=1e-12)
    assert {state.dtype for state in whole.calibration.states()} == {torch.int64, torch.float64}


def test_the_edges() -> None:
    """Nothing counted; certainty; a probability that underflowed; the upper edge of a bin belongs to it."""
    assert all(math.isnan(value) for value in Calibration().compute().values())
    sure, edge = Calibration(), Calibration()
    sure.update(torch.tensor([1.0, 1.0]), torch.tensor([True, False]), torch.tensor([1.0, 0.0]))
    assert sure.count.tolist() == [0] * 14 + [2]
    assert sure.compute()["ece"] == 0.5
    assert sure.compute()["nll"] == pytest.approx(126 * math.log(2) / 2)
    edge.update(torch.tensor([0.2, 0.6], dtype=torch.float64), torch.tensor([True, True]), torch.tensor([0.2, 0.6]))
    assert edge.count.nonzero()[:, 0].tolist() == [2, 8]


def test_ties_are_right_in_both_counts_or_in_neither() -> None:
    scores = torch.full((40, 8), 0.125)
    counts = Counts(8)
    counts.update(Scores(scores), torch.arange(40) % 8)
    assert int(counts.calibration.right.sum()) == int(counts.confusion.trace())


def test_several_right_classes_equal_the_dullest_loop() -> None:
    scores, _ = drawn()
    sets = ((0,), (1, 4), (2, 3, 6))
    target = torch.arange(200) % 3
    metric = SeveralRight(sets, 7)
    metric.update(Scores(scores[:50]), target[:50])
    metric.update(Scores(scores[50:]), target[50:])
    rows = list(zip(scores.tolist(), [sets[index] for index in target.tolist()], strict=True))
    right = sum(max(range(7), key=row.__getitem__) in chosen for row, chosen in rows)
    nats = -sum(math.log(sum(row[k] for k in chosen)) for row, chosen in rows)
    assert metric.compute()["top1"] == pytest.approx(right / 200)
    assert metric.compute()["nll"] == pytest.approx(nats / 200, rel=1e-9)
    assert all(math.isnan(value) for value in SeveralRight(sets, 7).compute().values())


def test_one_right_class_each_is_the_usual_counting() -> None:
    scores, target = drawn()
    usual, several = Counts(7), SeveralRight([(k,) for k in range(7)], 7)
    for metric in (usual, several):
        metric.update(Scores(scores), target)
    expected = usual.compute()
    del expected["top5"]
    assert several.compute() == pytest.approx(expected, rel=1e-9)
