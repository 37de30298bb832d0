"""The layouts that labelled pictures come in, told apart by looking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from vitrail.data import folders, idx, parts, shards, tables, zips
from vitrail.data.collection import Collection
from vitrail.errors import InputError, nearest


class Layout(Protocol):
    """What the file of a layout has."""

    def open_split(self, root: str | Path, held_out: float, seed: int) -> tuple[Collection, Collection]: ...

    def open_held_out(self, root: str | Path, classes: tuple[str, ...]) -> Collection: ...


LAYOUTS: dict[str, Layout] = {"classes": folders, "zip": zips, "shards": shards, "table": tables, "idx": idx}
SHAPES = {
    "classes": "train/CLASS/picture.jpg or CLASS/picture.jpg",
    "zip": "train.zip with train_map.txt",
    "shards": "train-000000.tar",
    "table": "train-*.parquet or what `datasets` saved",
    "idx": "train-images-idx3-ubyte",
}


def find(root: str | Path) -> str:
    """The name of the layout under `root`.

    Raises: InputError where none fits, saying what each looks like, or where several do.
    """
    root = parts.existing(root)
    fitting = [name for name, looks in LOOKS.items() if looks(root)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(f"{root} fits several layouts, {' and '.join(fitting)}; say which: data.layout={fitting[0]}.")
    shapes = "; ".join(f"{name}: {shape}" for name, shape in SHAPES.items())
    raise InputError(f"{root}: no data that vitrail knows; wanted one of {shapes}.")


def open_split(
    root: str | Path, layout: str = "auto", held_out: float = 0.2, seed: int = 0
) -> tuple[Collection, Collection]:
    """The training and the held-out pictures.

    Args:
        layout: A name in `LAYOUTS`, or "auto": the one that `find` finds.
        held_out: Share of each class that is held out, 0 to 1, where the data has no held-out part of its own.
    Raises: InputError for data that cannot be used.
    """
    return _layout(root, layout).open_split(root, held_out, seed)


def open_held_out(root: str | Path, layout: str, classes: tuple[str, ...]) -> Collection:
    """The pictures a model with these classes is measured on: the held-out part where there is one, else all.

    Raises: InputError for data that cannot be used, or a picture of a class that the model lacks.
    """
    return _layout(root, layout).open_held_out(root, classes)


def _layout(root: str | Path, name: str) -> Layout:
    name = find(root) if name == "auto" else name
    if name not in LAYOUTS:
        raise InputError(f"layout={name!r} is none of auto, {', '.join(LAYOUTS)}." + nearest(name, LAYOUTS))
    return LAYOUTS[name]


def _class_folders(root: Path) -> bool:
    """Whether a picture lies in any folder of `root`, at any depth."""
    if not root.is_dir():
        return False
    classes = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return any(any(folders.walk(folder)) for folder in classes)


LOOKS: dict[str, Callable[[Path], bool]] = {
    "classes": _class_folders,
    "zip": zips.looks,
    "shards": shards.looks,
    "table": tables.looks,
    "idx": idx.looks,
}
