"""Class folders of videos: `root/train/CLASS/x.mp4` and `root/val/CLASS/x.mp4`, or `root/CLASS/x.mp4`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vitrail.data import classes as called
from vitrail.data import images, parts
from vitrail.data.clip_set import Clips, split
from vitrail.data.video import SUFFIXES
from vitrail.errors import InputError, nearest


def looks(root: Path) -> bool:
    """Whether the first picture or video in the folders of `root`, at any depth, is a video."""
    if not root.is_dir():
        return False
    names = (path.name.lower() for folder in _folders(root) for path in files(folder))
    return next((name for name in names if name.endswith((*SUFFIXES, *images.SUFFIXES))), "").endswith(SUFFIXES)


def open_split(root: str | Path, held_out: float = 0.2, seed: int = 0) -> tuple[Clips, Clips]:
    """The training and the held-out videos, as `folders.open_split` has pictures. Raises: InputError."""
    root = parts.existing(root)
    held = _held_out(root)
    if not (root / parts.TRAINING).is_dir():
        return split(read_classes(root), None, held_out, seed)
    if held is None:
        raise InputError(f"{root} holds train/ but no val/ beside it.")
    training = read_classes(root / parts.TRAINING)
    return split(training, read_classes(held, training.classes))


def open_held_out(root: str | Path, classes: tuple[str, ...]) -> Clips:
    """The videos a model with these classes is measured on: `root/val` where it exists, else all of `root`."""
    root = parts.existing(root)
    return read_classes(_held_out(root) or root, classes)


def read_classes(root: Path, classes: tuple[str, ...] | None = None) -> Clips:
    """One class per folder of `root`, its videos at any depth inside.

    Args:
        classes: Fixes the indices; a folder may then be missing, but a folder of another name is an error.
    Raises: InputError for a class without a video.
    """
    folders = _folders(root)
    if not folders:
        raise InputError(f"{root} holds no class folders; wanted {root}/CLASS/video.mp4.")
    names = classes or tuple(folder.name for folder in folders)
    if not classes:
        called.distinct(names, root)
    keys: list[str] = []
    targets: list[int] = []
    for folder in folders:
        if folder.name not in names:
            raise InputError(
                f"{folder}: {folder.name!r} is none of the {len(names)} classes." + nearest(folder.name, names)
            )
        found = _videos(folder)
        if not found:
            raise InputError(f"{folder}: a class without a video ({', '.join(SUFFIXES)}).")
        keys += [path.relative_to(root).as_posix() for path in found]
        targets += [names.index(folder.name)] * len(found)
    return Clips(root, keys, targets, names)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _held_out(root: Path) -> Path | None:
    return next((root / name for name in ("val", "validation", "test") if (root / name).is_dir()), None)


def _videos(folder: Path) -> list[Path]:
    return [path for path in files(folder) if path.name.lower().endswith(SUFFIXES)]


def files(folder: Path) -> Iterator[Path]:
    """Every file at any depth, in order, hidden ones left out; links to folders are not followed."""
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))
