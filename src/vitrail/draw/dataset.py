"""What a data set is like at a glance: pictures per class, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vitrail.draw.style import COLOURS, figure, legible, quiet, save

NAMED = 60  # most classes whose names stand beside their bars
LONGEST = 28  # letters of a class's name


def draw_dataset(
    path: str | Path,
    classes: Sequence[str],
    counts: Mapping[str, Sequence[int]],
    sizes: Mapping[str, Sequence[tuple[int, int]]],
    title: str,
    what: str = "pictures",
) -> None:
    """Writes the classes as bars, the largest on top, and a dot for each size.

    Args:
        counts: For each part of the data set, K pictures of the K classes, or as many of whatever `what` names.
        sizes: For each part (width, height) of its pictures, in pixels.
    """
    named = len(classes) <= NAMED
    drawing = figure(11.0, min(max(1.6 + 0.2 * len(classes), 4.2), 12.0) if named else 5.0, title)
    bars, dots = drawing.subplots(1, 2)
    _bars(bars, classes, counts, named, what)
    quiet(dots, "width and height of each picture, pixels")
    for number, (part, pairs) in enumerate(sizes.items()):
        widths, heights = zip(*pairs, strict=True) if pairs else ((), ())
        dots.scatter(widths, heights, s=14, alpha=0.4, linewidths=0, color=COLOURS[number], label=part)
    dots.set_xlabel("width", fontsize=8.5)
    dots.set_ylabel("height", fontsize=8.5)
    dots.set_xlim(left=0)
    dots.set_ylim(bottom=0)
    handles, labels = bars.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    save(drawing, path)


def _bars(axes: Axes, classes: Sequence[str], counts: Mapping[str, Sequence[int]], named: bool, what: str) -> None:
    quiet(axes, f"{what} of each class")
    totals = [sum(each) for each in zip(*counts.values(), strict=True)]
    order = sorted(range(len(classes)), key=lambda k: (totals[k], classes[k]))  # the last is on top
    left = [0] * len(classes)
    for number, (part, each) in enumerate(counts.items()):
        widths = [each[k] for k in order]
        axes.barh(
            range(len(order)), widths, left=left, height=0.75 if named else 1.0, color=COLOURS[number], label=part
        )
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.margins(y=0.01)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", visible=False)
    if named:
        names = [classes[k] if len(classes[k]) <= LONGEST else classes[k][: LONGEST - 1] + "…" for k in order]
        axes.set_yticks(range(len(order)), [legible(name) for name in names])
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(classes)} classes", fontsize=8.5)
