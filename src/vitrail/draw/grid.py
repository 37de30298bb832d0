"""Pictures in rows with a line under each, framed by whether the answer was right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vitrail.draw.style import INK, PALE, RIGHT, WRONG, figure, fitted, save

LINE = 10.5  # points from one line of text to the next


@dataclass(frozen=True)
class Cell:
    """image: RGB. caption: one or two short lines. right: whether the answer was; None where nobody knows.

    answers: Further lines under the caption, each in the colour of whether it is right.
    """

    image: Image.Image
    caption: str
    right: bool | None = None
    answers: tuple[tuple[str, bool], ...] = ()

    @property
    def lines(self) -> int:
        return self.caption.count("\n") + 1 + len(self.answers)


def draw_grid(path: str | Path, cells: Sequence[Cell], title: str) -> None:
    """Writes the cells in the order given, row by row.

    Raises: ValueError without cells.
    """
    if not cells:
        raise ValueError("draw_grid wants at least one cell.")
    columns = min(len(cells), 4 if len(cells) <= 12 else 8 if len(cells) <= 48 else 12)
    rows = math.ceil(len(cells) / columns)
    lines = max(2, *(cell.lines for cell in cells))
    answered = any(cell.answers for cell in cells)  # several answers want room for their words
    width = 1.75 if answered else 1.35
    drawing = figure(max(width * columns, 4.5), (width + 0.135 * lines) * rows + 0.45, title)
    if answered:
        drawing.set_layout_engine("constrained", h_pad=0.09)
    grid = drawing.subplots(rows, columns, squeeze=False)
    for axes, cell in zip(grid.flat, cells, strict=False):
        colour = PALE if cell.right is None else RIGHT if cell.right else WRONG
        axes.imshow(np.asarray(_square(cell.image)), interpolation="bicubic")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=colour, linewidth=2.5)
        caption, size = fitted(drawing, cell.caption, 0.97 * width, 8)
        axes.set_xlabel(caption, fontsize=size, color=INK if cell.right is not False else WRONG, labelpad=3)
        for number, (answer, right) in enumerate(cell.answers):
            text, size = fitted(drawing, answer, 0.97 * width, 8)
            axes.annotate(
                text,
                (0.5, 0),
                (0, -LINE * (number + cell.lines - len(cell.answers)) - 4),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=size,
                color=RIGHT if right else WRONG,
            )
    for axes in grid.flat[len(cells) :]:
        axes.set_visible(False)
    save(drawing, path)


def _square(image: Image.Image, most: int = 224) -> Image.Image:
    """The whole picture in the middle of a white square, no larger than `most` pixels a side."""
    image = image.convert("RGB")
    if max(image.size) > most:
        image.thumbnail((most, most), Image.Resampling.LANCZOS)
    side = max(image.size)
    square = Image.new("RGB", (side, side), "white")
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
