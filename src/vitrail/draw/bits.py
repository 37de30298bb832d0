"""Bits of the next token: over the epochs, by place in a window, by length of the window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from vitrail.draw.style import COLOURS, INK, figure, legible, quiet, save

Rows = Sequence[Mapping[str, Any]]
PLACES = 48  # points of a curve over the places of a window


def draw_bits(path: str | Path, runs: Mapping[str, Rows], unit: str) -> None:
    """Writes three panels: training loss, bits of held-out tokens and learning rate over the epochs.

    Args:
        runs: For each run's name its epochs, each with "epoch", "loss", "bits" and "lr".
        unit: What bits are of, such as "bits a character".
    """
    drawing = figure(12.5, 3.9)
    panels = drawing.subplots(1, 3)
    shown = (("loss", "training loss, nats"), ("bits", f"{unit}, held out"), ("lr", "learning rate"))
    for axes, (key, title) in zip(panels, shown, strict=True):
        quiet(axes, title)
        for number, (name, rows) in enumerate(runs.items()):
            label = f"{name}   {rows[-1]['bits']:.3f}" if rows else name
            epochs, values = [row["epoch"] for row in rows], [row[key] for row in rows]
            _line(axes, number, label, epochs, values)
        axes.set_xlabel("epoch", fontsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panels[2].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _name(drawing, panels[1])
    save(drawing, path)


def draw_positions(path: str | Path, runs: Mapping[str, Sequence[float]], unit: str) -> None:
    """Writes bits over the place in a window, (N,), means of neighbouring places, closer together at the beginning."""
    drawing = figure(7.2, 4.2)
    axes = drawing.subplots()
    quiet(axes, f"{unit}, held out, by tokens that came before it in the window")
    for number, (name, values) in enumerate(runs.items()):
        edges = _edges(len(values))
        pairs = list(pairwise(edges))
        middles = [(first + 1 + behind) / 2 for first, behind in pairs]
        means = [sum(values[first:behind]) / (behind - first) for first, behind in pairs]
        _line(axes, number, name, middles, means)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _name(drawing, axes)
    save(drawing, path)


def draw_lengths(
    path: str | Path, runs: Mapping[str, Sequence[tuple[int, float]]], unit: str, trained_at: int | None = None
) -> None:
    """Writes bits over the length of the windows; a line stands at that of training."""
    drawing = figure(7.2, 4.2)
    axes = drawing.subplots()
    quiet(axes, f"{unit}, held out, by length of the window")
    for number, (name, points) in enumerate(runs.items()):
        _line(axes, number, name, [length for length, _ in points], [bits for _, bits in points])
    axes.set_xscale("log", base=2)
    lengths = sorted({length for points in runs.values() for length, _ in points})
    axes.xaxis.set_major_locator(FixedLocator(lengths))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if trained_at:
        axes.axvline(trained_at, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xlabel("tokens of the window; dotted: of training", fontsize=8.5)
    _name(drawing, axes)
    save(drawing, path)


def _line(axes: Any, number: int, name: str, x: Sequence[float], y: Sequence[float]) -> None:
    colour = COLOURS[number % len(COLOURS)]
    style = ("-", "--", ":", "-.")[number // len(COLOURS) % 4]
    marker = "o" if len(x) < 8 else None
    axes.plot(x, y, label=legible(name), color=colour, linewidth=1.8, marker=marker, markersize=4, linestyle=style)


def _name(drawing: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False, fontsize=9)


def _edges(count: int) -> list[int]:
    """Borders of parts of 0 to `count`, each a little wider than the one before it."""
    steps = (count ** (number / PLACES) for number in range(PLACES + 1))
    return sorted({0, *(round(step) for step in steps), count})
