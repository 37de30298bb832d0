"""One look for every picture: a figure without global state, a few quiet colours, and saving."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import BinaryIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

INK, PALE, RIGHT, WRONG = "#2b2d33", "#d9dce2", "#2a8f5d", "#c8402f"
COLOURS = ("#2563a8", "#d9822b", "#2a8f5d", "#8b4fb0", "#c8402f", "#6b7280", "#0f8b99", "#b3922b")


def legible(text: str) -> str:
    """The text as it is drawn letter by letter: no dollar begins a formula, no byte of a file's name is left over."""
    return text.encode(errors="replace").decode().replace("$", r"\$")


def fitted(drawing: Figure, text: str, width: float, size: float, least: float = 5.5) -> tuple[str, float]:
    """Legible text and its size in points, no wider than `width` inches: made smaller, then lines are cut short."""
    text, measure = legible(text), partial(_width, drawing)
    for _ in range(int((size - least) / 0.25)):
        if max(measure(line, size) for line in text.split("\n")) <= width:
            break
        size -= 0.25
    lines = []
    for line in text.split("\n"):
        kept = line
        while len(kept) > 4 and measure(kept, size) > width:
            kept = kept[: len(kept) // 2 - 1] + "…" + kept[len(kept) // 2 + 1 :]  # both ends tell more than the middle
        lines.append(kept)
    return "\n".join(lines), size


def _width(drawing: Figure, line: str, size: float) -> float:
    """Inches of a line of text."""
    renderer = drawing.canvas.get_renderer()  # type: ignore[attr-defined]
    return renderer.get_text_width_height_descent(line, FontProperties(size=size), False)[0] / drawing.dpi


def figure(width: float, height: float, title: str = "") -> Figure:
    """An empty figure, sizes in inches, with its title at the top left."""
    drawing = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(drawing)
    if title:
        drawing.suptitle(legible(title), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    return drawing


def quiet(axes: Axes, title: str = "") -> None:
    """Axes without a frame, with faint lines behind the data and a small title at their left."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, labelsize=8.5, length=0)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(legible(title), loc="left", fontsize=10, color=INK)


def save(drawing: Figure, path: str | Path | BinaryIO) -> None:
    drawing.savefig(path, dpi=150, format="png")
