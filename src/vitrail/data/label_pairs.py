"""Which label map belongs to which picture: two trees of files whose names agree but for what tools add to them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from vitrail.data import folders, label_files, parts


class Pairs(NamedTuple):
    """The files of one part.

    root: The folder that all paths lie under.     pictures: Their paths, in order.
    labels: Of each the path of its label map; "" where there is none.     orphans: Label maps without a picture.
    """

    root: Path
    pictures: tuple[str, ...]
    labels: tuple[str, ...]
    orphans: tuple[str, ...] = ()


def match(root: Path, pictures: Path, labels: Path, endings: Iterable[str] = ("",), strip: str = "") -> Pairs:
    """The pictures under a folder with the label maps under another: the same path inside but for the last part.

    Args:
        endings: What a label's name has beyond its picture's, the first that is there.
        strip: What a picture's name ends in and its label's does not have.
    """
    there = {_key(path, labels): path for path in label_paths(labels)}
    used, found, matched = set(), [], []
    for path in folders.picture_files(pictures):
        key = _key(path, pictures).removesuffix(strip)
        key = next((key + ending for ending in endings if key + ending in there), "")
        used.add(key)
        found.append(_under(path, root))
        matched.append(_under(there[key], root) if key else "")
    orphans = tuple(_under(path, root) for key, path in there.items() if key not in used)
    return Pairs(root, tuple(found), tuple(matched), orphans)


def label_paths(folder: Path) -> list[Path]:
    """The files that may be label maps at any depth under a folder, in order; JPEG, too, so that it can be refused."""
    known = (*label_files.SUFFIXES, ".jpg", ".jpeg")
    return [path for path in folders.picture_files(folder) if path.suffix.lower() in known]


def has_labels(folder: Path) -> bool:
    """Whether a label map lies anywhere under a folder, but for JPEG."""
    return any(path.suffix.lower() in label_files.SUFFIXES for inside in folders.walk(folder) for path in inside)


def part_folders(folder: Path) -> dict[str, Path]:
    """The folders inside that are named after a part, by its name, training first; of two for a part the shorter."""
    if not folder.is_dir():
        return {}
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and parts.known(path.name))
    found = {parts.part_of(path.name): path for path in reversed(inner)}
    return {name: found[name] for name in (parts.TRAINING, *parts.HELD_OUT) if name in found}


def _key(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _under(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
