"""A recipe followed to its end: data, model, loop, weights, pictures.

RUN/recipe.json      the resolved recipe                RUN/last.pt             to resume from
RUN/metrics.jsonl    one line per epoch                 RUN/model.safetensors   the trained model, by itself
RUN/summary.json     the result                         RUN/*.png               curves, confusion, predictions
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vitrail import count, weights
from vitrail.data import transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.sample import Pictures
from vitrail.errors import InputError
from vitrail.metrics.counts import Counts
from vitrail.models.assemble import Network
from vitrail.models.catalogue import create_model
from vitrail.recipes import find, pictures, sources
from vitrail.recipes.recipe import AdamW, Recipe, to_json
from vitrail.tasks.classify import Classify
from vitrail.train import optimizer as optimizers
from vitrail.train.checkpoint import Checkpoint
from vitrail.train.loop import Plan, Setting, fit
from vitrail.train.processes import Processes, find_device, joined
from vitrail.train.record import Record, write_text

FILES = (
    "recipe.json",
    "metrics.jsonl",
    "summary.json",
    "last.pt",
    "model.safetensors",
    "curves.png",
    "confusion.png",
    "predictions.png",
)


def train(
    recipe: Recipe,
    out: str | Path,
    device: str = "auto",
    resume: bool = False,
    workers: int | None = None,
    again: bool = False,
) -> dict[str, Any]:
    """Trains as the recipe says, into the folder `out`, and returns its summary.

    Args:
        device: cpu, cuda, mps or auto.
        resume: Continue after the last finished epoch in `out`; to the last bit the run without a break, on a CPU.
        workers: Processes that decode pictures; None chooses.
        again: Replace a run that is in `out`.
    Raises: InputError, before anything is written, for what cannot be built, read or resumed.
    """
    out, where = Path(out), find_device(device)
    with joined(where) as processes:
        plan, held_out = prepare(recipe, where, processes, workers, resume)
        checkpoint, finished = Checkpoint(out / "last.pt"), 0
        if resume:
            _same_recipe(recipe, out)
            finished = checkpoint.load(plan.model, plan.optimizer)
        elif (out / "last.pt").exists() and not again:  # a run without one finished epoch is no loss
            raise InputError(f"{out} holds a run already; --resume continues it, --out takes another folder.")
        processes.wait()  # all have looked at the folder before one writes there
        if processes.first:
            _settle(recipe, out, resume)
        record, begun = Record(out, processes.first, finished), time.perf_counter()
        record.say(
            f"{recipe.model.name}, {count.parameters(plan.model):,} parameters, on {plan.setting.device}: "
            f"{len(plan.training.batches.pictures)} pictures, {len(held_out)} held out"
        )
        metric = fit(plan, record, checkpoint, finished)
        assert isinstance(metric, Counts)
        summary = {
            "model": recipe.model.name,
            "parameters": count.parameters(plan.model),
            **metric.compute(),
            "epochs": recipe.epochs,
            "pictures": len(plan.training.batches.pictures),
            "held_out": len(held_out),
            "seconds": round(time.perf_counter() - begun, 1),
            "seed": recipe.seed,
        }
        if processes.first:
            assert isinstance(plan.model, Network)
            weights.save(
                out / "model.safetensors",
                plan.model,
                classes=list(held_out.classes),
                preprocessing=dataclasses.asdict(recipe.preprocessing),
            )
            pictures.draw_run(out, recipe.model.name, plan, metric, held_out)
        record.close(summary)
        return summary


def prepare(
    recipe: Recipe, device: torch.device, processes: Processes, workers: int | None, resume: bool = False
) -> tuple[Plan, Pictures]:
    """Everything a run needs, built from its recipe; and the held-out pictures."""
    training, held_out = sources.open_split(recipe.data)
    torch.manual_seed(recipe.seed)
    model = create_model(recipe.model.name, len(training.classes), recipe.model.size, **recipe.model.overrides)
    if model.num_classes != len(training.classes):
        raise InputError(
            f"{recipe.model.name} is a backbone without classes; "
            f"{recipe.model.name.removeprefix('dense_')} is its classifier."
        )
    if recipe.weights and not resume:  # a run that resumes has weights of its own
        begin_from(model, recipe.weights)
    model.to(device)
    usual, pin = transforms.for_use(recipe.model.size, recipe.preprocessing), device.type == "cuda"
    changing = transforms.for_training(recipe.model.size, recipe.preprocessing, recipe.augment)
    mixing = transforms.mixing(recipe.augment, len(training.classes))
    number, rank, world = sources.workers(recipe.data, workers), processes.rank, processes.world
    loader = Loader(Batches(training, changing, recipe.seed, mixing), recipe.batch, True, number, rank, world, pin)
    rest = Loader(Batches(held_out, usual, recipe.seed), 2 * recipe.batch, False, number, rank, world, pin)
    steps = len(loader)
    rate = optimizers.warmup_cosine(
        recipe.optimizer.lr,
        recipe.epochs * steps,
        round(recipe.schedule.warmup * steps),
        recipe.schedule.start,
        recipe.schedule.end,
    )
    plan = Plan(
        model,
        Classify(len(training.classes), recipe.smoothing),
        loader,
        rest,
        _optimizer(recipe, model),
        rate,
        recipe.epochs,
        recipe.seed,
        Setting(device, processes, recipe.clip, recipe.precision == "bfloat16"),
    )
    return plan, held_out


def begin_from(model: Network, path: str) -> weights.Report:
    """Puts a run's or a file's weights into `model`, all but its head, which begins anew.

    Raises: InputError for a path that holds none, or weights of another architecture.
    """
    file = Path(path, "model.safetensors") if Path(path).is_dir() else Path(path)
    tensors, document = weights.read(file)
    trunk = {name: tensor for name, tensor in tensors.items() if not name.startswith("head.")}
    report = weights.load_weights(model, trunk, trained_as=weights.trained(document), new_window=True, partial=True)
    missing = [name for name in report.missing if not name.startswith("head.")]
    if missing or report.unexpected:
        raise InputError(
            f"{file} is not the weights of this {model.name}: {len(missing)} tensors missing, "
            f"{len(report.unexpected)} left over; give model.name and model.overrides of what it holds."
        )
    return report


def _optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    chosen = recipe.optimizer
    if isinstance(chosen, AdamW):
        return optimizers.adamw(model, chosen.lr, chosen.weight_decay, chosen.betas, chosen.eps)
    return optimizers.sgd(model, chosen.lr, chosen.weight_decay, chosen.momentum)


def _same_recipe(recipe: Recipe, out: Path) -> None:
    before, now = (dataclasses.asdict(each) for each in (find.of_run(out), recipe))
    changed = [name for name in now if now[name] != before[name]]
    if changed:
        raise InputError(
            f"{out} was begun with another recipe ({', '.join(changed)}); "
            f"`vitrail train {out} --resume` continues it as it was."
        )


def _settle(recipe: Recipe, out: Path, resume: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        for name in FILES:
            (out / name).unlink(missing_ok=True)
    write_text(out / "recipe.json", to_json(recipe))
