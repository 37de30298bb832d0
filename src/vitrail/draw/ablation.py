"""An ablation: means over seeds with their intervals, curves of each variant, differences and what they decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from matplotlib.ticker import MaxNLocator

from vitrail.draw.style import COLOURS, INK, RIGHT, WRONG, figure, legible, quiet, save

Rows = Sequence[Mapping[str, Any]]
UNDECIDED = "#6b7280"
VERDICTS = {"confirmed": RIGHT, "contradicted": WRONG}


def draw_means(path: str | Path | BinaryIO, variants: Rows, metric: str) -> None:
    """Writes one line a variant: a dot for each seed, the mean, and its interval.

    Args:
        variants: Each with "variant", "values" of its seeds, "mean", "low" and "high", those None where not known.
        metric: What the values are, with their unit.
    """
    drawing = figure(8.2, 1.1 + 0.42 * len(variants))
    axes = drawing.subplots()
    quiet(axes, f"{metric}: mean over seeds, its interval, and each seed")
    for place, row in enumerate(variants):
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(row["values"], [place + 0.2] * len(row["values"]), "o", color=colour, markersize=3.5, alpha=0.6)
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2.2, zorder=3)
        if row["mean"] is not None:
            axes.plot(row["mean"], place, "D", color=colour, markersize=6.5, zorder=4)
            axes.annotate(
                f"{row['mean']:.2f}",
                (row["mean"], place),
                (0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=INK,
            )
    _names(axes, [row["variant"] for row in variants])
    save(drawing, path)


def draw_differences(path: str | Path | BinaryIO, orderings: Rows, metric: str) -> None:
    """Writes one line an ordering: the mean difference and its interval, coloured by the verdict, and the printed one.

    Args:
        orderings: Each with "ordering", "difference", "low", "high", "printed" (None where not known) and "verdict".
    """
    drawing = figure(8.8, 1.45 + 0.34 * len(orderings))
    axes = drawing.subplots()
    quiet(axes, f"{metric}: difference over seeds with its interval; open diamonds: printed in the paper")
    axes.axvline(0, color=INK, linewidth=0.9)
    for place, row in enumerate(orderings):
        colour = VERDICTS.get(row["verdict"], UNDECIDED)
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2.2)
        if row["difference"] is not None:
            axes.plot(row["difference"], place, "o", color=colour, markersize=6)
        if row["printed"] is not None:
            axes.plot(row["printed"], place, "D", markerfacecolor="none", markeredgecolor=INK, markersize=5)
    _names(axes, [row["ordering"] for row in orderings])
    for name, colour in (*VERDICTS.items(), ("not resolved", UNDECIDED)):
        axes.plot([], [], color=colour, linewidth=2.2, marker="o", label=name)
    drawing.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    save(drawing, path)


def draw_runs(
    path: str | Path | BinaryIO, runs: Mapping[str, Mapping[str, Rows]], metric: str, title: str = ""
) -> None:
    """Writes two panels, loss and metric over the epochs: thin lines for seeds, a thick one for each variant's mean.

    Args:
        runs: variant -> seed -> epochs, each with "epoch", "loss" and the metric where it was measured.
    """
    drawing = figure(11.5, 4.6)
    panels = drawing.subplots(1, 2)
    for axes, key, name in zip(panels, ("loss", metric), ("training loss", title or metric), strict=True):
        quiet(axes, name)
        for number, (variant, seeds) in enumerate(runs.items()):
            colour = COLOURS[number % len(COLOURS)]
            for rows in seeds.values():
                kept = [row for row in rows if key in row]
                axes.plot([row["epoch"] for row in kept], [row[key] for row in kept], color=colour, lw=0.6, alpha=0.4)
            epochs, means = _mean(list(seeds.values()), key)
            single = "o" if len(epochs) == 1 else None
            axes.plot(epochs, means, color=colour, linewidth=1.9, marker=single, label=legible(variant))
        axes.set_xlabel("epoch", fontsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    handles, labels = panels[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, fontsize=9.5)
    save(drawing, path)


def _mean(runs: Sequence[Rows], key: str) -> tuple[list[int], list[float]]:
    """The mean over the runs, at the epochs that all of them have."""
    found = [{row["epoch"]: row[key] for row in rows if key in row} for rows in runs]
    shared = sorted(set.intersection(*map(set, found))) if found else []
    return shared, [sum(each[epoch] for each in found) / len(found) for epoch in shared]


def _names(axes: Any, names: Sequence[str]) -> None:
    """One name a line, the first at the top."""
    axes.set_yticks(range(len(names)), [legible(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.75)
    axes.grid(visible=False, axis="y")
