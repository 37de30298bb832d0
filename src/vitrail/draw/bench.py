"""Speeds as bars beside a named peer's, and the growth of time and memory with the picture.

Both take a document as `vitrail.insight.bench` makes it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from vitrail.draw.style import COLOURS, INK, figure, quiet, save

PEER, OTHERS = COLOURS[5], (*COLOURS[:5], *COLOURS[6:])
ACROSS = 4  # panels beside each other at most
SETTING = ("mode", "dtype", "batch", "size")

Row = Mapping[str, Any]


def draw_rates(path: str | Path, document: Mapping[str, Any]) -> None:
    """Writes one panel a setting with one bar a contender: the median, whiskers over the middle half of the rounds.

    Beside each bar stand its pictures per second and the ratio to the peer, whose bar is grey.
    """
    panels: dict[tuple, list[Row]] = {}
    for row in document["rows"]:
        panels.setdefault(tuple(map(_text, (row[key] for key in SETTING))), []).append(row)
    names = list(dict.fromkeys(map(label, document["rows"])))
    colours = _colours(names, document["peer"])
    across = _across(panels)
    down = -(-len(panels) // across)
    width = 2.9 * across + 0.085 * max(map(len, names)) + 0.4
    drawing = figure(max(width, 7.0), down * (0.36 * len(names) + 0.75) + 1.35, "Pictures per second")
    _footer(drawing, document, f"grey: {document['peer']}, whose speed is 1×; whiskers: the middle half of the rounds")
    grid = drawing.subplots(down, across, sharey=True, squeeze=False)
    for axes, (setting, rows) in zip(grid.flat, panels.items(), strict=False):
        quiet(axes, ", ".join(_varying(setting, panels)))
        _bars(axes, rows, names, colours)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    save(drawing, path)


def draw_growth(path: str | Path, document: Mapping[str, Any]) -> None:
    """Writes seconds over pixels, both logarithmic, with the fitted line and its exponent; beside it the peak memory.

    Memory is drawn where it was measured at every size.
    """
    panels: dict[tuple, list[Row]] = {}
    for line in document["growth"]:
        panels.setdefault((line["mode"], line["dtype"], line["batch"]), []).append(line)
    names = list(dict.fromkeys(map(label, document["growth"])))
    colours = _colours(names, document["peer"])
    memory = {
        name: [row for row in document["rows"] if label(row) == name and row["memory"] is not None] for name in names
    }
    across = 2 if any(memory.values()) else 1
    drawing = figure(6.6 * across, len(panels) * 4.6 + 1.1, "Growth with the picture")
    _footer(drawing, document, "dots: medians; lines: the fit seconds = a · pixels^b, b with its standard error")
    grid = drawing.subplots(len(panels), across, squeeze=False)
    for (setting, lines), axes in zip(panels.items(), grid, strict=True):
        said = ", ".join(map(_text, setting[:2])) + f", batch {setting[2]}"
        _times(axes[0], lines, colours, f"seconds a step: {said}")
        if across == 2:
            rows = {name: [row for row in memory[name] if _of(row, setting)] for name in names}
            _memories(axes[1], rows, lines, colours, f"megabytes at the peak of a step: {said}")
    save(drawing, path)


def label(row: Row) -> str:
    """A contender's name as it is typed: eager goes without saying."""
    return row["model"] if row["way"] == "eager" else f"{row['model']}@{row['way']}"


def _bars(axes: Axes, rows: Sequence[Row], names: Sequence[str], colours: Mapping[str, str]) -> None:
    most = max(row["spread"][1] for row in rows)
    for row in rows:
        place, rate = names.index(label(row)), row["images_per_second"]
        low, high = row["spread"]
        axes.barh(place, rate, 0.68, color=colours[label(row)])
        axes.errorbar(rate, place, xerr=[[rate - low], [high - rate]], color=INK, linewidth=1.1, capsize=2.5)
        ratio = "" if row["ratio"] is None else f"   {row['ratio']:.2f}×"
        words = axes.text(high + 0.03 * most, place, _rate(rate) + ratio, va="center", fontsize=8.5, color=INK)
        words.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.0})
    axes.set_xlim(0, 1.62 * most)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=False, axis="y")


