"""How far blocks reach: maps coloured by the block after which a position is read, and the share of all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.ticker import MaxNLocator

from vitrail.draw.style import COLOURS, INK, PALE, figure, legible, quiet, save

FEW = 12  # numbers of blocks up to which each has a colour of its own
NEVER, BARRED = 0, -1  # positions that no number of blocks reaches; those that may not be read
SIDE, CURVE = 1.75, 2.6  # inches of a map, of the lines beside


@dataclass(frozen=True, eq=False)
class Map:
    """What one position reads.

    title: Above it.     first: (h, w) whole numbers, the block after which a position is read; NEVER, BARRED.
    at: (row, column) of the reader; None where each row of `first` is one.
    """

    title: str
    first: np.ndarray
    at: tuple[int, int] | None


@dataclass(frozen=True, eq=False)
class Shown:
    """One stage.

    title: Lines at its left.     depth: Its blocks.     maps: As many in every stage.
    shares: For each structure, by its name, the share linked after 1, 2, ... blocks.
    """

    title: str
    depth: int
    maps: Sequence[Map]
    shares: Mapping[str, Sequence[float]]


def draw_reach(path: str | Path | BinaryIO, stages: Sequence[Shown], title: str = "") -> None:
    """Writes a row for each stage: its maps, whose colours are the same in all, then the share of pairs by blocks.

    Raises: ValueError without stages.
    """
    if not stages:
        raise ValueError("draw_reach wants at least one stage.")
    across = len(stages[0].maps)
    most = max(1, *(int(each.first.max()) for stage in stages for each in stage.maps))
    colours, norm = _scale(most)
    tall = [_height(stage) for stage in stages]
    drawing = figure(SIDE * across + CURVE + 1.6, sum(tall) + 0.35 * len(stages) + 0.7, title)
    widths = [SIDE] * across + [CURVE]
    grid = drawing.subplots(
        len(stages), across + 1, squeeze=False, gridspec_kw={"width_ratios": widths, "height_ratios": tall}
    )
    for number, (stage, axes) in enumerate(zip(stages, grid, strict=True)):
        for place, (each, panel) in enumerate(zip(stage.maps, axes, strict=False)):
            _map(panel, each, colours, norm)
            panel.set_title(legible(each.title) if number == 0 else "", fontsize=9, color=INK)
            if place == 0:
                panel.set_ylabel(legible(stage.title), rotation=0, ha="right", va="center", fontsize=9, color=INK)
        _lines(axes[-1], stage)
        axes[-1].set_title("share of all pairs, %" if number == 0 else "", loc="left", fontsize=9, color=INK)
        if number == 0 and len(stage.shares) > 1:
            axes[-1].legend(loc="lower right", facecolor="white", edgecolor="none", fontsize=8)
        if number == len(stages) - 1:
            axes[-1].set_xlabel("blocks; dashed: as many as the stage has", fontsize=8, color=INK)
    bar = drawing.colorbar(
        ScalarMappable(norm, colours),
        ax=list(grid[:, :-1].flat),
        location="bottom",
        aspect=9 * across,
        shrink=0.5 if across > 2 else 1.0,
        pad=0.02,
    )
    grey = any((each.first == NEVER).any() for stage in stages for each in stage.maps)
    bar.set_label("read after so many blocks" + ("; grey: never" if grey else ""), fontsize=8.5, color=INK)
    bar.set_ticks(list(range(1, most + 1)) if most <= FEW else np.unique(np.linspace(1, most, 6).round()).tolist())
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=8, length=0, colors=INK)
    bar.outline.set_visible(False)
    save(drawing, path)


def _scale(most: int) -> tuple[Colormap, Normalize]:
    """Dark for the first block, light for the last; steps where they can be told apart."""
    whole = matplotlib.colormaps["viridis"]
    if most > FEW:
        colours: Colormap = whole
        norm: Normalize = Normalize(1, most)
    else:
        colours = ListedColormap(whole(np.linspace(0.02, 0.98, max(most, 2)))[:most])
        norm = BoundaryNorm(np.arange(0.5, most + 1), most) if most > 1 else Normalize(0.5, 1.5)
    return colours.with_extremes(bad="white", under=PALE), norm


def _height(stage: Shown) -> float:
    """Inches of the highest map of a stage."""
    return float(np.clip(SIDE * max(each.first.shape[0] / each.first.shape[1] for each in stage.maps), 0.9, 4.0))


def _map(axes: Axes, each: Map, colours: Colormap, norm: Normalize) -> None:
    numbers = np.ma.masked_equal(each.first.astype(float), BARRED)
    axes.imshow(np.ma.where(numbers == NEVER, -1.0, numbers), cmap=colours, norm=norm, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(PALE)
    if each.at:
        row, column = each.at
        size = 3.2 if max(each.first.shape) > 12 else 5.0
        axes.plot(column, row, "s", markersize=size, color=COLOURS[4], markeredgecolor="white", markeredgewidth=0.7)


def _lines(axes: Axes, stage: Shown) -> None:
    quiet(axes)
    for (name, shares), colour in zip(stage.shares.items(), COLOURS, strict=False):
        blocks = range(1, len(shares) + 1)
        marker = "o" if len(shares) <= FEW else None
        axes.plot(blocks, [100 * share for share in shares], color=colour, marker=marker, markersize=3.5, label=name)
    most = max(stage.depth, *map(len, stage.shares.values()))
    axes.axvline(stage.depth, color=INK, linewidth=0.9, linestyle="--")
    axes.set(xlim=(0.7, most + 0.3), ylim=(-4, 104))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=8)
