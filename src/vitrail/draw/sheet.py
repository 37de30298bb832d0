"""Pictures in rows and columns with a title above each column and a name before each row, fit for a paper's figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from vitrail.draw.style import INK, figure, fitted

DPI = 200
WIDE, LINE, NAMES = 1.5, 0.145, 0.34  # inches of a panel, of a line of caption, and of the names before the rows
SAFE = 0.93  # of the room for a line: letters are a little wider at the dots of the file


@dataclass(frozen=True, eq=False)
class Panel:
    """image: (H, W, 3) of 0 to 255.     caption: Lines below it.     smooth: Enlarged without showing its pixels."""

    image: np.ndarray
    caption: str = ""
    smooth: bool = True


class Scale(NamedTuple):
    """A bar of colours, named as matplotlib does, with the words at its two ends."""

    colours: str
    low: str
    high: str


def draw_sheet(
    file: str | Path | BinaryIO,
    rows: Sequence[Sequence[Panel | None]],
    columns: Sequence[str],
    names: Sequence[str] = (),
    title: str = "",
    scale: Scale | None = None,
) -> None:
    """Writes a PNG of 200 dots an inch: rows of panels of one size, None where a place stays empty.

    Args:
        columns: A title for each column.     names: A word for each row, written upwards.
    Raises: ValueError where there is no panel.
    """
    panels = [panel for row in rows for panel in row if panel is not None]
    if not panels:
        raise ValueError("draw_sheet wants at least one panel.")
    ratio = max(panel.image.shape[0] / panel.image.shape[1] for panel in panels)
    lines = [max((p.caption.count("\n") + 1 for p in row if p is not None and p.caption), default=0) for row in rows]
    heights = [WIDE * ratio + LINE * n for n in lines]
    left = NAMES if any(names) else 0.06
    top = (0.3 if title else 0.02) + (0.24 if any(columns) else 0.06)
    bottom = 0.42 if scale else 0.04
    gap = 0.06
    width = left + len(columns) * (WIDE + gap) + gap
    height = top + sum(heights) + gap * len(rows) + bottom
    drawing = figure(width, height)
    drawing.set_layout_engine("none")
    if title:
        text, size = fitted(drawing, title, 0.87 * width - 0.16, 9.5)  # measured without its weight
        drawing.text(
            0.08 / width, 1 - 0.09 / height, text, ha="left", va="top", fontsize=size, fontweight="bold", color=INK
        )
    captions = {line for panel in panels for line in panel.caption.split("\n") if line}
    letters = min((fitted(drawing, line, SAFE * WIDE, 7.5)[1] for line in captions), default=7.5)  # one size for all
    pen = height - top
    for number, (row, tall) in enumerate(zip(rows, heights, strict=True)):
        for place, panel in enumerate(row):
            x = left + gap + place * (WIDE + gap)
            if number == 0:
                _write(drawing, columns[place], x + WIDE / 2, pen + 0.06, WIDE, 8.5, "bottom")
            if panel is not None:
                _draw(drawing, panel, x, pen, ratio, letters)
        if names and names[number]:
            text, size = fitted(drawing, names[number], WIDE * ratio, 8.5)
            where = (left - 0.07) / width, (pen - WIDE * ratio / 2) / height
            drawing.text(*where, text, rotation=90, ha="right", va="center", fontsize=size, color=INK)
        pen -= tall + gap
    if scale:
        _bar(drawing, scale, width)
    drawing.savefig(file, dpi=DPI, format="png")


def _draw(drawing: Figure, panel: Panel, x: float, top: float, ratio: float, letters: float) -> None:
    """A panel with its upper left corner at (x, top) inches, in the middle of the room that the highest one takes."""
    width, height = drawing.get_size_inches()
    tall = WIDE * panel.image.shape[0] / panel.image.shape[1]
    y = top - tall - (WIDE * ratio - tall) / 2
    axes = drawing.add_axes((x / width, y / height, WIDE / width, tall / height))
    axes.imshow(panel.image, interpolation="bicubic" if panel.smooth else "nearest", aspect="auto")
    axes.axis("off")
    for number, line in enumerate(panel.caption.split("\n") if panel.caption else ()):
        _write(drawing, line, x + WIDE / 2, top - WIDE * ratio - 0.03 - LINE * number, WIDE, letters, "top")


def _write(drawing: Figure, line: str, x: float, y: float, room: float, size: float, side: str) -> None:
    """A line whose middle, or its side, is at (x, y) inches."""
    text, size = fitted(drawing, line, SAFE * room, size)
    width, height = drawing.get_size_inches()
    drawing.text(x / width, y / height, text, ha="center", va=side, fontsize=size, color=INK)


def _bar(drawing: Figure, scale: Scale, width: float) -> None:
    """The colours from low to high at the lower right."""
    height = drawing.get_size_inches()[1]
    long = min(1.5, width / 3)
    axes = drawing.add_axes(((width - long - 0.12) / width, 0.21 / height, long / width, 0.1 / height))
    bar: Any = drawing.colorbar(ScalarMappable(cmap=scale.colours), cax=axes, orientation="horizontal")
    bar.set_ticks([0, 1], labels=[scale.low, scale.high])
    bar.outline.set_visible(False)
    axes.tick_params(length=0, labelsize=7, colors=INK, pad=2)
    first, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
