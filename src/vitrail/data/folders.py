"""Class folders: `root/train/CLASS/picture` and `root/val/CLASS/picture`, or `root/CLASS/picture` split by a hash."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from vitrail.data import classes as called
from vitrail.data import images, parts
from vitrail.data.collection import Collection, part
from vitrail.errors import InputError, nearest


class ClassFolders(Collection):
    """Files under a folder with their classes.

    Args:
        files: Paths under `root`, written with /, and the class of each.
    """

    def __init__(self, root: Path, files: Sequence[tuple[str, int]], classes: tuple[str, ...]) -> None:
        super().__init__(str(root), [key for key, _ in files], [target for _, target in files], classes)

    def content(self, index: int) -> bytes:
        return images.read_bytes(f"{self.root}/{self.keys[index]}")


def open_split(root: str | Path, held_out: float = 0.2, seed: int = 0) -> tuple[Collection, Collection]:
    """The training and the held-out pictures under `root`.

    Where `root` holds `train` and `val`, those; else the pictures of every class folder, parted by the hash of
    (seed, path under root): the same picture falls on the same side on every machine.

    Args:
        held_out: Share of each class that is held out, 0 to 1; at least one picture of a class that has two.
            Where `val` exists it has no say.
    Raises: InputError for a missing folder, a class without pictures, or a class in `val` that `train` lacks.
    """
    root = _folder(root)
    if (root / "train").is_dir():
        if not (root / "val").is_dir():
            raise InputError(f"{root} holds train/ but no val/ beside it.")
        training = read_classes(root / "train")
        return training, read_classes(root / "val", training.classes)
    return part(read_classes(root), held_out, seed)


def open_held_out(root: str | Path, classes: tuple[str, ...]) -> ClassFolders:
    """The pictures a model with these classes is measured on: `root/val` where it exists, else all of `root`."""
    root = _folder(root)
    return read_classes(root / "val" if (root / "val").is_dir() else root, classes)


def read_classes(root: str | Path, classes: tuple[str, ...] | None = None) -> ClassFolders:
    """One class per folder of `root`, its pictures at any depth inside.

    Args:
        classes: Fixes the indices; a folder may then be missing, but a folder of another name is an error.
    """
    root = _folder(root)
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise InputError(f"{root} holds no class folders; wanted {root}/CLASS/picture.jpg.")
    names = classes or tuple(folder.name for folder in folders)
    if not classes:
        called.distinct(names, root)
    files: list[tuple[str, int]] = []
    for folder in folders:
        if folder.name not in names:
            raise InputError(
                f"{folder}: {folder.name!r} is none of the {len(names)} classes." + nearest(folder.name, names)
            )
        found = picture_files(folder)
        if not found:
            raise InputError(f"{folder}: a class without a picture ({', '.join(images.SUFFIXES)}).")
        target = names.index(folder.name)
        files += [(path.relative_to(root).as_posix(), target) for path in found]
    return ClassFolders(root, files, names)


def picture_files(folder: str | Path) -> list[Path]:
    """Every picture file at any depth under a folder, by suffix, in order; hidden ones left out."""
    return [path for inside in walk(folder) for path in inside]


def walk(folder: str | Path) -> Iterator[list[Path]]:
    """The picture files of a folder, then of each folder inside it, by suffix, in order; hidden ones left out.

    Links are followed, each folder comes once, and a link to a folder above leads nowhere.
    """
    seen = {_identity(above) for above in Path(folder).resolve().parents}
    for place, inner, names in os.walk(folder, followlinks=True):
        here = _identity(place)
        inner[:] = [] if here in seen else sorted(name for name in inner if not name.startswith("."))
        if here not in seen:
            seen.add(here)
            shown = (name for name in sorted(names) if not name.startswith("."))
            yield [Path(place, name) for name in shown if name.lower().endswith(images.SUFFIXES)]


def _identity(folder: str | Path) -> tuple[int, int] | None:
    """What tells a folder from every other, whatever path led to it; None for one that may not be looked at."""
    try:
        said = os.stat(folder)
    except OSError:
        return None
    return said.st_dev, said.st_ino


def _folder(root: str | Path) -> Path:
    root = parts.existing(root)
    if not root.is_dir():
        raise InputError(f"{root}: is a file, wanted a folder.")
    return root
