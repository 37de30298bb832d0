"""Moments, the straight path, the two losses, dropped labels."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from vitrail.flow.loss import drop_labels, errors, loss
from vitrail.flow.objective import Objective
from vitrail.flow.path import along
from vitrail.flow.timesteps import logit_normal


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (-0.5, 0.6)])
def test_moments_are_logit_normal(mean, deviation):
    t = logit_normal(4000, generator(3), mean, deviation).double()
    assert ((t > 0) & (t < 1)).all()
    assert stats.kstest(torch.logit(t).numpy(), stats.norm(mean, deviation).cdf).pvalue > 0.01


def test_the_path_goes_straight_from_noise_to_data():
    noise, data = torch.randn(2, 3, 2, 5, 4, dtype=torch.float64)
    start, velocity = along(noise, data, torch.zeros(3))
    torch.testing.assert_close(start, noise)
    torch.testing.assert_close(along(noise, data, torch.ones(3))[0], data)
    t = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    ahead, _ = along(noise, data, t + 1e-6)
    torch.testing.assert_close((ahead - along(noise, data, t)[0]) / 1e-6, velocity, rtol=1e-6, atol=1e-6)


def test_errors_position_by_position():
    found, truth = torch.randn(2, 2, 3, 2, 2, dtype=torch.float64)
    square, direction = errors(found, truth)
    for b in range(2):
        assert square[b] == pytest.approx(((found[b] - truth[b]) ** 2).sum().item() / 12)
        total = 0.0
        for y in range(2):
            for x in range(2):
                p, q = found[b, :, y, x], truth[b, :, y, x]
                total += 1 - (p @ q / (p.norm() * q.norm())).item()
        assert direction[b] == pytest.approx(total / 4)


class Seen(torch.nn.Module):
    """A velocity that keeps what it was asked."""

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        self.x, self.t, self.labels = x, t, labels
        return x.new_zeros(x.shape) + 1.0


def test_a_step_is_what_it_says_and_follows_from_its_generator():
    data, labels = torch.randn(6, 3, 4, 5, generator=generator(1)), torch.arange(6)
    model = Seen()
    losses = loss(model, data, labels, generator(7), 10, Objective(label_drop=0.5))
    noise = (model.x - model.t.view(-1, 1, 1, 1) * data) / (1 - model.t.view(-1, 1, 1, 1))
    square, direction = errors(torch.ones_like(data), data - noise)
    assert losses.velocity.item() == pytest.approx(square.mean().item(), rel=1e-4)
    assert losses.total.item() == pytest.approx((square.mean() + direction.mean()).item(), rel=1e-4)
    kept = model.labels == labels
    assert ((model.labels == 10) | kept).all() and 0 < kept.sum() < 6
    torch.randn(5)  # the global generator has no say
    assert torch.equal(loss(model, data, labels, generator(7), 10, Objective(label_drop=0.5)).total, losses.total)
    assert not torch.equal(loss(model, data, labels, generator(8), 10).total, losses.total)


def test_the_weight_of_direction_and_a_model_without_null():
    data, labels, model = torch.randn(4, 2, 3, 3), torch.zeros(4, dtype=torch.long), Seen()
    whole = loss(model, data, labels, generator(), None)
    half = loss(model, data, labels, generator(), None, Objective(direction=0.5))
    assert torch.equal(model.labels, labels)
    torch.testing.assert_close(half.direction, whole.direction / 2)
    assert torch.equal(half.velocity, whole.velocity)


def test_the_best_velocity_is_learnt():
    """One constant velocity for one point of data and no noise but its own: the mean of data - noise."""
    torch.manual_seed(0)
    model = torch.nn.Conv2d(2, 2, 1)
    data = torch.full((64, 2, 3, 3), 2.0)
    optimizer, drawn = torch.optim.Adam(model.parameters(), 0.05), generator(1)
    first = last = math.nan
    for step in range(60):
        optimizer.zero_grad()
        found = loss(lambda x, t, y: model(x), data, torch.zeros(64, dtype=torch.long), drawn, None)
        found.total.backward()
        optimizer.step()
        first, last = (found.total.item() if step == 0 else first), found.total.item()
    assert last < 0.5 * first


def test_the_share_of_dropped_labels():
    labels = torch.zeros(20000, dtype=torch.long)
    dropped = (drop_labels(labels, 0.1, 7, generator()) == 7).float().mean().item()
    assert dropped == pytest.approx(0.1, abs=0.01)
    assert torch.equal(drop_labels(labels, 0.0, 7, generator()), labels)
