"""The classification task: its loss, its currency, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitrail.data.sample import Batch
from vitrail.models.catalogue import create_model
from vitrail.tasks.classify import Classes, Classify


def batch(target: torch.Tensor) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.randn(len(target), 3, 16, 16, generator=generator), target, tuple("abcdefgh"[: len(target)]))


class Constant(nn.Module):
    """The same logits for every picture."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(x), -1)


def test_the_loss_is_smoothed_cross_entropy_for_indices_and_shares() -> None:
    model, task = Constant(2.0, 0.0, -1.0), Classify(3, smoothing=0.3)
    log_p = torch.tensor([2.0, 0.0, -1.0]).log_softmax(0)
    by_index = task.loss(model, batch(torch.tensor([0, 2]))).total
    expected = [-(0.7 * log_p[k] + 0.1 * log_p.sum()) for k in (0, 2)]
    assert by_index.item() == pytest.approx(sum(expected).item() / 2)
    shares = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert task.loss(model, batch(shares)).total.item() == pytest.approx(by_index.item())
    half = task.loss(model, batch(torch.tensor([[0.5, 0.0, 0.5]]))).total
    assert half.item() == pytest.approx(by_index.item())


def test_a_prediction_is_probabilities_in_order() -> None:
    prediction = Classify(3).predict(Constant(2.0, 0.0, 3.0), Batch.of(torch.zeros(2, 3, 4, 4)))
    shares, best = prediction.top(5)
    assert best.tolist() == [[2, 0, 1]] * 2
    assert torch.allclose(shares.sum(1), torch.ones(2))
    assert not prediction.scores.requires_grad


@pytest.mark.parametrize(
    "scores",
    [
        torch.tensor([0.5, 0.5]),
        torch.tensor([[0.5, 0.6]]),
        torch.tensor([[1.5, -0.5]]),
        torch.tensor([[float("nan"), 1.0]]),
        torch.tensor([[0.5, 0.5]], dtype=torch.float64),
    ],
)
def test_the_currency_refuses_what_is_no_probability(scores: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="Classes wants"):
        Classes(scores)


def test_four_samples_are_learnt_by_heart() -> None:
    torch.manual_seed(0)
    spec = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": (2, 2, 1, 1)}
    model, task, four = create_model("iwin_nano", 4, (16, 16), **spec), Classify(4), batch(torch.arange(4))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = task.loss(model, four).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    metric = task.metric()
    metric.update(task.predict(model, four), four.target)
    assert loss.item() < 0.05
    assert metric.compute()["top1"] == 1.0
