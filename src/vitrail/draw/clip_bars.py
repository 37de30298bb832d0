"""What a model says at one moment, written onto a frame of a video: names and bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitrail.draw.boxes import _font
from vitrail.draw.palette import Colour

PAPER, TRACK, LETTERS = (16, 18, 22, 175), (255, 255, 255, 70), (255, 255, 255, 255)
LEAST = 480  # pixels of the longer side, so that names can be read
MOST = 1280

Line = tuple[str, float, Colour]  # name, share in [0, 1], colour of the bar


def fit(size: tuple[int, int]) -> tuple[int, int]:
    """(H, W) of a video -> those of the annotated one: even, the longer side from `LEAST` to `MOST` pixels."""
    longest = max(size)
    zoom = LEAST / longest if longest < LEAST else min(MOST / longest, 1.0)
    height, width = (max(int(side * zoom + 1e-6) // 2 * 2, 2) for side in size)
    return height, width


def with_bars(frame: np.ndarray, lines: Sequence[Line], place: str = "") -> np.ndarray:
    """The frame with a panel at its lower left: a line each, its bar as long as its share is large; as it was
    where there is no room.

    Args:
        frame: (H, W, 3) uint8 RGB.     lines: From the top; as many as there is room for.
        place: A few words above them, such as the time.
    Returns: The same shape, a copy.
    """
    height, width = frame.shape[:2]
    size = max(min(round(min(height, width) / 24), 30), 9)
    step, edge, font = round(1.5 * size), round(0.6 * size), _font(size)
    room = (height - 3 * edge) // step
    shown = list(lines)[: max(room - bool(place), 0)]
    rows = len(shown) + bool(place)
    if not rows or room < rows or width < 12 * size:
        return frame.copy()
    image = Image.fromarray(frame)
    wide = min(width - 2 * edge, max(width // 2, 26 * size))  # one width, whatever is said
    pen = ImageDraw.Draw(image, "RGBA")
    left, top = edge, height - 2 * edge - step * rows
    pen.rounded_rectangle((left, top, left + wide, height - edge), radius=edge, fill=PAPER)
    left, top = left + edge, top + edge // 2
    if place:
        pen.text((left, top + step / 2), place, fill=LETTERS, font=font, anchor="lm")
        top += step
    bar, number = 4 * size, font.getlength("100 %")  # pixels
    free = wide - 4 * edge - bar - number
    for row, (name, share, colour) in enumerate(shown):
        middle = top + step * row + step / 2
        upper, lower = middle - 0.32 * size, middle + 0.32 * size
        pen.rectangle((left, upper, left + bar, lower), fill=TRACK)
        if share > 0:
            pen.rectangle((left, upper, left + bar * min(share, 1.0), lower), fill=(*colour, 255))
        words = left + bar + edge + number
        pen.text((words, middle), f"{100 * share:.0f} %", fill=LETTERS, font=font, anchor="rm")
        pen.text((words + edge, middle), _shortened(name, font, free), fill=LETTERS, font=font, anchor="lm")
    return np.asarray(image)


def _shortened(name: str, font: ImageFont.FreeTypeFont, free: float) -> str:
    """The name, cut with an ellipsis where it is longer than so many pixels."""
    name = " ".join(name.encode(errors="replace").decode().split())
    if font.getlength(name) <= free:
        return name
    while name and font.getlength(f"{name}…") > free:
        name = name[:-1]
    return f"{name}…"
