"""Safe decoding: any picture file a user may have, to upright 8-bit RGB; or one clear line saying why not."""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from vitrail.errors import InputError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
MOST_PIXELS = 89_478_485  # Pillow's own limit: a quarter of a gigabyte of RGB


def read(path: str | Path) -> Image.Image:
    """The picture in a file, as `decode` gives it.

    Raises: InputError naming the file, where it cannot be read or decoded.
    """
    return decode(read_bytes(path), printable(path))


def read_bytes(path: str | Path) -> bytes:
    """A file as it is. Raises: InputError naming it, where it cannot be read, or is a pipe or a device."""
    try:
        with open(path, "rb", opener=_open) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read()
    except OSError as error:
        raise InputError(f"{printable(path)}: cannot be read ({error.strerror}).") from error
    raise InputError(f"{printable(path)}: cannot be read (it is no regular file).")


def _open(path: str, flags: int) -> int:
    """Opens a file, and does not wait for somebody to write into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def printable(name: str | Path) -> str:
    r"""The name of a file as text that can be written anywhere; a byte that is no UTF-8 becomes `\udcff` or alike."""
    return str(name).encode(errors="backslashreplace").decode()


def decode(content: bytes, name: str, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """An encoded picture as upright 8-bit RGB.

    The first frame of an animation; turned as its EXIF orientation says; 16-bit greys scaled to 8; CMYK and Lab
    converted; transparent pixels laid over white. An embedded colour profile is not applied.

    Args:
        content: The bytes of the file, in one of `FORMATS`.
        name: What an error calls the picture.
        most_pixels: Width times height above which nothing is decoded.
    Raises: InputError naming the picture, where it is damaged, of another format or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what it could mend, such as a damaged EXIF block
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size
                if width * height > most_pixels:
                    raise InputError(f"{name}: {width} x {height} pixels are more than the limit of {most_pixels}.")
                image.load()
                return _rgb(_upright(image))
    except InputError:
        raise
    except Exception as error:  # a damaged file can raise almost anything inside a decoder
        raise InputError(f"{name}: not a readable picture ({_reason(error)}).") from error


def turned(content: bytes) -> int:
    """The EXIF orientation that `decode` undoes, 1 to 8; 1 where there is none, or it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                found = image.getexif().get(ExifTags.Base.Orientation, 1)
                return found if found in range(1, 9) else 1
    except Exception:  # `decode` says what is wrong with it
        return 1


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not one of {', '.join(FORMATS)}, or damaged at its start"
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    try:
        if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image  # exif_transpose would copy it
        return ImageOps.exif_transpose(image)
    except Exception:  # an unreadable orientation is no orientation
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I"):  # 16-bit greys; Pillow opens some of them as 32-bit integers
        grey = np.asarray(image).astype(np.int64).clip(0, 65535) // 257
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range; save it with 8 or 16 bits")
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))  # type: ignore[return-value]
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
