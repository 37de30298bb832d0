"""Which class is taken for which: a matrix of counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from vitrail.draw.style import INK, PALE, RIGHT, WRONG, figure, legible, quiet, save

NUMBERED, NAMED = 25, 60  # most classes for which cells carry their count, and axes their names


def draw_confusion(path: str | Path, counts: np.ndarray, classes: Sequence[str], title: str) -> None:
    """Writes the matrix: green where right, red where wrong, darker the larger the share of its row.

    Args:
        counts: (K, K) whole numbers; row: the true class, column: the predicted one.
        classes: K names.
    """
    many = len(classes)
    side = min(max(0.42 * many, 4.5), 12.0)
    drawing = figure(side + 1.2, side + 1.0, title)
    axes = drawing.subplots()
    quiet(axes)
    axes.grid(False)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    for keep, colour, strongest in ((np.eye(many, dtype=bool), RIGHT, 1.2), (~np.eye(many, dtype=bool), WRONG, 0.25)):
        colours = LinearSegmentedColormap.from_list("shares", ["white", colour])
        axes.imshow(np.where(keep, shares, np.nan), cmap=colours, vmin=0, vmax=strongest, interpolation="nearest")
    if many <= NUMBERED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            dark = shares[row, column] > (0.7 if row == column else 0.15)
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=9,
                color="white" if dark else INK,
            )
        axes.set_xticks(np.arange(many + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(many + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=PALE, linewidth=0.5)
        axes.tick_params(which="minor", length=0)
    if many <= NAMED:
        names = [legible(name) for name in classes]
        axes.set_xticks(range(many), names, rotation=0 if max(map(len, classes)) < 3 else 90)
        axes.set_yticks(range(many), names)
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("true", fontsize=9)
    save(drawing, path)
