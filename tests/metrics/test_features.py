"""Statistics of made pictures against slow and other ways to compute them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from vitrail.metrics.features import frechet, precision_recall, score


def vectors(count: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(width, width, generator=generator)
    return torch.randn(count, width, generator=generator) @ mixed + seed


@pytest.mark.parametrize("count", [40, 5])  # 5 vectors of 7 numbers: covariances without an inverse
def test_frechet_is_what_the_root_of_the_product_gives(count: int) -> None:
    real, made = vectors(30, 7, 1), vectors(count, 7, 2)
    a, b = real.double().numpy(), made.double().numpy()
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert frechet(real, made) == pytest.approx(expected, rel=1e-5)
    assert frechet(real, real) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("aside", [0, 3000])
def test_precision_and_recall_are_those_of_the_dull_loop(aside: int) -> None:
    real, made = vectors(23, 3, 1).double() / 3 + aside, vectors(17, 3, 2).double() / 3 + aside

    def share(some: torch.Tensor, others: torch.Tensor, neighbours: int) -> float:
        inside = 0
        for one in some:
            for place, other in enumerate(others):
                rest = sorted(float((other - third).norm()) for at, third in enumerate(others) if at != place)
                if float((one - other).norm()) <= rest[neighbours - 1]:
                    inside += 1
                    break
        return inside / len(some)

    for neighbours in (1, 3):
        found = precision_recall(real, made, neighbours)
        assert found == pytest.approx((share(made, real, neighbours), share(real, made, neighbours)))
        assert 0 < found[0] < 1
    assert precision_recall(real, real) == (1.0, 1.0)


def test_a_vector_as_far_as_the_reach_is_within() -> None:
    grid = torch.cartesian_prod(*[torch.arange(4)] * 3).float()  # the third neighbour is at 1, with ties
    for turn in (torch.eye(3), torch.linalg.qr(vectors(3, 3, 5)).Q):
        real = (grid @ turn).double() + 700
        assert precision_recall(real, real + turn.double()[0]) == (1.0, 1.0)
        assert precision_recall(real, real + turn.double()[0] * 5) == (0.0, 0.0)
    apart = vectors(6, 99, 7).double().repeat(9, 1)  # each nine times: a reach of 0, by products of large numbers
    assert precision_recall(apart, apart[:47]) == (1.0, 1.0)
    assert precision_recall(apart, apart[:47] + 1e-3) == (0.0, 0.0)


def test_of_many_real_ones_some_and_of_the_made_ones_all_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrail.metrics.features.MOST", 6)
    real, made = vectors(11, 3, 1), vectors(23, 3, 2)
    taken = real[[0, 2, 4, 6, 8, 10]]
    assert precision_recall(real, made) == precision_recall(taken, made) != precision_recall(taken, made[::2])


def test_the_score_is_one_for_one_answer_and_all_classes_for_sure_and_even_ones() -> None:
    assert score(torch.full((6, 4), 0.25)) == pytest.approx(1)
    assert score(torch.eye(4).repeat(3, 1)) == pytest.approx(4)
    assert score(torch.eye(4)[:3].repeat(3, 1)) == pytest.approx(3)  # one class has no share of any picture
    shares = torch.rand(10, 3, generator=torch.Generator().manual_seed(0)).softmax(1)
    parts = []
    for part in (shares[:6].double(), shares[6:].double()):
        whole = part.mean(0)
        parts.append(float(torch.exp((part * (part.log() - whole.log())).sum(1).mean())))
    assert score(shares, split=6) == pytest.approx(sum(parts) / 2)


def test_too_few_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="two vectors"):
        frechet(torch.zeros(1, 2), torch.zeros(3, 2))
    with pytest.raises(ValueError, match="more than 3"):
        precision_recall(torch.zeros(3, 2), torch.zeros(9, 2))
