"""The race between ways to one result."""

from __future__ import annotations

import pytest
import torch

from vitrail.kernels import choose


class Clock:
    """Seconds that pass as told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self, x):
        return self.now

    def way(self, *seconds):
        left = iter(seconds)

        def run(x):
            self.now += next(left)
            return 2 * x

        return run


def test_the_least_median_wins_and_warming_up_does_not_count():
    clock = Clock()
    ways = {"steady": clock.way(1, 3, 3, 3, 3), "warm": clock.way(99, 2, 2, 2, 50), "slow": clock.way(1, 4, 4, 4, 4)}
    assert choose.race(ways, torch.ones(2), clock) == "warm"


def test_gradients_are_part_of_it_and_leave_no_trace():
    seen, weight = [], torch.nn.Parameter(torch.ones(1))

    def way(x):
        x.register_hook(lambda gradient: seen.append("back"))
        return x * weight

    choose.race({"only": way}, torch.ones(2), Clock())
    assert len(seen) == choose.REPEATS and weight.grad is None
    with torch.no_grad():
        assert choose.race({"only": lambda x: x * weight}, torch.ones(2), Clock()) == "only"


def test_what_fails_is_out():
    def fails(x):
        raise RuntimeError("no kernel")

    clock = Clock()
    assert choose.race({"a": fails, "b": clock.way(*[1] * 5)}, torch.ones(2), clock) == "b"
    assert choose.race({"a": fails, "b": fails}, torch.ones(2), clock) == "b"


def test_on_a_cpu_the_first_is_taken_without_a_race(monkeypatch):
    monkeypatch.setattr(choose, "race", lambda *rest: pytest.fail("raced"))
    assert choose.run("kind", {"first": lambda x: x + 1, "second": lambda x: x}, torch.zeros(1)) == 1
    monkeypatch.setattr(choose, "asked", "second")
    assert choose.run("kind", {"first": lambda x: x + 1, "second": lambda x: x}, torch.zeros(1)) == 0
    assert choose.run("kind", {"first": lambda x: x + 1}, torch.zeros(1)) == 1
