"""The layouts that label maps come in, told apart by looking."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from vitrail.data import label_ade20k, label_cityscapes, label_coco_stuff, label_files, label_folders, parts
from vitrail.data.label_map import IGNORED, MOST
from vitrail.data.label_pairs import Pairs
from vitrail.data.label_set import LabelSet, Scheme
from vitrail.data.tracking import Track, silent
from vitrail.errors import InputError, nearest

THREADS = 8


class LabelLayout(Protocol):
    """What the file of a layout has."""

    def looks(self, root: Path) -> bool: ...

    def read_parts(self, root: Path) -> dict[str, Pairs]: ...

    def scheme(self, root: Path, files: Mapping[str, Pairs], reduce: bool) -> Scheme | None: ...


LAYOUTS: dict[str, LabelLayout] = {  # the first that fits is meant: a known data set is one of folders, too
    "cityscapes": label_cityscapes,
    "ade20k": label_ade20k,
    "coco_stuff": label_coco_stuff,
    "folders": label_folders,
}
SHAPES = {
    "cityscapes": "leftImg8bit/train with gtFine/train",
    "ade20k": "images/training with annotations/training",
    "coco_stuff": "images/train2017 with stuffthingmaps/train2017",
    "folders": "images/train with labels/train, or train with trainannot",
}


def find(root: str | Path) -> str | None:
    """The name of the layout of label maps under `root`; None where there is none."""
    root = parts.existing(root)
    return next((name for name, layout in LAYOUTS.items() if root.is_dir() and layout.looks(root)), None)


def read_parts(
    root: str | Path,
    layout: str = "auto",
    reduce: bool = False,
    classes: tuple[str, ...] | None = None,
    track: Track = silent,
) -> dict[str, LabelSet]:
    """Every part by its name, whatever is wrong with its files.

    Where a data set does not say how many classes it has, all its label maps are looked at for the largest.

    Args:
        reduce: Whether value 0 stands for no class and the classes count from 1.
        classes: Names to take where the data has none.     track: Shows how far the looking is.
    Raises: InputError where there is no data, or less than two classes.
    """
    folder = parts.existing(root)
    name = find(folder) if layout == "auto" else layout
    if name is None:
        shapes = "; ".join(f"{name}: {shape}" for name, shape in SHAPES.items())
        raise InputError(f"{folder}: no label maps that vitrail knows; wanted one of {shapes}.")
    if name not in LAYOUTS:
        raise InputError(f"layout={name!r} is none of auto, {', '.join(LAYOUTS)}." + nearest(name, LAYOUTS))
    files = LAYOUTS[name].read_parts(folder)
    if not any(any(pairs.labels) for pairs in files.values()):
        raise InputError(f"{folder}: no picture with a label map; wanted {SHAPES[name]}, files of the same names.")
    scheme = LAYOUTS[name].scheme(folder, files, reduce)
    if scheme is None:
        count = len(classes) if classes else _count(files, reduce, track)
        scheme = label_folders.counted(files, count, reduce)
        scheme = Scheme(classes or scheme.classes, scheme.table, scheme.palette)
    if not 2 <= len(scheme.classes) <= MOST:
        advice = f" A mask of 0 and {IGNORED} has one: write 1 for {IGNORED}." if len(scheme.classes) < 2 else ""
        raise InputError(f"{folder}: {len(scheme.classes)} classes; wanted 2 to {MOST}.{advice}")
    return {name: LabelSet(pairs, scheme) for name, pairs in files.items()}


def open_split(
    root: str | Path,
    layout: str = "auto",
    held_out: float = 0.2,
    seed: int = 0,
    reduce: bool = False,
    track: Track = silent,
) -> tuple[LabelSet, LabelSet]:
    """The training and the held-out pictures; `label_check.inspect` says whether their files can be used.

    Args:
        layout: A name in `LAYOUTS`, or "auto": the one that `find` finds.
        held_out: Share of the pictures that is held out, 0 to 1, where the data has no held-out part of its own.
        reduce, track: As for `read_parts`.
    Raises: InputError for data that cannot be used.
    """
    found = read_parts(root, layout, reduce, track=track)
    training, beside = parts.choose(found, root)
    return found[training].split(held_out, seed) if beside is None else (found[training], found[beside])


def open_held_out(root: str | Path, layout: str, classes: tuple[str, ...], reduce: bool = False) -> LabelSet:
    """The pictures a model with these classes is measured on: the held-out part where there is one, else all.

    Where the data names no classes, its values are places in `classes`.
    Raises: InputError for data that cannot be used, or a class that the model lacks.
    """
    found = read_parts(root, layout, reduce, classes)
    return found[parts.measured(found, root)].reindexed(classes)


def _count(files: Mapping[str, Pairs], reduce: bool, track: Track) -> int:
    """One more than the largest class in any label map; those that cannot be read are left to `inspect`."""
    paths = [pairs.root / path for pairs in files.values() for path in pairs.labels if path]
    with ThreadPoolExecutor(THREADS) as pool:
        largest = max(track(pool.map(_largest, paths), len(paths), "looking for the classes"))
    return max(largest + 1 - int(reduce), 0)


def _largest(path: Path) -> int:
    try:
        values = label_files.read(path)
    except InputError:
        return -1
    there = np.flatnonzero(np.bincount(values.ravel(), minlength=256)[:IGNORED])
    return int(there[-1]) if len(there) else -1
