"""What experiments over several seeds share: a small training on CIFAR-10, runs that are made once, intervals."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vitrail import keep_memory
from vitrail.data.settings import Augment, Preprocessing
from vitrail.insight import ablation_report
from vitrail.insight.student import Estimate, estimate
from vitrail.recipes.find import find
from vitrail.recipes.recipe import AdamW, Cosine, Folder, Model, Recipe
from vitrail.recipes.run import Options, train

BATCH = 64


def answer(
    parser: argparse.ArgumentParser,
    learn: Callable[[int, argparse.Namespace], None],
    told: Callable[[Path], dict[str, Any]],
    line: Callable[[dict[str, Any]], str],
    draw: Callable[[Path, dict[str, Any]], None],
) -> None:
    """An experiment's command: the runs that are not there yet, or with --json or --draw what is there.

    Args:
        learn: Makes all runs of a seed.     told: The document of a folder.     line: What is printed of it.
    """
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, help="a folder with train.zip, val.zip, their maps and classes.txt")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--draw", type=Path)
    given = parser.parse_args()
    keep_memory()
    torch.set_num_threads(1)
    if not (given.json or given.draw):
        if given.data is None:
            parser.error("--data is wanted where runs are to be made")
        for seed in range(given.seeds):
            learn(seed, given)
    document = told(given.folder)
    print(line(document))
    if given.json:
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    if given.draw:
        draw(given.draw, document)


def small(model: Model, data: Path, seed: int, epochs: int) -> Recipe:
    """From nothing, in minutes of a core; data: a folder of zips of 32 x 32 pictures."""
    return replace(
        find("finetune"),
        model=model,
        data=Folder(str(data)),
        optimizer=AdamW(lr=2e-3, weight_decay=0.05),
        schedule=Cosine(warmup=1, start=1e-5, end=1e-5),
        epochs=epochs,
        batch=BATCH,
        preprocessing=Preprocessing(share=None, mean=(0.491, 0.482, 0.447), std=(0.247, 0.243, 0.262)),
        augment=Augment(shift=0.125, flip=0.5),
        smoothing=0.1,
        clip=5.0,
        seed=seed,
    )


def learnt(out: Path, chosen: Recipe) -> dict[str, Any]:
    """The summary of a run, gone on with where it was stopped. Raises: SystemExit where it is stopped again."""
    summary = train(chosen, out, Options("cpu", workers=0), resume="auto")
    if not summary:
        raise SystemExit("Stopped; the same command goes on.")
    return summary


def done(out: Path, make: Callable[[Path], dict[str, Any]]) -> None:
    """Writes row.json into a run that is not done: what it gives, and the processor's time since it was last begun."""
    if (out / "row.json").is_file():
        return
    begun = time.process_time()
    row = {**make(out), "core_seconds": round(time.process_time() - begun, 1)}
    (out / "row.json").write_text(json.dumps(row) + "\n")
    print(out.parent.name, out.name, json.dumps(row), flush=True)


def seeds(folder: Path) -> list[int]:
    """Those that FOLDER has runs of."""
    return sorted(int(path.name.removeprefix("seed_")) for path in folder.glob("seed_*"))


def stated(values: Iterable[float]) -> dict[str, Any] | None:
    """The mean in per cent and its 95 % interval over seeds; None of no values."""
    found = [100 * value for value in values]
    if not found:
        return None
    worth = estimate(found)
    return {key: None if value is None else round(value, 3) for key, value in worth._asdict().items() if key != "p"}


def verdict(worth: dict[str, Any] | None, above: str, below: str) -> str:
    """What an interval says that lies wholly above 0, or below."""
    if not worth or worth["low"] is None:
        return "too few seeds"
    said = ablation_report.verdict(Estimate(**worth))
    return {ablation_report.CONFIRMED: above, ablation_report.CONTRADICTED: below}.get(said, said)
