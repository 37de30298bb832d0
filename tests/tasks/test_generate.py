"""The task of generators: its loss, what it measures, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import norm

from vitrail.data.generation_batches import FlowBatch
from vitrail.data.randomness import mix
from vitrail.flow import loss as flow
from vitrail.flow.noise import noise
from vitrail.flow.objective import Objective
from vitrail.models.catalogue import create_model
from vitrail.tasks.generate import MOMENTS, Generate, moments

SHAPE = (3, 5, 6)
TASK = Generate(3, Objective(), 3, (5, 6), seed=4)


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    made = create_model("flashdit_nano_1", 3, (5, 6), dim=16, depth=1, heads=2).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made


def batch(count: int = 4) -> FlowBatch:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, *SHAPE, generator=generator)
    return FlowBatch(images, torch.arange(count) % 3, tuple("abcdefgh"[:count]), (), tuple(range(count)))


def test_the_loss_is_drawn_from_the_generator_that_the_loop_seeds() -> None:
    network, given = model(), batch()
    torch.manual_seed(5)
    first = TASK.loss(network, given)
    torch.manual_seed(5)
    again = TASK.loss(network, given)
    expected = flow.loss(network, given.images, given.target, torch.Generator().manual_seed(5), 3, Objective())
    assert first.total == again.total == expected.total
    assert first.total != TASK.loss(network, given).total


def test_what_is_measured_is_the_slow_sum_over_samples_and_moments() -> None:
    network, given = model(), batch()
    metric = TASK.metric()
    for part in (slice(0, 3), slice(3, 4)):  # however they are put together
        some = FlowBatch(given.images[part], given.target[part], given.names[part], (), given.numbers[part])
        metric.update(TASK.predict(network, some), some.target)
    squared = direction = truth = 0.0
    for number in range(4):
        for place in range(MOMENTS):
            t = 1 / (1 + math.exp(-norm.ppf((place + 0.5) / MOMENTS)))
            begin = noise(mix(4, place), [number], SHAPE)[0]
            way = given.images[number] - begin
            with torch.no_grad():
                found = network((begin + t * way)[None], torch.tensor([t]), given.target[number : number + 1])[0]
            squared += float((found - way).square().mean())
            truth += float(way.square().mean())
            inner = (found * way).sum(0) / (found.square().sum(0).sqrt() * way.square().sum(0).sqrt())
            direction += float((1 - inner).mean())
    asked = 4 * MOMENTS
    expected = {"explained": 1 - squared / truth, "velocity": squared / asked, "direction": direction / asked}
    assert metric.compute() == pytest.approx(expected, rel=1e-4)


def test_processes_add_up_and_a_velocity_of_zero_explains_nothing() -> None:
    given = batch()
    whole, parts = TASK.metric(), [TASK.metric(), TASK.metric()]
    still = lambda x, t, labels: torch.zeros_like(x)  # noqa: E731
    whole.update(TASK.predict(still, given), given.target)  # type: ignore[arg-type]
    for metric, part in zip(parts, (slice(0, 1), slice(1, 4)), strict=True):
        some = FlowBatch(given.images[part], given.target[part], given.names[part], (), given.numbers[part])
        metric.update(TASK.predict(still, some), some.target)  # type: ignore[arg-type]
    parts[0].absorb([parts[1].states()])
    assert parts[0].compute() == pytest.approx(whole.compute())
    assert whole.compute()["explained"] == pytest.approx(0, abs=1e-6)
    assert math.isnan(TASK.metric().compute()["velocity"])


def test_moments_follow_the_distribution_that_is_trained_on() -> None:
    found = moments(Objective(mean=0.5, deviation=2.0), 5)
    assert found == pytest.approx(
        [1 / (1 + math.exp(-0.5 - 2 * norm.ppf(share))) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    )


def test_an_idle_batch_is_asked_about_by_nobody() -> None:
    idle = TASK.idle(model(), ("gone",))
    assert not len(idle) and idle.skipped == ("gone",)
    assert len(TASK.predict(model(), idle).squared) == 1


def test_it_learns_four_samples() -> None:
    torch.manual_seed(0)
    network, given = create_model("lightningdit_nano_1", 3, (5, 6), dim=32, depth=1, heads=2), batch()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)

    def known() -> float:
        metric = TASK.metric()
        metric.update(TASK.predict(network, given), given.target)
        return metric.compute()["explained"]

    before = known()
    for _ in range(150):
        optimizer.zero_grad()
        TASK.loss(network, given).total.backward()
        optimizer.step()
    assert before == pytest.approx(0, abs=1e-6) and known() > 0.3
