"""Pictures with boxes, names, scores and translucent masks; several of them beside each other; curves of precision.

n boxes in a picture of H x W pixels, K classes.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from vitrail.draw.style import COLOURS, INK, figure, legible, quiet, save

SMOOTH = 3  # times finer than the picture that lines are drawn, so that they have no steps
LARGE = 1600  # pixels of a side from which on lines are wide enough to do without
SIDE = 900  # pixels; a picture smaller than this is enlarged before names are written on it
HIDDEN = 0.03  # of a name, from which on another lies on it
SHADE = 0.42  # of a mask's colour over the picture
CLEAR = ("#e6484d", "#2f80ed", "#27ae60", "#f2a516", "#9b51e0", "#11b5c9", "#eb5fa3", "#8bc220", "#f2672a", "#5468d4")


@dataclass(frozen=True, eq=False)
class Things:
    """What is drawn into one picture.

    boxes: (n, 4) xyxy in its pixels.     classes: n indices into the names.     scores: n in [0, 1]; None for a truth.
    masks: n (H, W) bool, one after the other, so that they need not all be unpacked at once; None without masks.
    faint: n; whether a thing is drawn thin and dashed, as a crowd.
    """

    boxes: np.ndarray
    classes: Sequence[int]
    scores: Sequence[float] | None = None
    masks: Iterable[np.ndarray] | None = None
    faint: Sequence[bool] | None = None


@dataclass(frozen=True, eq=False)
class Row:
    """One picture and what several say of it, beside each other.

    columns: A title and what is drawn under it; None for the picture alone.     caption: A line below.
    worth: How good it is; the least comes first.
    """

    image: Image.Image
    columns: tuple[tuple[str, Things | None], ...]
    caption: str
    worth: float


def colour(target: int) -> tuple[int, int, int]:
    """RGB of a class: ten well apart, then new ones by golden steps round the wheel."""
    if target < len(CLEAR):
        red, green, blue = (int(CLEAR[target][place : place + 2], 16) for place in (1, 3, 5))
        return red, green, blue
    hue = (target * 0.61803398875) % 1.0
    light = (0.44, 0.56, 0.36)[target % 3]
    red, green, blue = (round(255 * value) for value in colorsys.hls_to_rgb(hue, light, 0.72))
    return red, green, blue


def with_things(
    image: Image.Image, things: Things, names: Sequence[str], side: int = SIDE, letters: float = 1.0
) -> Image.Image:
    """The picture, RGB, with all that is said of it; small pictures come back enlarged, so that names can be read.

    Lines are as wide as the picture is large; a name stays inside the picture, above its box where there is room.
    Large things are drawn first, so that small ones stay visible; names come last, the surest first, and one that
    would lie on another is left out: the colour still tells the class.

    Args:
        names: Of the K classes.     side: Pixels that the longer side gets at least.
        letters: Times larger than usual that lines and names are, for a picture that will be shown small.
    """
    shares = np.asarray(things.boxes, dtype=np.float64).reshape(-1, 4)
    whole = (image.width, image.height)
    zoom = max(side / max(whole), 1.0)
    size = (round(image.width * zoom), round(image.height * zoom))
    canvas = image.convert("RGB").resize(size, Image.Resampling.BICUBIC) if zoom > 1 else image.convert("RGB")
    if not len(shares):
        return canvas
    stretch = np.asarray([size[0] / whole[0], size[1] / whole[1]] * 2)
    boxes = shares * stretch
    width = max(min(size) / 300, 1.6) * letters
    if things.masks is not None:
        canvas = _shaded(canvas, things.masks, things.classes, width)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    faint = things.faint or [False] * len(boxes)
    crowded = len(boxes) > 60
    smooth = SMOOTH if max(size) < LARGE else 1
    layer = Image.new("L", (size[0] * smooth, size[1] * smooth), 0)
    for target in sorted(set(things.classes)):
        layer.paste(0, (0, 0, *layer.size))
        pen = ImageDraw.Draw(layer)
        for place in np.argsort(-areas, kind="stable"):
            if things.classes[place] == target:
                thin = width * (0.55 if crowded or things.masks is not None else 1.0)
                _outline(pen, boxes[place] * smooth, round(thin * smooth), layer.size, faint[place])
        canvas.paste(colour(target), (0, 0), layer.resize(size, Image.Resampling.BOX))
    if not crowded:
        _write_names(canvas, boxes, things, names, width, letters)
    return canvas


def draw_rows(path: str | Path, rows: Sequence[Row], names: Sequence[str], title: str, most: int = 8) -> None:
    """Writes a row for each picture, the worst on top: what is in `columns`, from left to right.

    Args:
        most: Rows at most; the better ones are left out.
    Raises: ValueError without rows, or where they have unlike columns.
    """
    if not rows or len({tuple(name for name, _ in row.columns) for row in rows}) != 1:
        raise ValueError("draw_rows wants rows, with the same columns in each.")
    shown = sorted(rows, key=lambda row: row.worth)[:most]
    count = len(shown[0].columns)
    wide = 3.4
    heights = [wide * min(row.image.height / row.image.width, 1.6) for row in shown]
    drawing = figure(wide * count + 0.3, sum(heights) + 0.34 * len(shown) + 0.75, title)
    panels = drawing.subplots(len(shown), count, squeeze=False, gridspec_kw={"height_ratios": heights})
    for number, (line, row) in enumerate(zip(panels, shown, strict=True)):
        for axes, (name, things) in zip(line, row.columns, strict=True):
            picture = row.image if things is None else with_things(row.image, things, names, letters=1.7)
            axes.imshow(np.asarray(_shrunk(picture.convert("RGB"))), interpolation="antialiased")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if number == 0:
                axes.set_title(legible(name), fontsize=10, color=INK, loc="left")
        line[0].set_xlabel(legible(row.caption), fontsize=8.5, color=INK, loc="left", labelpad=4)
    save(drawing, path)


def draw_precision(
    path: str | Path,
    curves: Mapping[str, Sequence[float]],
    areas: Mapping[str, float],
    title: str,
    most: int = 12,
) -> None:
    """Writes precision over recall, a line for each class, the best first, and their mean.

    Args:
        curves: Of each class its precision at R evenly spaced recalls from 0 to 1; -1 where there is nothing to find.
        areas: The average precision of each, beside its name.
        most: Classes with a line and a name of their own; with more, the best and the worst half of them.
    """
    there = [name for name in curves if np.asarray(curves[name]).min(initial=0) > -1]
    ranked = sorted(there, key=lambda name: -areas[name])
    named = ranked if len(ranked) <= most else [*ranked[: most // 2], *ranked[-(most // 2) :]]
    drawing = figure(7.6, 4.6, title)
    axes = drawing.subplots()
    quiet(axes)
    for name in ranked:
        if name not in named:
            axes.plot(_recalls(curves[name]), curves[name], color="#d9dce2", linewidth=0.8, zorder=1)
    for number, name in enumerate(named):
        axes.plot(
            _recalls(curves[name]),
            curves[name],
            label=legible(f"{name}   {areas[name]:.3f}"),
            linewidth=1.6,
            color=COLOURS[number % len(COLOURS)],
            linestyle=("-", "--")[number // len(COLOURS) % 2],
        )
    if len(there) > 1:
        mean = np.mean([curves[name] for name in there], axis=0)
        label = f"mean of {len(there)}   {np.mean([areas[name] for name in there]):.3f}"
        axes.plot(_recalls(mean), mean, color=INK, linewidth=2.6, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xlabel("recall", fontsize=8.5)
    axes.set_ylabel("precision", fontsize=8.5)
    if there:
        drawing.legend(loc="outside right upper", frameon=False, fontsize=9)
    save(drawing, path)


def _recalls(curve: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.linspace(0, 1, len(curve))


def _shaded(canvas: Image.Image, masks: Iterable[np.ndarray], classes: Sequence[int], width: float) -> Image.Image:
    """The picture under the colours of its masks, each with a rim, so that two of a class can be told apart."""
    pixels = np.asarray(canvas, dtype=np.float32)
    covered = np.zeros(pixels.shape[:2], dtype=np.float32)
    pixels = pixels.copy()
    for mask, target in zip(masks, classes, strict=True):
        soft = Image.fromarray(np.asarray(mask, dtype=np.uint8) * 255).resize(canvas.size, Image.Resampling.BICUBIC)
        inside = soft.getbbox()
        if inside is None:
            continue
        reach = round(2 * width) + 1
        window = (
            max(inside[0] - reach, 0),
            max(inside[1] - reach, 0),
            min(inside[2] + reach, canvas.width),
            min(inside[3] + reach, canvas.height),
        )
        part = soft.crop(window).filter(ImageFilter.GaussianBlur(max(width / 3, 0.6)))
        share = np.asarray(part, dtype=np.float32) / 255
        rim = np.clip(1.6 - np.abs(share - 0.5) * 3.2, 0, 1) * 0.9 * (share > 0.02)
        left, top, right, bottom = window
        above = covered[top:bottom, left:right]
        alpha = np.maximum(SHADE * share * (1 - 0.5 * above), rim)[..., None]
        tint = np.asarray(colour(target), dtype=np.float32)
        pixels[top:bottom, left:right] += alpha * (tint - pixels[top:bottom, left:right])
        covered[top:bottom, left:right] = np.maximum(above, share)
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def _outline(pen: ImageDraw.ImageDraw, box: np.ndarray, width: int, size: tuple[int, int], dashed: bool) -> None:
    """A box whose line lies inside the picture."""
    left, top = max(round(box[0]), 0), max(round(box[1]), 0)
    right, bottom = min(round(box[2]), size[0]) - 1, min(round(box[3]), size[1]) - 1
    right, bottom = max(right, left), max(bottom, top)
    width = max(min(width, (right - left) // 2 + 1, (bottom - top) // 2 + 1), 1)
    if not dashed:
        pen.rounded_rectangle((left, top, right, bottom), radius=width, outline=255, width=width)
        return
    step = 6 * width
    for start in range(left, right, step):
        end = min(start + step // 2, right)
        pen.rectangle((start, top, end, top + width // 2), fill=255)
        pen.rectangle((start, bottom - width // 2, end, bottom), fill=255)
    for start in range(top, bottom, step):
        end = min(start + step // 2, bottom)
        pen.rectangle((left, start, left + width // 2, end), fill=255)
        pen.rectangle((right - width // 2, start, right, end), fill=255)


def _write_names(
    canvas: Image.Image, boxes: np.ndarray, things: Things, names: Sequence[str], width: float, letters: float
) -> None:
    font = _font(round(max(min(canvas.size) / 42, 11) * letters))
    pen = ImageDraw.Draw(canvas, "RGBA")
    order = np.arange(len(boxes)) if things.scores is None else np.argsort(-np.asarray(things.scores), kind="stable")
    written: list[tuple[float, float, float, float]] = []
    for place in order:
        target = things.classes[place]
        text = names[target] + ("" if things.scores is None else f" {things.scores[place]:.2f}")
        left, top, right, bottom = name_place(boxes[place], text, font, canvas.size)
        if any(_covered((left, top, right, bottom), other) > HIDDEN for other in written):
            continue
        written.append((left, top, right, bottom))
        red, green, blue = colour(target)
        pen.rounded_rectangle((left, top, right, bottom), radius=2.5 * width / 2, fill=(red, green, blue, 225))
        bright = 0.299 * red + 0.587 * green + 0.114 * blue > 165
        pen.text(
            ((left + right) / 2, (top + bottom) / 2),
            text,
            fill="#1d1f24" if bright else "white",
            font=font,
            anchor="mm",
        )


def _covered(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """The share of `one`, xyxy, that `other` covers."""
    wide, high = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0) * max(high, 0) / max((one[2] - one[0]) * (one[3] - one[1]), 1e-9)


def name_place(
    box: np.ndarray, text: str, font: ImageFont.FreeTypeFont, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """xyxy of a name's own box: on top of its box, else inside it; never outside the picture (width, height)."""
    ascent, descent = font.getmetrics()
    high, wide = ascent + descent + 2, font.getlength(text) + 0.7 * ascent
    left = min(max(float(box[0]), 0), max(size[0] - 1 - wide, 0))
    top = float(box[1]) - high
    if top < 0:
        top = min(max(float(box[1]), 0), max(size[1] - 1 - high, 0))
    return left, top, min(left + wide, size[0] - 1), min(top + high, size[1] - 1)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The letters that matplotlib brings along, so that every machine draws the same."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def _shrunk(image: Image.Image, most: int = 900) -> Image.Image:
    if max(image.size) > most:
        image = image.copy()
        image.thumbnail((most, most), Image.Resampling.LANCZOS)
    return image
