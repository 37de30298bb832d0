"""What experiments over several seeds share: a small training on CIFAR-10, runs that are made once, intervals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitrail.data.settings import Augment, Preprocessing
from vitrail.insight.student import estimate
from vitrail.recipes.find import find
from vitrail.recipes.recipe import AdamW, Cosine, Folder, Model, Recipe
from vitrail.recipes.run import Options, train

BATCH = 64


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
    if worth["low"] > 0:
        return above
    return below if worth["high"] < 0 else "not resolved"
