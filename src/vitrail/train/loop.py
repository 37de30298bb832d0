"""The training loop: epochs of steps, a measurement after each. It takes a task and knows none by name.

What modules draw in a step follows from (seed, step, process); batches come from (seed, epoch, sample). So a run that
goes on from a checkpoint, even from the middle of an epoch, is to the last bit the run that was never stopped, on a CPU
with as many processes; with another number it is the same within rounding, where modules draw nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vitrail.data.loader import Loader
from vitrail.data.randomness import mix
from vitrail.data.sample import Batch
from vitrail.errors import InputError
from vitrail.train.average import Average
from vitrail.train.checkpoint import Checkpoints, Progress, State
from vitrail.train.optimizer import set_rate
from vitrail.train.processes import ALONE, Processes
from vitrail.train.record import Record
from vitrail.train.schedule import Rate
from vitrail.train.stopping import Stop

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Losses(Protocol):
    @property
    def total(self) -> Tensor: ...


class Metric(Protocol):
    def update(self, prediction: Any, target: Any) -> None: ...
    def states(self) -> Any: ...
    def absorb(self, states: Iterable[Any]) -> None: ...
    def compute(self) -> dict[str, float]: ...


class Task(Protocol):
    """What a model learns.

    best, shown: Of the metric's numbers the one that the best epoch has most of, and those that a line tells: shares as
        per cent, what is none with its format, as in "bits:.3f".
    """

    @property
    def best(self) -> str: ...
    @property
    def shown(self) -> Sequence[str]: ...
    def loss(self, model: nn.Module, batch: Any) -> Losses: ...
    def predict(self, model: nn.Module, batch: Any) -> Any: ...
    def metric(self) -> Metric: ...
    def idle(self, model: nn.Module, skipped: tuple[str, ...]) -> Any:
        """A batch of one black picture that nobody asks about."""
        ...


class Objective(nn.Module):
    """The one wrapped call in training: batch -> losses, so that hooks see every parameter."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        super().__init__()
        self.model, self.task = model, task

    def forward(self, batch: Any) -> Losses:
        return self.task.loss(self.model, batch)


@dataclass(frozen=True)
class Setting:
    """Where and how exactly the numbers are computed.

    clip: Largest norm of all gradients together; None leaves them.
    precision: What products are computed in (autocast); weights and their updates stay float32.
    accumulate: Parts in which a batch is computed, one after the other.
    unreadable: Share of the pictures of an epoch that may be passed over.
    save_every: Seconds between states saved within an epoch; 0 saves after every step.
    """

    device: torch.device
    processes: Processes = ALONE
    clip: float | None = None
    precision: str = "float32"
    accumulate: int = 1
    unreadable: float = 0.01
    save_every: float = 600.0

    def autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, PRECISIONS[self.precision], enabled=self.precision != "float32")


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first step.

    rate: Learning rate by step; steps are counted over the whole run.
    seed: With the step and the process, decides what modules draw (drop path).
    average: A moving average of the weights, which is then what is measured.
    scaler: For float16: scales the loss so that small gradients survive.
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
    average: Average | None = None
    scaler: torch.amp.GradScaler | None = None

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return len(self.training) // self.setting.accumulate

    def state(self) -> State:
        return State(self.model, self.optimizer, self.average, self.scaler)


@dataclass
class Run:
    """A plan under way: where it writes, where it stands, who may stop it.

    about: What the plan was made from, kept with every state.
    """

    plan: Plan
    record: Record
    checkpoints: Checkpoints
    progress: Progress = field(default_factory=Progress)
    stop: Stop = field(default_factory=Stop)
    about: dict[str, Any] = field(default_factory=dict)
    saved: float = field(default_factory=time.monotonic)

    @property
    def step(self) -> int:
        """Steps made over the whole run."""
        return self.progress.epoch * self.plan.steps + self.progress.step

    def save(self, best: bool = False) -> None:
        """All processes gather the state, the first one writes it."""
        document = {**self.plan.state().gather(), **self.about, "seed": self.plan.seed}
        write = partial(self.checkpoints.save, document, self.progress, self.step, best)
        self.plan.setting.processes.first_does(write)
        self.saved = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self.saved >= self.plan.setting.save_every


class Stopped(Exception):
    """A signal asked for it: the state is saved, and the run can be resumed."""


