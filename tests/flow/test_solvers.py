"""Solvers against known solutions, their orders, and SciPy's method of the same coefficients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from vitrail.errors import InputError
from vitrail.flow.dopri5 import ERROR, FIFTH, NODES, STAGES, dopri5
from vitrail.flow.solvers import euler, follow, heun
from vitrail.flow.timesteps import moments


def swing(x, t):
    """Something without a solution in closed form, other for every number of x; t a number or one for each row."""
    t = t.view(-1, *(1,) * (x.ndim - 1)) if isinstance(t, torch.Tensor) else t
    return torch.sin(3 * x) * (1 + 4 * t) - x * x * t + torch.cos(9 * t + 0 * x)


@pytest.mark.parametrize(("step", "order"), [(euler, 1), (heun, 2)])
def test_halving_steps_divides_the_error_by_two_to_the_order(step, order):
    x = torch.tensor([0.3, -1.2], dtype=torch.float64)
    truth = x * math.exp(-1.5) + 2 * (1 - math.exp(-1.5))  # of x' = 1.5 (2 - x)
    errors = [
        (follow(step, lambda x, t: 1.5 * (2 - x), x, moments(steps)) - truth).abs().max().item() for steps in (40, 80)
    ]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.05)


def test_euler_is_a_loop_over_the_moments():
    grid = moments(7, 0.3)
    x, expected = torch.randn(2, 3, dtype=torch.float64), None
    expected = x.clone()
    for i in range(7):
        expected = expected + (grid[i + 1] - grid[i]) * swing(expected, float(grid[i]))
    told: list[float] = []
    torch.testing.assert_close(follow(euler, swing, x, grid, told.append), expected, rtol=1e-12, atol=1e-12)
    assert told == grid[1:].tolist()


@pytest.mark.parametrize("shift", [0.3, 1.0, 3.0])
def test_moments_are_shifted_one_by_one(shift):
    grid = moments(5, shift)
    assert grid.tolist() == pytest.approx([shift * t / (1 + (shift - 1) * t) for t in (0, 0.2, 0.4, 0.6, 0.8, 1)])
    assert grid[0] == 0 and grid[-1] == 1


def test_coefficients_are_a_method_of_order_five():
    """Each row adds to its node; the fifth-order weights fulfil the quadrature conditions; the error's add to 0."""
    for node, row in zip(NODES, STAGES, strict=True):
        assert sum(row) == pytest.approx(node, abs=1e-14)
    for power in range(5):
        assert sum(b * c**power for b, c in zip(FIFTH, NODES, strict=True)) == pytest.approx(1 / (power + 1))
    assert sum(ERROR) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(("rtol", "atol"), [(1e-3, 1e-6), (1e-7, 1e-9)])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.11, 0.7)])
def test_dopri5_takes_scipys_steps_for_each_sample(rtol, atol, start, end):
    x = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x[1] *= 20  # needs other steps than its neighbours
    speeds = torch.tensor([1.0, 4.0, 0.1, 30.0], dtype=torch.float64).view(-1, 1, 1)
    found = dopri5(lambda x, t, rows: speeds[rows] * swing(x, t), x, start, end, rtol, atol)
    counts = []
    for i in range(len(x)):

        def field(t, y, i=i):
            return (speeds[i] * swing(torch.from_numpy(y).view(2, 3), t)).numpy().ravel()

        reference = solve_ivp(field, (start, end), x[i].numpy().ravel(), "RK45", rtol=rtol, atol=atol)
        np.testing.assert_allclose(found.x[i].numpy().ravel(), reference.y[:, -1], rtol=1e-9, atol=1e-9)
        counts.append(reference.nfev)
    assert found.evaluations.tolist() == counts
    assert len(set(counts)) > 2


def test_dopri5_keeps_its_tolerance():
    x = torch.tensor([[1.0], [-2.0]], dtype=torch.float64)
    for tolerance in (1e-4, 1e-8):
        found = dopri5(lambda x, t, rows: -3 * x, x, 0.0, 1.0, tolerance, tolerance).x
        assert (found - x * math.exp(-3)).abs().max() < 20 * tolerance


def test_dopri5_samples_do_not_depend_on_their_neighbours():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    alone = torch.cat([dopri5(lambda x, t, rows: swing(x, t), one, 0.0, 1.0, 1e-3, 1e-6).x for one in x.split(1)])
    together = dopri5(lambda x, t, rows: swing(x, t), x, 0.0, 1.0, 1e-3, 1e-6).x
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)


def test_dopri5_tells_its_progress_and_leaves_x_alone():
    x, told = torch.randn(3, 4), []
    before = x.clone()
    dopri5(lambda x, t, rows: swing(x, t), x, 0.0, 1.0, 1e-3, 1e-6, told.append)
    assert told == sorted(told) and told[-1] == 1.0 and torch.equal(x, before)


def test_dopri5_of_nothing():
    assert dopri5(lambda x, t, rows: x, torch.zeros(0, 2), 0.0, 1.0, 1e-3, 1e-6).x.shape == (0, 2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_velocity_that_is_not_finite_is_refused(bad):
    with pytest.raises(InputError, match="dopri5 finds no step small enough"):
        dopri5(lambda x, t, rows: torch.where(t[:, None] > 0.5, bad, x), torch.ones(2, 3), 0.0, 1.0, 1e-3, 1e-6)
