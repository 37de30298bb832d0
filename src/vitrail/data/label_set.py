"""Pictures with a class for every pixel: whatever the layout, the same samples.   K classes."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vitrail.data import classes as called
from vitrail.data import images, label_files
from vitrail.data.label_files import LabelError, Palette
from vitrail.data.label_map import IGNORED, Labels, LabelSample
from vitrail.data.label_pairs import Pairs
from vitrail.data.turning import turn_masks
from vitrail.errors import InputError, nearest

WRONG = -1  # in a table: a value that no file should have


@dataclass(frozen=True, eq=False)
class Scheme:
    """What the values in the label files of a data set mean.

    classes: Names.     table: (256,) int16, the class of each value, IGNORED or WRONG.
    palette: A colour for each class, where the data has one.
    """

    classes: tuple[str, ...]
    table: np.ndarray
    palette: Palette | None = None


class LabelSet:
    """Pictures decoded when asked for, with the class of each pixel of the upright picture.

    A label map may be of the picture as it is stored or as it is shown, where EXIF turns it by a quarter: its size
    decides. Where the size cannot tell (a half turn, a mirror image, a square), it is taken as of the picture shown.

    Attributes:
        classes: Names.     palette: A colour for each class; None where the data has none.
        orphans: Label maps without a picture.
    """

    def __init__(self, files: Pairs, scheme: Scheme) -> None:
        called.distinct(scheme.classes, files.root)
        self.root, self.pictures, self.labels, self.orphans = files
        self.classes, self.table, self.palette = scheme.classes, scheme.table, scheme.palette
        self.order = np.arange(len(self.pictures))

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> LabelSample:
        """The decoded picture with its truth. Raises: InputError naming a file that cannot be used."""
        name, content = self.name(index), self.content(index)
        image = images.decode(content, name)
        values = self.values(index)
        turned = self.turned(index, values.shape, (image.height, image.width), lambda: images.turned(content))
        found = turn_masks(torch.from_numpy(values)[None], turned)[0].contiguous()
        return LabelSample(image, Labels(found, len(self.classes)), name)

    def path(self, index: int) -> Path:
        return self.root / self.pictures[self.order[index]]

    def label_path(self, index: int) -> Path | None:
        label = self.labels[self.order[index]]
        return self.root / label if label else None

    def name(self, index: int) -> str:
        """What an error or a caption calls a picture."""
        return images.printable(self.path(index))

    def content(self, index: int) -> bytes:
        """The picture as it is stored. Raises: InputError where it cannot be read."""
        return images.read_bytes(self.path(index))

    def values(self, index: int) -> np.ndarray:
        """(H, W) uint8, classes or IGNORED, in the frame of the label file.

        Raises: LabelError naming the file, where there is none, it is no label map, or holds what is no class.
        """
        path = self.label_path(index)
        if path is None:
            raise LabelError("absent", f"{self.name(index)}: has no label map.")
        values = label_files.read(path)
        classes = self.table[values]
        if (classes == WRONG).any():
            found = np.unique(values[classes == WRONG]).tolist()
            said = ", ".join(map(str, found[:3])) + (" and more" if len(found) > 3 else "")
            plural = "s" * (len(found) > 1)
            raise LabelError("value", f"{images.printable(path)}: value{plural} {said}; {self.wanted()}.")
        return classes.astype(np.uint8)

    def wanted(self) -> str:
        """Which values the files may hold, in words."""
        good = np.flatnonzero((self.table != WRONG) & (self.table != IGNORED)).tolist()
        none = np.flatnonzero(self.table == IGNORED).tolist()
        holes = len(good) < good[-1] - good[0] + 1
        said = f"wanted {good[0]} to {good[-1]}" + (f" ({len(good)} of them)" if holes else "")
        return said + f", or {none[-1] if len(none) < 4 else f'one of {len(none)} values'} for no class" * bool(none)

    def turned(self, index: int, size: tuple[int, ...], frame: tuple[int, int], exif: Callable[[], int]) -> int:
        """The EXIF orientation that a label map of `size` (H, W) has to be turned by; 1 where it is not.

        Args:
            frame: (H, W) of the picture.     exif: Its orientation.
        Raises: LabelError where the size is another picture's.
        """
        if size == frame:
            return 1
        orientation = exif() if size == frame[::-1] else 1
        if orientation >= 5:
            return orientation
        name = images.printable(self.label_path(index) or "")
        raise LabelError(
            "size", f"{name}: {size[1]} x {size[0]} pixels, where the picture has {frame[1]} x {frame[0]}."
        )

    def chosen(self, indices: list[int]) -> LabelSet:
        """Some of the pictures, in the order given."""
        again = copy.copy(self)
        again.order = self.order[np.asarray(indices, dtype=np.int64)]
        return again

    def split(self, held_out: float = 0.2, seed: int = 0) -> tuple[LabelSet, LabelSet]:
        """Training and held-out pictures, parted by the hash of (seed, file): the same on every machine.

        Args:
            held_out: Share of the pictures that is held out, 0 to 1; at least one of two.
        """
        keys = [f"{seed}:{self.pictures[place]}".encode(errors="surrogateescape") for place in self.order]
        ranked = sorted(range(len(self)), key=lambda index: hashlib.blake2b(keys[index]).digest())
        count = max(min(max(round(held_out * len(self)), 1), len(self) - 1), 0)
        return self.chosen(sorted(ranked[count:])), self.chosen(sorted(ranked[:count]))

    def reindexed(self, names: tuple[str, ...]) -> LabelSet:
        """The same pictures with classes that index `names`, matched by name.

        Raises: InputError for a class of another name.
        """
        if self.classes == names:
            return self
        for name in self.classes:
            if name not in names:
                raise InputError(f"{self.root}: {name!r} is none of the {len(names)} classes." + nearest(name, names))
        places = np.asarray([names.index(name) for name in self.classes], dtype=np.int16)
        again = copy.copy(self)
        inside = (self.table != WRONG) & (self.table != IGNORED)
        again.table = np.where(inside, places[np.where(inside, self.table, 0)], self.table)
        again.classes = names
        again.palette = None
        return again


def table(count: int, reduce: bool = False) -> np.ndarray:
    """(256,) int16 for files whose values are the K = `count` classes, 255 standing for no class.

    Args:
        reduce: Whether values count from 1, and 0 stands for no class, too.
    """
    known = np.full(256, WRONG, dtype=np.int16)
    known[int(reduce) : count + int(reduce)] = np.arange(count)
    known[IGNORED] = IGNORED
    if reduce:
        known[0] = IGNORED
    return known
