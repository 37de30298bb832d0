"""Which parameters decay, and what the learning rate is at every step."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from vitrail.train import optimizer as optimizers


class Table(nn.Module):
    """A linear map, a norm and a table that the model itself exempts."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 2), nn.LayerNorm(2)
        self.table = nn.Parameter(torch.zeros(4, 4))
        self.frozen = nn.Parameter(torch.zeros(2, 2), requires_grad=False)

    def no_weight_decay(self) -> set[str]:
        return {"table"}


def test_only_matrices_that_the_model_does_not_exempt_decay() -> None:
    model = Table()
    decayed, free = optimizers.groups(model, 0.05)
    assert [id(p) for p in decayed["params"]] == [id(model.linear.weight)]
    assert decayed["weight_decay"] == 0.05
    exempt = (model.linear.bias, *model.norm.parameters(), model.table)
    assert {id(p) for p in free["params"]} == {id(p) for p in exempt}
    assert free["weight_decay"] == 0.0
    assert len(optimizers.groups(nn.LayerNorm(3), 0.05)) == 1


def test_optimizers_hand_on_what_they_are_given() -> None:
    adamw = optimizers.adamw(Table(), 1e-3, 0.05, (0.8, 0.9), 1e-7)
    assert [adamw.param_groups[1][name] for name in ("lr", "betas", "eps")] == [1e-3, (0.8, 0.9), 1e-7]
    sgd = optimizers.sgd(Table(), 0.1, 1e-4, 0.9)
    assert (sgd.param_groups[0]["momentum"], sgd.param_groups[0]["weight_decay"]) == (0.9, 1e-4)
    optimizers.set_rate(sgd, 0.5)
    assert [group["lr"] for group in sgd.param_groups] == [0.5, 0.5]


def test_the_rate_climbs_in_a_line_and_falls_in_a_cosine() -> None:
    rate = optimizers.warmup_cosine(peak=1.0, steps=110, warmup=10, start=0.2, end=0.1)
    assert [rate(step) for step in (0, 5, 10)] == pytest.approx([0.2, 0.6, 1.0])
    assert rate(60) == pytest.approx(0.55)
    assert rate(35) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert rate(109) == pytest.approx(0.1, abs=1e-3)
    assert rate(110) == pytest.approx(0.1)
    assert optimizers.warmup_cosine(1.0, 4, 4, 0.0, 0.0)(3) == 0.75
