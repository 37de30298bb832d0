"""How runs went: loss, top-1 and learning rate over the epochs, several runs in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from vitrail.draw.style import COLOURS, figure, quiet, save

PANELS = (
    ("loss", "training loss", 1.0),
    ("top1", "top-1 of held-out pictures, %", 100.0),
    ("lr", "learning rate", 1.0),
)


def draw_curves(path: str | Path, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Writes three panels side by side with one line per run.

    Args:
        runs: For each run's name its epochs, each with "epoch", "loss", "top1" (in [0, 1]) and "lr", as a run's
            metrics.jsonl has them. A run's last top-1 stands beside its name.
    """
    drawing = figure(12.5, 3.9)
    for axes, (key, title, factor) in zip(drawing.subplots(1, 3), PANELS, strict=True):
        quiet(axes, title)
        for number, (name, rows) in enumerate(runs.items()):
            label = f"{name}   {100 * rows[-1]['top1']:.2f} %" if rows else name
            axes.plot(
                [row["epoch"] for row in rows],
                [factor * row[key] for row in rows],
                label=label,
                color=COLOURS[number % len(COLOURS)],
                linewidth=1.8,
                marker="o" if len(rows) == 1 else None,
                linestyle=("-", "--", ":")[number % 3] if key == "lr" else "-",
            )
        axes.set_xlabel("epoch", fontsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _show_the_top(drawing.axes[1], runs)
    drawing.axes[2].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    handles, labels = drawing.axes[1].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, fontsize=10)
    save(drawing, path)


def _show_the_top(axes: Any, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Leaves the first climb out where it would press the rest of the lines together."""
    values = [100 * row["top1"] for rows in runs.values() for row in rows[len(rows) // 6 :]]
    if values:
        room = max(0.08 * (max(values) - min(values)), 0.5)
        axes.set_ylim(max(min(values) - room, 0), min(max(values) + room, 100.4))
