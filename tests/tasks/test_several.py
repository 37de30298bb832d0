"""Several right classes: with one each the usual task, with more the probability of the set; and views averaged."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitrail.data.sample import Batch
from vitrail.tasks.classify import Classify
from vitrail.tasks.several import Several


class Sums(nn.Module):
    """Logits that are sums over a few pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :12].unflatten(1, (4, 3)).sum(2)


def images(*leading: int) -> torch.Tensor:
    return torch.randn(*leading, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def test_the_loss_is_that_of_the_whole_set() -> None:
    batch = Batch(images(3), torch.tensor([0, 1, 2]), ("a", "b", "c"))
    alone = Several(4, ((0,), (1,), (2,)))
    assert alone.loss(Sums(), batch).total.item() == pytest.approx(Classify(4).loss(Sums(), batch).total.item())
    shares = Sums()(batch.images).softmax(1)
    sets = ((0, 1), (3,), (0, 2, 3))
    expected = -sum(shares[row, list(chosen)].sum().log() for row, chosen in enumerate(sets)) / 3
    assert Several(4, sets).loss(Sums(), batch).total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_views_of_a_picture_are_averaged_after_the_softmax() -> None:
    several = images(2, 5)
    scores = Several(4, ((0,),)).predict(Sums(), Batch.of(several)).scores
    expected = torch.stack(
        [torch.stack([Sums()(view[None])[0].softmax(0) for view in each]).mean(0) for each in several]
    )
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(
        Classify(4).predict(Sums(), Batch.of(several[:, :1])).scores, Sums()(several[:, 0]).softmax(1)
    )
