"""Pictures in rows with a line under each, framed by whether the answer was right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vitrail.draw.style import INK, PALE, RIGHT, WRONG, figure, save


@dataclass(frozen=True)
class Cell:
    """image: RGB. caption: one or two short lines. right: whether the answer was; None where nobody knows."""

    image: Image.Image
    caption: str
    right: bool | None = None


def draw_grid(path: str | Path, cells: Sequence[Cell], title: str) -> None:
    """Writes the cells in the order given, row by row.

    Raises: ValueError without cells.
    """
    if not cells:
        raise ValueError("draw_grid wants at least one cell.")
    columns = min(len(cells), 4 if len(cells) <= 12 else 8 if len(cells) <= 48 else 12)
    rows = math.ceil(len(cells) / columns)
    drawing = figure(max(1.35 * columns, 4.5), 1.62 * rows + 0.45, title)
    grid = drawing.subplots(rows, columns, squeeze=False)
    for axes, cell in zip(grid.flat, cells, strict=False):
        colour = PALE if cell.right is None else RIGHT if cell.right else WRONG
        axes.imshow(np.asarray(_square(cell.image)), interpolation="bicubic")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=colour, linewidth=2.5)
        axes.set_xlabel(cell.caption, fontsize=8, color=INK if cell.right is not False else WRONG, labelpad=3)
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
