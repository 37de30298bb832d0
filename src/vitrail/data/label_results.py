"""Label maps written down: for people, for programs, for ADE20K's server; and how large each class is."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from torch import Tensor

from vitrail.data.label_files import Palette
from vitrail.data.label_map import IGNORED, MOST, areas
from vitrail.errors import InputError

Way = Literal["palette", "plain", "ade20k"]


def encode(labels: Tensor, way: Way, palette: Palette | None = None) -> bytes:
    """(H, W) whole numbers, classes from 0 or IGNORED -> a PNG.

    Args:
        way: "plain": 8-bit greys, the classes as they are. "palette": the same numbers, shown in the colours of
            `palette`. "ade20k": 8-bit greys from 1, 0 for no class, as ADE20K's own label maps and its server have it.
    Raises: ValueError for other numbers, or a palette of too few colours.
    """
    values = labels.detach().cpu().numpy()
    inside = values[values != IGNORED]
    if values.ndim != 2 or (inside.size and not 0 <= inside.min() <= inside.max() < MOST):
        raise ValueError(f"a label map of shape {values.shape}; wanted (H, W), 0 to {MOST - 1} or {IGNORED}.")
    if way == "ade20k":
        values = np.where(values == IGNORED, 0, values + 1)
    image = Image.fromarray(values.astype(np.uint8))
    if way == "palette":
        if not palette or (inside.size and inside.max() >= len(palette)):
            raise ValueError(f"a palette of {len(palette or ())} colours for classes up to {inside.max(initial=0)}.")
        colours = [*palette, *[(0, 0, 0)] * (256 - len(palette))]
        image = Image.frombytes("P", image.size, image.tobytes())
        image.putpalette([channel for colour in colours for channel in colour])
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def write(path: str | Path, labels: Tensor, way: Way = "plain", palette: Palette | None = None) -> None:
    """Writes `encode`'s PNG, there whole or not at all. Raises: InputError where it cannot be written."""
    path = Path(path)
    content = encode(labels, way, palette)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from error
    finally:
        temporary.unlink(missing_ok=True)


def class_areas(labels: Tensor, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """pixels, and their share of the picture, of each class that is there, the largest first."""
    counts = areas(labels, len(names)).tolist()
    order = sorted((k for k in range(len(names)) if counts[k]), key=lambda k: -counts[k])
    return {names[k]: {"pixels": counts[k], "share": counts[k] / labels.numel()} for k in order}
