"""What each class reached, as bars."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vitrail.draw.style import COLOURS, INK, figure, legible, quiet, save


def draw_classes(
    path: str | Path, table: Mapping[str, Mapping[str, float]], title: str, what: str = "IoU", most: int = 60
) -> None:
    """Writes a bar for each class and model, the best class of the first model on top, and their means.

    Args:
        table: Of each model what each class reached, in [0, 1]; NaN for a class that is nowhere, which has no bar.
        most: Classes at most; with more, the best and the worst half of them.
    Raises: ValueError where the models have unlike classes.
    """
    models = list(table)
    if not models or any(list(each) != list(table[models[0]]) for each in table.values()):
        raise ValueError("draw_classes wants one model or more, with the same classes in each.")
    there = [name for name in table[models[0]] if any(np.isfinite(table[model][name]) for model in models)]
    ranked = sorted(there, key=lambda name: -np.nan_to_num(table[models[0]][name], nan=-1.0))
    shown = ranked if len(ranked) <= most else [*ranked[: most // 2], *ranked[-(most // 2) :]]
    drawing = figure(7.4, max(1.5 + (0.1 + 0.15 * len(models)) * len(shown), 2.6), title)
    axes = drawing.subplots()
    quiet(axes)
    thick = 0.8 / len(models)
    for number, model in enumerate(models):
        values = [table[model][name] for name in shown]
        places = [place + (number - (len(models) - 1) / 2) * thick for place in range(len(shown))]
        mean = float(np.nanmean([table[model][name] for name in there])) if there else math.nan
        tint = COLOURS[number % len(COLOURS)]
        axes.barh(places, np.nan_to_num(values), thick * 0.9, color=tint, label=legible(f"{model}   mean {mean:.3f}"))
        axes.axvline(mean, color=tint, linewidth=1, linestyle="--")
        for place, value in zip(places, values, strict=True):
            if np.isfinite(value):
                paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
                axes.text(value + 0.008, place, f"{value:.2f}", va="center", fontsize=7, color=INK, bbox=paper)
    axes.set_yticks(range(len(shown)), [legible(name) for name in shown])
    axes.set(xlim=(0, 1.06), ylim=(len(shown) - 0.4, -0.6))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(what, fontsize=8.5)
    drawing.legend(loc="outside lower left", ncols=min(len(models), 3), frameon=False, fontsize=9)
    save(drawing, path)
