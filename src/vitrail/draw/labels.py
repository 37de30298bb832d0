"""Label maps over their pictures, with a legend; several beside each other.   K classes, H x W pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.patches import Patch
from PIL import Image, ImageDraw

from vitrail.draw.boxes import _font, _shrunk
from vitrail.draw.palette import NONE, Colour, palette
from vitrail.draw.style import INK, figure, legible, save

SHADE = 0.55  # of a class's colour over the picture
SIDE = 700  # pixels; a picture smaller than this is enlarged before a legend is written beside it
NAMED = 40  # most classes of a legend; those of fewest pixels are left out


@dataclass(frozen=True, eq=False)
class Row:
    """One picture, its truth and what models say, all (H, W) whole numbers.

    truth: None where nobody knows.     said: By the name of its model.     caption: A line below.
    worth: How good it is; the least comes first.
    """

    image: Image.Image
    truth: np.ndarray | None
    said: Mapping[str, np.ndarray]
    caption: str
    worth: float


def coloured(labels: np.ndarray, colours: Sequence[Colour], none: Colour = NONE) -> Image.Image:
    """(H, W) whole numbers -> RGB; `none` where a number is no class."""
    table = np.asarray([*colours, none], dtype=np.uint8)
    inside = (labels >= 0) & (labels < len(colours))
    return Image.fromarray(table[np.where(inside, labels, len(colours))])


def overlay(image: Image.Image, labels: np.ndarray, colours: Sequence[Colour], shade: float = SHADE) -> Image.Image:
    """The picture under the colours of its classes, parted by thin lines; a pixel without a class keeps its own.

    Raises: ValueError where their sizes differ.
    """
    _same(image, labels)
    own = np.asarray(image.convert("RGB"), dtype=np.float32)
    inside = (labels >= 0) & (labels < len(colours))
    tint = np.asarray(coloured(labels, colours), dtype=np.float32)
    grey = own.mean(2, keepdims=True)
    mixed = np.where(inside[..., None], (1 - shade) * (0.5 * own + 0.5 * grey) + shade * tint, own)
    mixed[borders(labels)] *= 0.55
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))


def borders(labels: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels whose right or lower neighbour has another label."""
    found = np.zeros(labels.shape, dtype=bool)
    found[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    found[:-1] |= labels[:-1] != labels[1:]
    return found


def with_legend(
    image: Image.Image,
    labels: np.ndarray,
    names: Sequence[str],
    given: Sequence[Colour] | None = None,
    side: int = SIDE,
) -> Image.Image:
    """The overlay, and right of it its classes with their shares of the picture, the largest on top.

    Args:
        given: A colour for each of the K names; None: generated ones.
        side: Pixels that the longer side of the picture gets at least.
    Raises: ValueError where the sizes of picture and labels differ.
    """
    colours = palette(len(names), given)
    zoom = max(side / max(image.size), 1.0)
    shown = overlay(image, labels, colours)
    if zoom > 1:
        shown = shown.resize((round(zoom * image.width), round(zoom * image.height)), Image.Resampling.BICUBIC)
    counts = np.bincount(labels[(labels >= 0) & (labels < len(names))].ravel(), minlength=len(names))
    order = [k for k in np.argsort(-counts, kind="stable").tolist() if counts[k]]
    rows = [(colours[k], names[k], f"{100 * counts[k] / labels.size:.1f} %") for k in order]
    more = len(rows) - NAMED
    rows = rows[:NAMED] + ([(NONE, f"and {more} more", "")] if more > 0 else [])
    size = max(round(min(shown.height / (1.7 * max(len(rows), 12)), shown.height / 32)), 9)
    font = _font(size)
    wide = max((font.getlength(name) for _, name, _ in rows), default=0.0)
    last = max((font.getlength(share) for _, _, share in rows), default=0.0)
    line, edge = round(1.6 * size), size
    width = round(3.5 * edge + wide + last + 1.5 * size)
    height = max(shown.height, line * len(rows) + 2 * edge)
    canvas = Image.new("RGB", (shown.width + width, height), "white")
    canvas.paste(shown, (0, 0))
    pen = ImageDraw.Draw(canvas)
    left = shown.width + edge
    for number, (colour, name, share) in enumerate(rows):
        middle = edge + line * number + line / 2
        if share:
            box = (left, middle - 0.45 * size, left + 0.9 * size, middle + 0.45 * size)
            pen.rectangle(box, fill=colour, outline="#55585f")
        pen.text((left + 1.5 * size, middle), name, fill=INK, font=font, anchor="lm")
        pen.text((canvas.width - edge, middle), share, fill=INK, font=font, anchor="rm")
    return canvas


def draw_rows(
    path: str | Path,
    rows: Sequence[Row],
    names: Sequence[str],
    title: str,
    given: Sequence[Colour] | None = None,
    most: int = 6,
) -> None:
    """Writes a row for each picture, the worst on top: the picture, the truth, what each model says.

    Args:
        most: Rows at most; the better ones are left out.
    Raises: ValueError without rows, or where they have unlike columns.
    """
    if not rows or len({(row.truth is None, tuple(row.said)) for row in rows}) != 1:
        raise ValueError("draw_rows wants rows, with the same columns in each.")
    colours = palette(len(names), given)
    shown = sorted(rows, key=lambda row: row.worth)[:most]
    titles = ["picture", *(["truth"] if shown[0].truth is not None else []), *shown[0].said]
    wide = 3.2
    heights = [wide * min(row.image.height / row.image.width, 1.6) for row in shown]
    present = sorted({int(k) for row in shown for k in _present(row, len(names))})
    lines = -(-len(present[:NAMED]) // max(int(wide * len(titles) / 1.5), 1))
    drawing = figure(wide * len(titles) + 0.3, sum(heights) + 0.2 * len(shown) + 0.7 + 0.22 * lines, title)
    panels = drawing.subplots(len(shown), len(titles), squeeze=False, gridspec_kw={"height_ratios": heights})
    for number, (line, row) in enumerate(zip(panels, shown, strict=True)):
        maps = [*([row.truth] if row.truth is not None else []), *row.said.values()]
        pictures = [row.image.convert("RGB"), *(overlay(row.image, one, colours, 0.75) for one in maps)]
        for axes, name, picture in zip(line, titles, pictures, strict=True):
            axes.imshow(np.asarray(_shrunk(picture)), interpolation="antialiased")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if number == 0:
                axes.set_title(legible(name), fontsize=10, color=INK, loc="left")
        line[0].set_xlabel(legible(row.caption), fontsize=8.5, color=INK, loc="left", labelpad=4)
    handles = [Patch(color="#{:02x}{:02x}{:02x}".format(*colours[k]), label=legible(names[k])) for k in present[:NAMED]]
    columns = max(int(wide * len(titles) / 1.5), 1)
    drawing.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize=8.5)
    save(drawing, path)


def _present(row: Row, count: int) -> set[int]:
    maps = [*([row.truth] if row.truth is not None else []), *row.said.values()]
    return {k for one in maps for k in np.unique(one).tolist() if 0 <= k < count}


def _same(image: Image.Image, labels: np.ndarray) -> None:
    if labels.shape != (image.height, image.width):
        raise ValueError(f"labels {labels.shape} of a picture of {(image.height, image.width)}; wanted the same.")
