"""Several pictures with what is in them, in rows, a line under each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vitrail.draw.boxes import Things, with_things
from vitrail.draw.style import INK, figure, legible, save

MOST = 24  # pictures in one drawing
FEW = 20  # things of a picture up to which names are large
WIDE = 3.6  # inches of a picture


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture, RGB, what is drawn into it, and the line below."""

    image: Image.Image
    things: Things
    caption: str


def draw_found(path: str | Path, shown: Sequence[Shown], names: Sequence[str], title: str) -> None:
    """Writes the pictures in the order given, up to four in a row, each row as high as its highest.

    Args:
        names: Of the K classes.
    Raises: ValueError without pictures.
    """
    if not shown:
        raise ValueError("draw_found wants at least one picture.")
    columns = min(len(shown), 2 if len(shown) <= 4 else 3 if len(shown) <= 9 else 4)
    rows = math.ceil(len(shown) / columns)
    shares = [min(one.image.height / one.image.width, 1.6) for one in shown]
    heights = [WIDE * max(shares[row * columns : (row + 1) * columns]) for row in range(rows)]
    drawing = figure(WIDE * columns + 0.2, sum(heights) + 0.34 * rows + 0.5, title)
    panels = drawing.subplots(rows, columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes, one in zip(panels.flat, shown, strict=False):
        few = len(one.things.boxes) <= FEW
        drawn = with_things(one.image, one.things, names, letters=1.7 if few else 1.2)
        drawn.thumbnail((900, 900), Image.Resampling.LANCZOS)
        axes.imshow(np.asarray(drawn), interpolation="antialiased")
        axes.set(xticks=[], yticks=[], anchor="N")
        axes.spines[:].set_visible(False)
        axes.set_xlabel(legible(one.caption), fontsize=8.5, color=INK, loc="left", labelpad=4)
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    save(drawing, path)
