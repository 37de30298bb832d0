"""The learning rate at every step, against the schedulers of timm and torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from vitrail.recipes.recipe import Cosine, Folder, Model, Polynomial, Recipe, Steps
from vitrail.recipes.run import rate_of
from vitrail.train import schedule

EPOCHS, STEPS = 12, 7


def rates(chosen: Cosine | Polynomial | Steps) -> list[float]:
    recipe = Recipe(model=Model("iwin_nano"), data=Folder(), schedule=chosen, epochs=EPOCHS)
    rate = rate_of(recipe, STEPS)
    return [rate(step) for step in range(EPOCHS * STEPS)]


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD(nn.Linear(1, 1).parameters(), 1e-3)


def test_a_line_up_and_half_a_cosine_down() -> None:
    rate = schedule.warmed(schedule.cosine, peak=1.0, steps=110, warmup=10, start=0.2, end=0.1)
    assert [rate(step) for step in (0, 5, 10)] == pytest.approx([0.2, 0.6, 1.0])
    assert rate(60) == pytest.approx(0.55)
    assert rate(35) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert rate(109) == pytest.approx(0.1, abs=1e-3)
    assert rate(110) == pytest.approx(0.1)
    assert schedule.warmed(schedule.cosine, 1.0, 4, 4, 0.0, 0.0)(3) == 0.75


def test_swins_is_timms_with_its_warm_up_before_the_cosine() -> None:
    from timm.scheduler import CosineLRScheduler

    theirs = CosineLRScheduler(
        optimizer(),
        t_initial=(EPOCHS - 3) * STEPS,
        lr_min=1e-5,
        warmup_t=3 * STEPS,
        warmup_lr_init=1e-6,
        warmup_prefix=True,
        t_in_epochs=False,
    )
    expected = [theirs._get_lr(step)[0] for step in range(EPOCHS * STEPS)]
    assert rates(Cosine(warmup=3, start=1e-6, end=1e-5)) == pytest.approx(expected, rel=1e-9)


def test_deits_is_timms_stepped_with_the_finished_epoch() -> None:
    from timm.scheduler import CosineLRScheduler

    theirs = CosineLRScheduler(optimizer(), t_initial=EPOCHS, lr_min=1e-5, warmup_t=5, warmup_lr_init=1e-6)
    expected = [theirs._get_lr(max(epoch - 1, 0))[0] for epoch in range(EPOCHS) for _ in range(STEPS)]
    assert rates(Cosine(warmup=5, start=1e-6, end=1e-5, by="epoch", within=True)) == pytest.approx(expected, rel=1e-9)
    assert expected[0] == expected[STEPS] == 1e-6


def mmcvs(regular: list[float], warmup: int, ratio: float) -> list[float]:
    """mmcv's `LrUpdaterHook` walked through: a rate for each epoch, lowered at every step while it is warming up."""
    found = []
    for step in range(EPOCHS * STEPS):
        missing = (1 - step / warmup) * (1 - ratio) if step < warmup else 0.0
        found.append(regular[step // STEPS] * (1 - missing))
    return found


def test_mmcvs_is_a_cosine_by_epoch_under_a_factor_by_step() -> None:
    chosen = torch.optim.SGD(nn.Linear(1, 1).parameters(), 1e-3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(chosen, EPOCHS, eta_min=1e-5)
    regular = []
    for _ in range(EPOCHS):
        regular.append(chosen.param_groups[0]["lr"])
        chosen.step()
        theirs.step()
    for warmup, unit in ((2.0, "epoch"), (14, "step")):
        factor = Cosine(warmup=warmup, start=1e-4, end=1e-5, by="epoch", warmup_in=unit, warmup_as="factor")  # type: ignore[arg-type]
        assert rates(factor) == pytest.approx(mmcvs(regular, 14, 0.1), rel=1e-6)
    by_step = rates(Cosine(warmup=2, start=1e-4, warmup_as="factor"))
    whole = [1e-3 * schedule.cosine(step / EPOCHS / STEPS) for step in range(EPOCHS * STEPS)]
    assert by_step[14:] == pytest.approx(whole[14:]) and by_step[7] == pytest.approx(whole[7] * 0.55)
    assert rates(Cosine(by="epoch", warmup_as="factor")) == rates(Cosine(by="epoch"))
    with pytest.raises(ValueError, match="counts from the first epoch already"):
        Cosine(within=True, warmup_as="factor")


def test_a_polynomial_is_torchs() -> None:
    chosen = optimizer()
    theirs = torch.optim.lr_scheduler.PolynomialLR(chosen, EPOCHS * STEPS, power=0.9)
    expected = []
    for _ in range(EPOCHS * STEPS):
        expected.append(chosen.param_groups[0]["lr"])
        chosen.step()
        theirs.step()
    assert rates(Polynomial(power=0.9)) == pytest.approx(expected, rel=1e-6)


def test_steps_down_are_torchs() -> None:
    chosen = optimizer()
    theirs = torch.optim.lr_scheduler.MultiStepLR(chosen, [8, 11])
    expected = []
    for _ in range(EPOCHS):
        expected += [chosen.param_groups[0]["lr"]] * STEPS
        chosen.step()
        theirs.step()
    assert rates(Steps(at=(8, 11))) == pytest.approx(expected)
    assert rates(Steps(at=(8, 11), by="epoch")) == pytest.approx(expected)
    warmed = rates(Steps(at=(8,), warmup=1, start=0.0))
    assert warmed[: STEPS + 1] == pytest.approx([1e-3 * step / STEPS for step in range(STEPS + 1)])