def fit(run: Run) -> Metric:
    """Trains for the epochs that are left, measuring, recording and saving after each.

    Returns:
        The metric over all held-out samples after the last epoch.
    Raises: InputError naming the pictures, where a loss is not finite or too many cannot be read.
        Stopped, with everything saved, soon after a signal.
    """
    plan, progress, record = run.plan, run.progress, run.record
    objective, begun = plan.setting.processes.wrap(Objective(plan.model, plan.task)), time.perf_counter()
    gone, metric = run.step, None
    while progress.epoch < plan.epochs:
        trained = train_epoch(run, objective)
        metric, measured = measure_held_out(plan, record)
        progress.epoch, progress.step = progress.epoch + 1, 0
        progress.sums, progress.seconds = [0.0, 0.0, 0.0], 0.0
        score = measured.get(plan.task.best, math.nan)
        best = score > (-math.inf if progress.best is None else progress.best)
        if best:
            progress.best, progress.best_epoch = score, progress.epoch
        record.add({"epoch": progress.epoch, **trained, **measured})
        run.save(best)
        left = (time.perf_counter() - begun) / (run.step - gone) * (plan.epochs - progress.epoch) * plan.steps
        record.say(
            describe(
                f"{progress.epoch:>{len(str(plan.epochs))}}/{plan.epochs}",
                trained,
                measured,
                plan.task.shown,
                left,
                plan.training.batches.rate,
            )
        )
        if _agreed(plan, [float(bool(run.stop.asked))])[0] and progress.epoch < plan.epochs:
            raise Stopped
    return metric or measure_held_out(plan, record)[0]


def train_epoch(run: Run, objective: nn.Module) -> dict[str, float]:
    """What is left of one pass over the training set.

    Returns:
        The mean "loss", the "lr" of the last step, "images_per_second" over all processes, "seconds", and "unreadable",
        the pictures passed over, where there were any.
    """
    plan, progress, setting = run.plan, run.progress, run.plan.setting
    objective.train()
    batches = plan.training.epoch(progress.epoch, progress.step * setting.accumulate)
    begun, before = time.perf_counter(), progress.seconds
    lr = plan.rate(run.step - 1) if progress.step else 0.0
    left = range(progress.step, plan.steps)
    for _ in run.record.track(left, plan.steps, f"epoch {progress.epoch + 1}", progress.step):
        parts = [next(batches) for _ in range(setting.accumulate)]
        lr = plan.rate(run.step)
        total, norm = _backward(plan, objective, parts, run.step)
        pictures = sum(len(part) for part in parts)
        for line in (line for part in parts for line in part.skipped):
            run.record.skip(progress.epoch + 1, line)
        skipped, asked = sum(len(part.skipped) for part in parts), float(bool(run.stop.asked))
        due = float(setting.processes.first and run.due())
        sums = _agreed(plan, [total * pictures, pictures, skipped, asked, due])
        if not math.isfinite(sums[0]):
            raise _no_number(run, total, lr, parts)
        set_rate(plan.optimizer, lr)
        _update(plan)
        progress.step += 1
        progress.sums = [old + new for old, new in zip(progress.sums, sums, strict=False)]
        progress.seconds = before + time.perf_counter() - begun
        run.record.step(run.step, plan.steps, {"loss": sums[0] / sums[1], "lr": lr, "gradient_norm": norm})
        _bear(run, parts)
        if sums[3] or (sums[4] and progress.step < plan.steps):
            run.save()
        if sums[3]:
            raise Stopped
    losses, seen, passed = progress.sums
    row = {
        "loss": losses / seen,
        "lr": lr,
        "images_per_second": seen / max(progress.seconds, 1e-9),
        "seconds": progress.seconds,
    }
    return {**row, "unreadable": passed} if passed else row


def _backward(plan: Plan, objective: nn.Module, parts: Sequence[Batch], step: int) -> tuple[float, float]:
    """Gradients of the mean loss over a batch, clipped; gives the loss, and the norm before clipping (0: not known)."""
    setting = plan.setting
    torch.manual_seed(mix(plan.seed, step, setting.processes.rank))
    plan.optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for number, part in enumerate(parts, start=1):
        with setting.processes.alone(objective, plan.model, number == len(parts)):
            with setting.autocast():
                loss = objective(part.to(setting.device)).total / len(parts)
            (plan.scaler.scale(loss) if plan.scaler else loss).backward()
        total += loss.detach().item()
    if not setting.clip:
        return total, 0.0
    if plan.scaler:
        plan.scaler.unscale_(plan.optimizer)
    norm = nn.utils.clip_grad_norm_(objective.parameters(), setting.clip)
    whole = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of a model that is dealt out
    return total, float(whole)


def _update(plan: Plan) -> None:
    """The step itself."""
    if plan.scaler:
        plan.scaler.step(plan.optimizer)
        plan.scaler.update()
    else:
        plan.optimizer.step()
    if plan.average:
        plan.average.update()


def _agreed(plan: Plan, numbers: list[float]) -> list[float]:
    """The numbers added up over all processes, so that all decide alike."""
    sums = torch.tensor(numbers, dtype=torch.float64)
    plan.setting.processes.add([sums])
    return sums.tolist()


