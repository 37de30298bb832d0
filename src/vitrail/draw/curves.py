"""How runs went: loss, score and learning rate over the epochs, score over time, several runs in one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from vitrail.draw.style import COLOURS, figure, legible, quiet, save

Rows = Sequence[Mapping[str, Any]]

SCORES = {
    "top1": "top-1",
    "AP50": "AP50 (boxes)",
    "mask_AP50": "AP50 (masks)",
    "mIoU": "mIoU",
    "explained": "explained part of the velocity",
}  # in [0, 1], of held-out samples


def draw_curves(path: str | Path, runs: Mapping[str, Rows], minutes: bool = False, score: str = "top1") -> None:
    """Writes three panels side by side with one line per run, or four with the score over the time it took.

    Args:
        runs: For each run's name its epochs, each with "epoch", "loss", the score (in [0, 1]) and "lr", as a run's
            metrics.jsonl has them. A run's last score stands beside its name.
        minutes: Whether there is a fourth panel; the epochs then have "seconds" too.
        score: One of `SCORES`.
    """
    shown = (
        ("loss", "training loss", 1.0),
        (score, f"{SCORES[score]} of held-out samples, %", 100.0),
        ("lr", "learning rate", 1.0),
    )
    drawing = figure(12.5, 7.2 if minutes else 3.9)
    panels = list(drawing.subplots(*((2, 2) if minutes else (1, 3))).flat)
    for axes, (key, title, factor) in zip(panels, shown, strict=False):
        quiet(axes, title)
        _lines(axes, runs, key, factor, score, lambda rows: [row["epoch"] for row in rows])
        axes.set_xlabel("epoch", fontsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _show_the_top(panels[1], runs, score)
    panels[2].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if minutes:
        quiet(panels[3], f"{SCORES[score]} over the time it took, %")
        _lines(panels[3], runs, score, 100.0, score, lambda rows: [*accumulate(row["seconds"] / 60 for row in rows)])
        panels[3].set_xlabel("minutes of training", fontsize=8.5)
        panels[3].set_xlim(left=0)
        panels[3].set_ylim(panels[1].get_ylim())
    handles, labels = panels[1].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, fontsize=10)
    save(drawing, path)


def _lines(
    axes: Any, runs: Mapping[str, Rows], key: str, factor: float, score: str, over: Callable[[Rows], Sequence]
) -> None:
    for number, (name, rows) in enumerate(runs.items()):
        axes.plot(
            over(rows),
            [factor * row[key] for row in rows],
            label=legible(f"{name}   {100 * rows[-1][score]:.2f} %" if rows else name),
            color=COLOURS[number % len(COLOURS)],
            linewidth=1.8,
            marker="o" if len(rows) == 1 else None,
            linestyle=("-", "--", ":")[number % 3] if key == "lr" else "-",
        )


def _show_the_top(axes: Any, runs: Mapping[str, Rows], score: str) -> None:
    """Leaves the first climb out where it would press the rest of the lines together."""
    values = [100 * row[score] for rows in runs.values() for row in rows[len(rows) // 6 :]]
    if values:
        room = max(0.08 * (max(values) - min(values)), 0.5)
        axes.set_ylim(max(min(values) - room, 0), min(max(values) + room, 100.4))
