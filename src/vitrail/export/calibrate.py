"""Pictures of a folder as a model wants them, for int8: to find the ranges of its numbers, and to compare on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vitrail.data import folders, images, transforms
from vitrail.data.settings import Preprocessing
from vitrail.errors import InputError

PICTURES = 128


@dataclass(frozen=True)
class Pictures:
    """Picture files, the (H, W) they are calibrated at, and what is done to them."""

    files: tuple[Path, ...]
    size: tuple[int, int]
    preprocessing: Preprocessing

    def __iter__(self) -> Iterator[Tensor]:
        """Each by itself, (1, 3, H, W)."""
        for file in self.files:
            yield self.batch(1, self.size, [file])

    def batch(self, count: int, size: tuple[int, int], files: list[Path] | None = None) -> Tensor:
        """(count, 3, H, W) of the first files, of another size where that is asked for."""
        transform = transforms.for_use(size, self.preprocessing)
        chosen = files or [self.files[number % len(self.files)] for number in range(count)]
        return torch.stack([transform(images.read(file)) for file in chosen])


def pictures(
    folder: str | Path, size: tuple[int, int], preprocessing: Preprocessing, count: int = PICTURES
) -> Pictures:
    """At most `count` pictures of a folder and those inside it, drawn in an order that is the same each time.

    Raises: InputError where there are none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"--calibrate {folder}: no such folder; one of pictures such as the model will see is wanted.")
    files = folders.picture_files(folder)
    if not files:
        raise InputError(f"--calibrate {folder}: no pictures in it.")
    return Pictures(tuple(random.Random(0).sample(files, min(count, len(files)))), size, preprocessing)