def _times(axes: Axes, lines: Sequence[Row], colours: Mapping[str, str], title: str) -> None:
    _logarithmic(axes, title, [pixels for line in lines for pixels in line["pixels"]])
    for line in lines:
        colour = colours[label(line)]
        said = f"{label(line)}   b = {line['exponent']:.3f} ± {line['error']:.3f}"
        axes.plot(line["pixels"], line["seconds"], "o", color=colour, markersize=5)
        ends = [min(line["pixels"]), max(line["pixels"])]
        fitted = [line["factor"] * pixels ** line["exponent"] for pixels in ends]
        axes.plot(ends, fitted, color=colour, linewidth=1.4, label=said)
    axes.legend(frameon=False, fontsize=8.5, loc="upper left")
    _headroom(axes, len(lines))


def _memories(
    axes: Axes, rows: Mapping[str, Sequence[Row]], lines: Sequence[Row], colours: Mapping[str, str], title: str
) -> None:
    _logarithmic(axes, title, [_pixels(row) for each in rows.values() for row in each])
    slopes = {label(line): line["megabytes_per_megapixel"] for line in lines}
    for name, each in rows.items():
        if each:
            slope = slopes.get(name)
            said = name if slope is None else f"{name}   {slope:.0f} MB a megapixel"
            megabytes = [row["memory"] / 1e6 for row in each]
            axes.plot(
                [_pixels(row) for row in each],
                megabytes,
                "o-",
                color=colours[name],
                markersize=5,
                linewidth=1.4,
                label=said,
            )
    if any(rows.values()):
        axes.legend(frameon=False, fontsize=8.5, loc="upper left")
        _headroom(axes, len(rows))


def _logarithmic(axes: Axes, title: str, pixels: Sequence[int]) -> None:
    quiet(axes, title)
    axes.set_xscale("log")
    axes.set_yscale("log")
    marks = _apart(sorted(set(pixels)))
    axes.set_xticks(marks, [_side(mark) for mark in marks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("pixels", fontsize=8.5)


def _headroom(axes: Axes, lines: int) -> None:
    """Room above the data for a legend of so many lines."""
    low, high = axes.get_ylim()
    share = min(0.055 * lines + 0.03, 0.5)
    axes.set_ylim(low, high * (high / low) ** (share / (1 - share)))


def _apart(pixels: Sequence[int], factor: float = 1.25) -> list[int]:
    """Those whose names do not run into each other, the largest among them."""
    kept: list[int] = []
    for each in reversed(pixels):
        if not kept or each * factor < kept[-1]:
            kept.append(each)
    return kept[::-1]


def _footer(drawing: Figure, document: Mapping[str, Any], legend: str) -> None:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    facts = [legend, f"{document['machine']}; {versions}; {document['date']}; {document['rounds']} rounds"]
    wide = int(13.5 * drawing.get_figwidth())
    lines = [part for fact in (*facts, document["command"]) for part in textwrap.wrap(fact, wide)]
    drawing.supxlabel("\n".join(lines), x=0.012, ha="left", fontsize=8, color=INK, parse_math=False)


def _colours(names: Sequence[str], peer: str) -> dict[str, str]:
    others = [name for name in names if name != peer]
    return {peer: PEER, **{name: OTHERS[number % len(OTHERS)] for number, name in enumerate(others)}}


def _across(panels: Mapping[tuple, object]) -> int:
    """Panels in a row: as many as share a mode and a size, up to four."""
    alike = max(sum((each[0], each[3]) == (one[0], one[3]) for each in panels) for one in panels)
    return min(ACROSS, len(panels) if alike == 1 else alike)


def _varying(setting: Sequence[str], panels: Mapping[tuple, object]) -> list[str]:
    """The words of a setting; the mode and the size only where there are several."""
    mode, dtype, batch, size = setting
    several = [len({each[place] for each in panels}) > 1 for place in range(len(SETTING))]
    return [
        *([mode] if several[0] or mode == "train" else []),
        dtype,
        f"batch {batch}",
        *([size] if several[3] else []),
    ]


def _of(row: Row, setting: tuple) -> bool:
    return (row["mode"], row["dtype"], row["batch"]) == setting


def _pixels(row: Row) -> int:
    return row["size"][0] * row["size"][1]


def _side(pixels: int) -> str:
    side = round(pixels**0.5)
    return f"{side}²" if side * side == pixels else f"{pixels / 1e6:.2g} M"


def _rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.1f}" if rate >= 10 else f"{rate:.2f}"


def _text(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
