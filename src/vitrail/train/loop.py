"""The training loop: plain PyTorch, one function a phase. It knows a task by three verbs, and none by name."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vitrail.data.loader import Loader
from vitrail.data.randomness import mix
from vitrail.data.sample import Batch
from vitrail.errors import InputError
from vitrail.train.checkpoint import Checkpoint
from vitrail.train.optimizer import Rate, set_rate
from vitrail.train.processes import ALONE, Processes
from vitrail.train.record import Record


class Losses(Protocol):
    @property
    def total(self) -> Tensor: ...


class Metric(Protocol):
    def update(self, prediction: Any, target: Any) -> None: ...
    def sums(self) -> Sequence[Tensor]: ...
    def compute(self) -> dict[str, float]: ...


class Task(Protocol):
    def loss(self, model: nn.Module, batch: Batch) -> Losses: ...
    def predict(self, model: nn.Module, images: Tensor) -> Any: ...
    def metric(self) -> Metric: ...


class Objective(nn.Module):
    """The one wrapped call in training: batch -> losses, so that DDP sees every parameter."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        super().__init__()
        self.model, self.task = model, task

    def forward(self, batch: Batch) -> Losses:
        return self.task.loss(self.model, batch)


@dataclass(frozen=True)
class Setting:
    """Where and how exactly the numbers are computed.

    clip: Largest norm of all gradients together; None leaves them.
    bfloat16: Whether products are computed in bfloat16 (autocast); weights and their updates stay float32.
    """

    device: torch.device
    processes: Processes = ALONE
    clip: float | None = None
    bfloat16: bool = False

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first step.

    rate: Learning rate by step; steps are counted over the whole run.
    seed: With the epoch and the process, decides what modules draw (drop path), so that resuming changes nothing.
    """

    model: nn.Module
    task: Task
    training: Loader
    held_out: Loader
    optimizer: torch.optim.Optimizer
    rate: Rate
    epochs: int
    seed: int
    setting: Setting


def fit(plan: Plan, record: Record, checkpoint: Checkpoint, finished: int = 0) -> Metric:
    """Trains for the epochs that are left, measuring, recording and saving after each.

    Args:
        finished: Epochs an earlier start has behind it.
    Returns:
        The metric over all held-out samples after the last epoch.
    Raises: InputError naming the pictures, where a loss is not finite.
    """
    objective, begun = plan.setting.processes.wrap(Objective(plan.model, plan.task)), time.perf_counter()
    for epoch in range(finished, plan.epochs):
        trained = train_epoch(plan, objective, epoch, record)
        metric = measure_held_out(plan, record)
        measured = metric.compute()
        if plan.setting.processes.first:
            checkpoint.save(plan.model, plan.optimizer, epoch + 1)
        record.add({"epoch": epoch + 1, **trained, **measured})
        left = (time.perf_counter() - begun) / (epoch + 1 - finished) * (plan.epochs - epoch - 1)
        record.say(describe(f"{epoch + 1:>{len(str(plan.epochs))}}/{plan.epochs}", trained, measured, left))
    return metric if finished < plan.epochs else measure_held_out(plan, record)


def train_epoch(plan: Plan, objective: nn.Module, epoch: int, record: Record) -> dict[str, float]:
    """One pass over the training set.

    Returns:
        The mean "loss", the "lr" of the last step, "images_per_second" over all processes, and "seconds".
    """
    objective.train()
    setting, steps = plan.setting, len(plan.training)
    sums, lr, begun = torch.zeros(2, dtype=torch.float64), 0.0, time.perf_counter()
    batches = record.track(plan.training.epoch(epoch), steps, f"epoch {epoch + 1}")
    for step, batch in enumerate(batches, start=epoch * steps):
        torch.manual_seed(mix(plan.seed, step, plan.setting.processes.rank))
        lr = plan.rate(step)
        set_rate(plan.optimizer, lr)
        with setting.autocast():
            losses = objective(batch.to(setting.device))
        total = losses.total.detach().item()
        if not math.isfinite(total):
            raise InputError(
                f"The loss is {total} at epoch {epoch + 1}, step {step}, learning rate {lr:.2g}; a lower "
                f"learning rate or a longer warm-up may help. Pictures: {', '.join(batch.names)}"
            )
        plan.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        if setting.clip:
            nn.utils.clip_grad_norm_(objective.parameters(), setting.clip)
        plan.optimizer.step()
        sums += torch.tensor([total * len(batch), len(batch)], dtype=torch.float64)
    setting.processes.add([sums])
    seconds = time.perf_counter() - begun
    return {
        "loss": float(sums[0] / sums[1]),
        "lr": lr,
        "images_per_second": float(sums[1]) / seconds,
        "seconds": seconds,
    }


def measure_held_out(plan: Plan, record: Record) -> Metric:
    batches = record.track(plan.held_out.epoch(0), len(plan.held_out), "measuring")
    return measure(plan.model, plan.task, batches, plan.setting)


def measure(model: nn.Module, task: Task, batches: Iterable[Batch], setting: Setting) -> Metric:
    """The task's metric over the batches of all processes together, the model in eval mode."""
    was_training = model.training
    model.eval()
    metric = task.metric()
    for batch in batches:
        with setting.autocast():
            prediction = task.predict(model, batch.images.to(setting.device))
        metric.update(prediction, batch.target)
    setting.processes.add(metric.sums())
    model.train(was_training)
    return metric


def describe(epoch: str, trained: dict[str, float], measured: dict[str, float], left: float) -> str:
    """One epoch in one line; `left` is the time to the end, in seconds."""
    shares = "".join(f"  {name} {100 * value:.2f} %" for name, value in measured.items())
    return (
        f"epoch {epoch}  loss {trained['loss']:.4f}{shares}  lr {trained['lr']:.1e}"
        f"  {trained['images_per_second']:,.0f} img/s  {int(left) // 60}:{int(left) % 60:02d} left"
    )