def _no_number(run: Run, total: float, lr: float, parts: Sequence[Batch]) -> InputError:
    where = f"at epoch {run.progress.epoch + 1}, step {run.step}, learning rate {lr:.2g}"
    if math.isfinite(total):
        return InputError(f"The loss is no finite number in another process, {where}.")
    names = [name for part in parts for name in part.names]
    advice = "a lower learning rate, a longer warm-up or clipping (clip=5) may help"
    if run.plan.setting.precision == "float16":
        advice += ", or precision=bfloat16, which has a wider range"
    noun = run.plan.training.batches.noun.capitalize()
    return InputError(f"The loss is {total} {where}; {advice}. {noun}: {', '.join(names)}")


def _bear(run: Run, parts: Sequence[Batch]) -> None:
    """Raises: InputError where more pictures of this epoch were passed over than the setting bears."""
    count, most = run.progress.sums[2], run.plan.setting.unreadable
    whole = run.plan.steps * run.plan.training.batch
    if count > most * whole:
        named = run.record.skipped or [line for part in parts for line in part.skipped] or ["named by another process."]
        raise InputError(
            f"{count:.0f} of the {whole} {run.plan.training.batches.noun} of epoch {run.progress.epoch + 1} cannot be "
            f"read, more than unreadable={most:g} allows; `vitrail check` lists them. The last: {named[-1]}"
        )


def measure_held_out(plan: Plan, record: Record) -> tuple[Metric, dict[str, float]]:
    """The metric over all held-out samples and its numbers, with "held_out_unreadable" where some could not be read."""
    plan.setting.processes.align(plan.model)
    skipped: list[str] = []
    batches = record.track(plan.held_out.epoch(0), len(plan.held_out), "measuring")
    with plan.average.applied() if plan.average else nullcontext():
        metric = measure(plan.model, plan.task, batches, plan.setting, skipped)
    for line in skipped:
        record.skip(0, line)
    count = _agreed(plan, [len(skipped)])[0]
    whole = len(plan.held_out.batches.pictures)
    if count > plan.setting.unreadable * whole:
        raise InputError(
            f"{count:.0f} of the {whole} held-out {plan.held_out.batches.noun} cannot be read, more than "
            f"unreadable={plan.setting.unreadable:g} allows; `vitrail check` lists them. "
            f"The last: {(skipped or ['named by another process.'])[-1]}"
        )
    measured = metric.compute()
    return metric, {**measured, "held_out_unreadable": count} if count else measured


def measure(
    model: nn.Module, task: Task, batches: Iterable[Batch], setting: Setting, skipped: list[str] | None = None
) -> Metric:
    """The task's metric over the batches of all processes together, the model in eval mode.

    Args:
        skipped: Gets a line for each picture of this process that could not be read.
    """
    was_training = model.training
    model.eval()
    metric = task.metric()
    for batch in _together(batches, model, task, setting):
        if skipped is not None:
            skipped += batch.skipped
        if len(batch.images):
            with setting.autocast():
                prediction = task.predict(model, batch.to(setting.device))
            if len(batch):
                metric.update(prediction, batch.target)
    metric.absorb(setting.processes.others(metric.states()))
    model.train(was_training)
    return metric


def _together(batches: Iterable[Batch], model: nn.Module, task: Task, setting: Setting) -> Iterable[Batch]:
    """The batches; where the model is dealt out, as many in every process, since each forward needs all of them.

    A process that has run out, or has a batch without a readable picture, gets a black picture without a name.
    """
    if not setting.processes.sharded:
        yield from batches
        return
    waiting = iter(batches)
    while True:
        batch = next(waiting, None)
        busy = torch.tensor([float(batch is not None)])
        setting.processes.add([busy])
        if not busy.item():
            return
        skipped = () if batch is None else batch.skipped
        yield batch if batch is not None and len(batch) else task.idle(model, skipped)


def describe(
    epoch: str,
    trained: dict[str, float],
    measured: dict[str, float],
    shown: Sequence[str],
    left: float,
    rate: str = "img/s",
) -> str:
    """One epoch in one line; `left` is the time to the end, in seconds."""
    words = (each.partition(":") for each in shown)
    shares = "".join(
        f"  {name} {format(measured[name], form) if form else f'{100 * measured[name]:.2f} %'}"
        for name, _, form in words
        if name in measured
    )
    skipped = f"  {trained['unreadable']:.0f} unreadable" if "unreadable" in trained else ""
    minutes, seconds = divmod(int(left), 60)
    time_left = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"
    return (
        f"epoch {epoch}  loss {trained['loss']:.4f}{shares}  lr {trained['lr']:.1e}"
        f"  {trained['images_per_second']:,.0f} {rate}{skipped}  {time_left} left"
    )
