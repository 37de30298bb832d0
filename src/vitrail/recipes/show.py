"""The demo: three models side by side on the digits, with one picture of each kind and some digits to play with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vitrail.data.sample import Pictures
from vitrail.draw.curves import draw_curves
from vitrail.draw.windows import draw_windows
from vitrail.geometry.windows import Windows, membership
from vitrail.recipes import sources
from vitrail.recipes.demo import MODELS, side_by_side
from vitrail.recipes.run import Options, train
from vitrail.train.record import read


def show(out: str | Path, device: str = "auto", seed: int = 0) -> list[dict[str, Any]]:
    """Trains each of the demo's models into `out/NAME` and returns their summaries.

    Leaves in `out`: curves.png of all of them, confusion.png and predictions.png of the first, windows.png with
    the kinds of window they have, digits/ with ten pictures that no model was trained on.
    """
    out, recipes = Path(out), side_by_side()
    torch.set_num_threads(1)  # models this small gain nothing by more, and lose much where the cores are busy
    summaries = []
    for name, recipe in recipes.items():
        summary = train(replace(recipe, seed=seed), out / name, Options(device), again=True)
        if summary is None:
            raise KeyboardInterrupt  # stopped by a signal; what is there stays
        summaries.append(summary)
    draw_curves(out / "curves.png", {name: read(out / name) for name in MODELS})
    for name in ("confusion.png", "predictions.png"):
        shutil.copyfile(out / MODELS[0] / name, out / name)
    draw_kinds(out / "windows.png")
    save_examples(out / "digits", sources.open_split(recipes[MODELS[0]].data)[1])
    return summaries


def draw_kinds(path: Path, side: int = 8, window: int = 4) -> None:
    """Draws the block, shifted and interleaved windows of one square grid, `window` positions a side."""
    size, half = (window, window), (window // 2, window // 2)
    kinds = {
        "block: neighbours share a window": Windows(size),
        "shifted: moved by half a window": Windows(
            size, shift=half, wrap=False
        ),  # what the border cuts is a window apart
        "interleaved: tokens at a stride": Windows(size, interleaved=True),
    }
    draw_windows(path, {title: membership(kind, (side, side)).numpy() for title, kind in kinds.items()})


def save_examples(folder: Path, pictures: Pictures) -> None:
    """Writes the first picture of each class as CLASS.png."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = dict.fromkeys(range(len(pictures.classes)))
    for index in range(len(pictures)):
        sample = pictures[index]
        if sample.target in wanted:
            del wanted[sample.target]
            sample.image.save(folder / f"{pictures.classes[sample.target]}.png")
