"""Block, shifted and interleaved windows of one grid, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from vitrail.draw.style import INK, figure, legible, save

TINTS = ("#3f7fbf", "#e8a33d", "#58a778", "#b06ab3", "#d76a5b", "#7a8794", "#3aa6a0", "#c9b23c", "#8c6d5a")


def draw_windows(path: str | Path, members: Mapping[str, np.ndarray]) -> None:
    """Writes one grid per kind of window; positions that read each other have one colour and one letter.

    Args:
        members: For each title the window of every position, (H, W) whole numbers.
    """
    height, width = next(iter(members.values())).shape
    drawing = figure((0.42 * width + 0.4) * len(members), 0.42 * height + 0.5)
    panels = drawing.subplots(1, len(members), squeeze=False, gridspec_kw={"wspace": 0.12})
    for axes, (title, windows) in zip(panels.flat, members.items(), strict=True):
        _draw(axes, windows)
        axes.set_title(legible(title), fontsize=11, color=INK, loc="left")
    save(drawing, path)


def _draw(axes: Axes, windows: np.ndarray) -> None:
    height, width = windows.shape
    for row in range(height):
        for column in range(width):
            number = int(windows[row, column])
            axes.add_patch(
                FancyBboxPatch(
                    (column + 0.1, row + 0.1),
                    0.8,
                    0.8,
                    linewidth=0,
                    boxstyle="round,pad=0,rounding_size=0.16",
                    color=TINTS[number % len(TINTS)],
                )
            )
            axes.text(
                column + 0.5,
                row + 0.52,
                chr(ord("A") + number % 26),
                ha="center",
                va="center",
                fontsize=9,
                color="white",
                fontweight="bold",
            )
    axes.set(xlim=(-0.05, width + 0.05), ylim=(height + 0.05, -0.05), aspect="equal")
    axes.axis("off")
