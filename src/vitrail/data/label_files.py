"""Label maps in files: pictures whose pixels are numbers of classes, grey or with a palette."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from vitrail.data import images
from vitrail.errors import InputError

SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")
FORMATS = ("PNG", "BMP", "TIFF", "GIF")  # none of which changes a number as it compresses
GREY = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
SPREAD = {"L;2": 85, "L;4": 17}  # what Pillow multiplies greys of two and four bits by, to fill eight

Fault = Literal["absent", "unreadable", "colour", "value", "size"]
Palette = tuple[tuple[int, int, int], ...]


class LabelError(InputError):
    """A label map that cannot be used. kind: Why."""

    def __init__(self, kind: Fault, line: str) -> None:
        super().__init__(line)
        self.kind = kind

    def __reduce__(self):
        return type(self), (self.kind, str(self))


def read(path: str | Path) -> np.ndarray:
    """The numbers in a file, (H, W) uint8: greys as they are, of a palette the places in it.

    Raises: LabelError naming a file that is absent, cannot be decoded, is in colour, or has a number above 255.
    """
    name = images.printable(path)
    if not Path(path).is_file():
        raise LabelError("absent", f"{name}: no such file.")
    content = images.read_bytes(path)
    try:
        with _opened(content) as image:
            if image.width * image.height > images.MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are more than {images.MOST_PIXELS}")
            spread = SPREAD.get(_packing(image), 1)
            image.load()
            mode, values = image.mode, np.asarray(image)
    except Exception as error:  # a damaged file can raise almost anything inside a decoder
        reason = "a label map is PNG, BMP, TIFF or GIF" if _lossy(content) else str(error).split("\n")[0].rstrip(".")
        raise LabelError("unreadable", f"{name}: not a readable label map ({reason}).") from error
    if mode not in GREY:
        raise LabelError(
            "colour", f"{name}: pixels in {mode}, wanted one number each, the class: an 8-bit grey or palette picture."
        )
    if values.max(initial=0) > 255:
        raise LabelError("value", f"{name}: value {values.max()}, more than 8 bits hold.")
    return values.astype(np.uint8) // spread


def palette(path: str | Path) -> Palette | None:
    """The colours of a file's palette by value; None where it has none, or only greys."""
    try:
        with _opened(images.read_bytes(path)) as image:
            flat = image.getpalette() if image.mode == "P" else None
    except Exception:  # `read` says what is wrong with it
        return None
    colours = tuple(zip(*[iter(flat or ())] * 3, strict=False))
    return colours if any(len(set(colour)) > 1 for colour in colours) else None


def _opened(content: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a size that is too large is refused by `read`
        return Image.open(io.BytesIO(content), formats=FORMATS)


def _packing(image: Image.Image) -> str:
    """How a file that was not yet decoded packs its pixels."""
    tile = getattr(image, "tile", None)
    packing = tile[0][3] if tile else ""
    return packing[0] if isinstance(packing, tuple) and packing else str(packing)


def _lossy(content: bytes) -> bool:
    return content.startswith(b"\xff\xd8") or content[8:12] == b"WEBP"
