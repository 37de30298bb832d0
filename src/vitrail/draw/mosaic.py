"""Rows of pictures as they are, every pixel shown, with a word before each row."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from vitrail.draw.style import INK

GAP, LEAST, LETTERS = 2, 40, 24  # pixels between pictures, of a small picture's shorter side, and letters of a word


def mosaic(rows: Sequence[tuple[str, Sequence[Image.Image]]]) -> Image.Image:
    """The rows one below the other; small pictures are enlarged by a whole factor, the same for all, pixel by pixel.

    Raises: ValueError without a picture.
    """
    pictures = [picture for _, row in rows for picture in row]
    if not pictures:
        raise ValueError("mosaic wants at least one picture.")
    factor = max(-(-LEAST // min(min(picture.size) for picture in pictures)), 1)
    font = ImageFont.load_default(13)
    words = [word if len(word) <= LETTERS else word[: LETTERS - 1] + "…" for word, _ in rows]
    left = max((int(font.getlength(word)) for word in words), default=0)
    left += 3 * GAP if left else GAP
    widths = [sum(factor * picture.width + GAP for picture in row) for _, row in rows]
    heights = [max((factor * picture.height for picture in row), default=LEAST) + GAP for _, row in rows]
    sheet = Image.new("RGB", (left + max(widths), sum(heights) + GAP), "white")
    pen, top = ImageDraw.Draw(sheet), GAP
    for word, (_, row), height in zip(words, rows, heights, strict=True):
        pen.text((GAP, top + (height - GAP) // 2), word, INK, font, anchor="lm")
        at = left
        for picture in row:
            large = picture.resize((factor * picture.width, factor * picture.height), Image.Resampling.NEAREST)
            sheet.paste(large, (at, top))
            at += large.width + GAP
        top += height
    return sheet
