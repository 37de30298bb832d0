"""A recipe followed to its end: data, model, loop, weights, pictures.

RUN/recipe.json      the resolved recipe                RUN/checkpoints/        to resume from
RUN/metrics.jsonl    one line per epoch                 RUN/model.safetensors   the trained model, by itself
RUN/steps.jsonl      about fifty lines an epoch         RUN/best.safetensors    the same after its best epoch
RUN/summary.json     the result                         RUN/predictions.json*   every held-out picture
RUN/unreadable.txt   pictures that were passed over     RUN/*.png               curves, predictions, ...
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from vitrail import count, weights
from vitrail.data.loader import Loader
from vitrail.errors import InputError
from vitrail.models.assemble import Network
from vitrail.models.assembled import Assembled
from vitrail.models.catalogue import create_model
from vitrail.recipes import sources
from vitrail.recipes.begin import begin_from
from vitrail.recipes.job import Ready
from vitrail.recipes.jobs import JOBS, job_of
from vitrail.recipes.recipe import AdamW, Cosine, Polynomial, Recipe, Steps, from_json, to_json
from vitrail.recipes.start import resolve
from vitrail.train import checkpoint, schedule
from vitrail.train import optimizer as optimizers
from vitrail.train.average import Average
from vitrail.train.checkpoint import Checkpoints, Progress
from vitrail.train.files import held
from vitrail.train.loop import Plan, Run, Setting, Stopped, fit
from vitrail.train.optimizer import freeze
from vitrail.train.processes import ALONE, Processes, find_device, joined
from vitrail.train.record import Board, Record, read, write_text
from vitrail.train.stopping import listening

OUTCOME = ("summary.json", "model.safetensors", "best.safetensors")
PICTURES = sorted({name for job in JOBS.values() for name in job.PICTURES})


@dataclass(frozen=True)
class Options:
    """What changes nothing in the outcome: where a run computes and what else it leaves.

    device: cpu, cuda, mps or auto.     parallel: "ddp" or "fsdp", where torchrun starts several processes.
    workers: Processes that decode pictures; None chooses.
    save_every: Minutes between states saved within an epoch; one is saved after each epoch anyway.
    tensorboard: Also write what TensorBoard reads.
    """

    device: str = "auto"
    parallel: str = "ddp"
    workers: int | None = None
    save_every: float = 10.0
    tensorboard: bool = False


def train(
    recipe: Recipe,
    out: str | Path,
    options: Options = Options(),
    resume: str | Path | None = None,
    again: bool = False,
    fresh: bool = False,
) -> dict[str, Any] | None:
    """Trains as the recipe says, into the folder `out`, and returns its summary; None where a signal stopped it.

    Args:
        resume: "auto" goes on from the newest whole state in `out`, or begins where there is none; the path of a state
            goes on from that one. To the last bit the run without a break, on a CPU.
        again: Replace a run that is in `out`.
        fresh: Where `out` exists, take `out`-2, or -3, ...
    Raises: InputError, before anything is written, for what cannot be built, read or resumed, and for a folder that
        holds something else.
    """
    where, recipe = find_device(options.device), resolve(recipe)
    begun = time.perf_counter()
    with joined(where, options.parallel) as processes, listening() as stop, ExitStack() as claimed:
        out = Path(processes.told(str(_free(Path(out)) if fresh else out)))
        checkpoints = Checkpoints(out / "checkpoints")
        console = Console(quiet=not processes.first, highlight=False, soft_wrap=True)
        processes.first_does(lambda: _vacant(out, bool(resume), again))
        state = None
        if resume is not None:
            state = checkpoints.newest(console.print) if str(resume) == "auto" else checkpoint.read(Path(resume))
        if state:
            _same_recipe(recipe, state, out)
        begun_from: list[str] = []

        def tell(line: str) -> None:
            console.print(line)
            begun_from.append(line)

        plan, held_out = prepare(recipe, where, processes, options, bool(state), tell)
        about = {"recipe": to_json(recipe), "classes": list(held_out.classes), "pictures": _pictures(plan)}
        if state:
            _same_data(about, state, out, plan.training.batches.noun)
        progress = checkpoint.resume(plan.state(), state, str(out)) if state else Progress()
        processes.wait()  # all have looked at the folder before one writes there
        processes.first_does(lambda: _settle(recipe, out, checkpoints, bool(state), claimed))
        steps = progress.epoch * plan.steps + progress.step
        board = _board(out) if options.tensorboard and processes.first else None
        record = Record(out, processes.first, progress.epoch, steps, board)
        record.say(_opening(recipe, plan, held_out, progress))
        try:
            metric = fit(Run(plan, record, checkpoints, progress, stop, about))
        except Stopped:
            record.say(
                f"Stopped by {stop.asked or 'a signal to another process'} with everything saved; "
                f"`vitrail train {out} --resume auto` goes on."
            )
            return None
        summary = {
            "model": recipe.model.name,
            "parameters": count.parameters(plan.model),
            **metric.compute(),
            f"best_{plan.task.best}": progress.best,
            "best_epoch": progress.best_epoch,
            "epochs": recipe.epochs,
            plan.training.batches.noun: _pictures(plan),
            "held_out": len(plan.held_out.batches.pictures),
            "seconds": round(time.perf_counter() - begun, 1),
            "training_seconds": round(sum(row["seconds"] for row in read(out)), 1),
            "seed": recipe.seed,
            **({"begun": begun_from[0]} if begun_from else {}),
        }
        if processes.first:
            last = checkpoints.newest(record.say) or state
            assert last
            job = job_of(recipe)
            _keep(recipe, out, plan, held_out, checkpoints, last, job.about(metric, held_out), record.say)
            record.close(summary)
            usable = weights.open_model(out / "model.safetensors")[0].to(where)
            alone = replace(plan, model=usable, average=None, setting=replace(plan.setting, processes=ALONE))
            job.draw(out, recipe.model.name, alone, metric, held_out)
        return {**summary, "run": str(out)}


def prepare(
    recipe: Recipe,
    device: torch.device,
    processes: Processes,
    options: Options = Options(),
    resume: bool = False,
    say: Callable[[str], None] | None = None,
) -> tuple[Plan, Any]:
    """Everything a run needs, built from its recipe; and the held-out pictures.

    Args:
        say: Is told in a line what became of the weights to begin from.
    """
    training, held_out = sources.open_split(recipe.data)
    torch.manual_seed(recipe.seed)
    model = create_model(recipe.model.name, len(training.classes), recipe.model.size, **recipe.model.overrides)
    job, share = job_of(recipe), min(recipe.batch, len(training)) // (processes.world * recipe.accumulate)
    job.check(model, recipe.model.name, training, share)
    if recipe.weights and not resume:  # a run that resumes has weights of its own
        line = begin_from(model, recipe.weights, training.classes)
        if say:
            say(line)
    if recipe.precision == "float16" and processes.sharded:
        raise InputError("precision=float16 cannot be shared out by fsdp here; precision=bfloat16 can.")
    if isinstance(model, Assembled) and processes.world > 1 and device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # a process's share of a batch is too small by itself
    model.to(device)
    freeze(model, recipe.groups.frozen, recipe.groups.still)
    processes.shard(model)
    ready = job.ready(recipe, model, training, held_out, processes.world)
    loader, rest = _loaders(recipe, ready, processes, sources.workers(recipe.data, options.workers), device)
    setting = Setting(
        device,
        processes,
        recipe.clip,
        recipe.precision,
        recipe.accumulate,
        recipe.unreadable,
        60 * options.save_every,
    )
    return Plan(
        model,
        ready.task,
        loader,
        rest,
        _optimizer(recipe, model),
        rate_of(recipe, len(loader) // recipe.accumulate),
        recipe.epochs,
        recipe.seed,
        setting,
        Average(model, recipe.average) if recipe.average else None,
        torch.amp.GradScaler(device.type) if recipe.precision == "float16" else None,
    ), held_out


def _loaders(
    recipe: Recipe, ready: Ready, processes: Processes, workers: int, device: torch.device
) -> tuple[Loader, Loader]:
    """The training batches, and the held-out ones."""
    shared = (workers, processes.rank, processes.world, device.type == "cuda")
    return (
        Loader(ready.training, recipe.batch, True, *shared, recipe.accumulate, ready.repeats, recipe.steps),
        Loader(ready.measuring, ready.together, False, *shared),
    )


def rate_of(recipe: Recipe, steps: int) -> schedule.Rate:
    """The learning rate by step, for epochs of so many steps."""
    chosen, peak = recipe.schedule, recipe.optimizer.lr
    each = 1 if chosen.by == "epoch" else steps  # how often in an epoch the rate changes
    in_epochs = chosen.warmup / steps if chosen.warmup_in == "step" else chosen.warmup
    warmup = round(in_epochs * each)
    if isinstance(chosen, Steps):
        at = [round(epoch * each) for epoch in chosen.at]
        rate = schedule.steps_down(peak, at, chosen.factor, warmup, chosen.start)
    elif isinstance(chosen, Polynomial):
        course = schedule.polynomial(chosen.power)
        line = 0 if chosen.within else warmup
        rate = schedule.warmed(course, peak, recipe.epochs * each, line, chosen.start, chosen.end)
        rate = schedule.rising(rate, warmup, chosen.start / peak) if chosen.within else rate
    else:
        shape, line = (
            schedule.within if chosen.within else schedule.warmed,
            0 if chosen.warmup_as == "factor" else warmup,
        )
        rate = shape(schedule.cosine, peak, recipe.epochs * each, line, chosen.start, chosen.end)
    late = isinstance(chosen, Cosine) and chosen.within
    rate = schedule.by_epoch(rate, steps, late) if chosen.by == "epoch" else rate
    if isinstance(chosen, Cosine) and chosen.warmup_as == "factor":
        return schedule.rising(rate, round(in_epochs * steps), chosen.start / peak)
    return rate


def _optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    chosen, rule = recipe.optimizer, recipe.groups
    found = optimizers.groups(model, chosen.weight_decay, rule.exempt, rule.rates, rule.layer_decay)
    if isinstance(chosen, AdamW):
        return optimizers.adamw(found, chosen.lr, chosen.betas, chosen.eps)
    return optimizers.sgd(found, chosen.lr, chosen.momentum)


def _opening(recipe: Recipe, plan: Plan, held_out: Any, progress: Progress) -> str:
    processes = plan.setting.processes
    several = (
        f" in {processes.world} processes ({'fsdp' if processes.sharded else 'ddp'})" if processes.world > 1 else ""
    )
    learning = sum(p.numel() for p in plan.model.parameters() if p.requires_grad)
    parameters = count.parameters(plan.model)
    frozen = f" ({parameters - learning:,} frozen)" if learning < parameters else ""
    begun = f"; going on after epoch {progress.epoch}, step {progress.step}" if progress.epoch or progress.step else ""
    return (
        f"{recipe.model.name}, {parameters:,} parameters{frozen}, on {plan.setting.device}{several}: "
        f"{_pictures(plan)} {plan.training.batches.noun}, {len(plan.held_out.batches.pictures)} held out, "
        f"{len(held_out.classes)} {plan.training.batches.kinds}{begun}"
    )


def _board(out: Path) -> Board:
    from vitrail.train import board  # an extra

    return board.Board(out / "tensorboard")


def _keep(
    recipe: Recipe,
    out: Path,
    plan: Plan,
    held_out: Any,
    checkpoints: Checkpoints,
    last: dict[str, Any],
    about: dict[str, Any],
    say: Callable[[str], None],
) -> None:
    """Writes the weights of the last state and the best ones, each with what its use needs."""
    assert isinstance(plan.model, Network)
    said = {"classes": list(held_out.classes), "preprocessing": dataclasses.asdict(recipe.preprocessing), **about}
    best, path = None, checkpoints.best()
    try:
        best = checkpoint.read(path) if path else None
    except InputError as error:
        say(str(error))
    for name, state in (("model", last), ("best", best)):
        if state:
            weights.save(out / f"{name}.safetensors", plan.model, state.get("average", state["model"]), **said)
    if not best and not (out / "best.safetensors").is_file():
        say(f"{out}: the state that measured best is gone; there is no best.safetensors.")


def _pictures(plan: Plan) -> int:
    return len(plan.training.batches.pictures)


def _same_recipe(recipe: Recipe, state: dict[str, Any], out: Path) -> None:
    """Raises: InputError where the state was made from another recipe; data may lie elsewhere by now."""
    before, now = (_without_places(each) for each in (from_json(state["recipe"], str(out)), recipe))
    changed = [name for name in now if now[name] != before[name]]
    if changed:
        raise InputError(
            f"{out} was begun with another recipe ({', '.join(changed)}); "
            f"`vitrail train {out} --resume auto` continues it as it was."
        )


def _without_places(recipe: Recipe) -> dict[str, Any]:
    document = dataclasses.asdict(recipe)
    document["data"].pop("path", None)
    del document["weights"]  # a run that resumes has weights of its own
    return document


def _same_data(about: dict[str, Any], state: dict[str, Any], out: Path, noun: str) -> None:
    """Raises: InputError where the data has other classes, or more or fewer samples (`noun`), than in the beginning."""
    for what in ("classes", "pictures"):
        before, now = state[what], about[what]
        if before != now and what == "classes":
            named = sorted(set(before) ^ set(now))[:4]
            before, now = len(before), f"{len(now)} ({', '.join(named)} came or went)"
        if before != now:
            name = noun if what == "pictures" else what
            raise InputError(
                f"{out} was begun with {before} {name}, the data has {now}; a new run with weights={out} "
                "begins from what a finished one learnt."
            )


def _vacant(out: Path, resume: bool, again: bool) -> None:
    """Raises: InputError where `out` holds a run that would be lost, or what is none of ours."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, wanted a folder for the run.")
    inside = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if inside and "recipe.json" not in inside:
        raise InputError(f"{out} is not empty and holds no run; --out takes a folder of its own.")
    if resume or again:
        return
    if Checkpoints(out / "checkpoints").found() or inside & {*OUTCOME}:  # a run without one finished epoch is no loss
        raise InputError(f"{out} holds a run already; --resume auto continues it, --out takes another folder.")


def _settle(recipe: Recipe, out: Path, checkpoints: Checkpoints, resume: bool, claimed: ExitStack) -> None:
    """Takes the folder, until `claimed` closes, and makes it ready."""
    out.mkdir(parents=True, exist_ok=True)
    claimed.enter_context(held(out))
    checkpoints.tidy()
    if not resume:
        for name in {*OUTCOME, *PICTURES}:
            (out / name).unlink(missing_ok=True)
        checkpoints.clear()
        for events in (out / "tensorboard").glob("events.out.tfevents.*"):
            events.unlink()
    write_text(out / "recipe.json", to_json(recipe))


def _free(first: Path) -> Path:
    """`first`, or the first of `first`-2, `first`-3, ... that is not there."""
    path, number = first, 1
    while path.exists():
        number += 1
        path = first.with_name(f"{first.name}-{number}")
    return path
