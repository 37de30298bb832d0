"""What videos show as they go on: a line for each class over time, and frames of the video above.

W windows, k classes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image

from vitrail.draw.palette import Colour
from vitrail.draw.style import INK, PALE, figure, legible, quiet, save

MOST = 12  # videos in one drawing
ACROSS, BESIDE = 8.4, 2.5  # inches of the time axis, of the names beside it
TALL = 1.9  # inches of the lines
MARKED = 40  # windows up to which each has a dot


@dataclass(frozen=True, eq=False)
class Shown:
    """One video.

    caption: A line above.     end: Where time ends, from 0, in `unit`.
    middles: (W,) times, rising.     shares: (W, k) in [0, 1].     names, colours: k.
    stills: Some frames, RGB and alike in size, at even distances over the whole time.
    """

    caption: str
    end: float
    unit: str
    middles: np.ndarray
    shares: np.ndarray
    names: Sequence[str]
    colours: Sequence[Colour]
    stills: Sequence[Image.Image]


def how_many_stills(size: tuple[int, int]) -> int:
    """Frames of (H, W) that stand beside each other above the lines."""
    return int(np.clip(round(ACROSS * size[0] / size[1] / 0.75), 4, 16))


def draw_over_time(path: str | Path | BinaryIO, shown: Sequence[Shown], title: str) -> None:
    """Writes the videos below each other; what is between the middles of two windows is drawn as a straight line.

    Raises: ValueError without videos.
    """
    if not shown:
        raise ValueError("draw_over_time wants at least one video.")
    strips = [_strip(one) for one in shown]
    heights = [height for strip in strips for height in (strip + 0.15, TALL)]
    drawing = figure(ACROSS + BESIDE + 0.8, sum(heights) + 0.45 * len(shown) + 0.5, title)
    panels = drawing.subplots(2 * len(shown), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for number, one in enumerate(shown):
        above, below = panels[2 * number], panels[2 * number + 1]
        _put_stills(above, one)
        _put_lines(below, one)
    save(drawing, path)


def _strip(one: Shown) -> float:
    """Inches that the frames are high."""
    if not one.stills:
        return 0.0
    first = one.stills[0]
    return min(0.95 * ACROSS / len(one.stills) * first.height / first.width, 2.2)


def _put_stills(axes: Axes, one: Shown) -> None:
    axes.set(xlim=(0, one.end), ylim=(0, 1), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(legible(one.caption), loc="left", fontsize=9.5, color=INK)
    tall = _strip(one)
    for place, still in enumerate(one.stills):
        picture = still.convert("RGB")
        picture.thumbnail((480, 480), Image.Resampling.LANCZOS)
        box = OffsetImage(np.asarray(picture), zoom=72 * tall / picture.height, interpolation="antialiased")
        middle = (place + 0.5) / len(one.stills) * one.end
        axes.add_artist(AnnotationBbox(box, (middle, 0.5), frameon=False, pad=0))


def _put_lines(axes: Axes, one: Shown) -> None:
    quiet(axes)
    times = np.concatenate([[0.0], one.middles, [one.end]])
    for name, colour, column in zip(one.names, one.colours, one.shares.T, strict=True):
        tint, percent = "#{:02x}{:02x}{:02x}".format(*colour), 100 * column
        label = "\n".join(textwrap.wrap(name, 30)[:3]) or name
        held = np.concatenate([percent[:1], percent, percent[-1:]])  # before the first middle and after the last
        axes.plot(times, held, color=tint, linewidth=0.9, linestyle=":")
        marker = "o" if len(one.middles) <= MARKED else None
        axes.plot(one.middles, percent, color=tint, linewidth=1.9, marker=marker, markersize=3.5, label=legible(label))
    axes.set(xlim=(0, one.end), ylim=(-3, 103))
    axes.set_xlabel(one.unit, fontsize=8.5, loc="right")
    axes.set_ylabel("probability, %", fontsize=8.5)
    axes.axhline(0, color=PALE, linewidth=0.8)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8.5, borderaxespad=0)
