"""Lists of classes: in text files rows of a head to keep, synsets, names; and the names in others' checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitrail.errors import InputError

LONGEST = 8 << 20  # bytes of such a file


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"No file at {path}.")
    if path.stat().st_size > LONGEST:
        raise InputError(f"{path}: wanted a list of classes, this file has {path.stat().st_size} bytes.")
    try:
        found = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{path}: wanted a text file in UTF-8.") from None
    found = [line for line in found if line]
    if not found:
        raise InputError(f"{path}: no lines in it.")
    return found


def names(path: Path) -> tuple[str, ...]:
    """Names of classes, one a line."""
    return tuple(_lines(path))


def beside(held: Any) -> tuple[str, ...]:
    """The names of classes that a checkpoint of OpenMMLab's holds beside its tensors; () for anything else there."""
    meta = held.get("meta") if isinstance(held, Mapping) else None
    if not isinstance(meta, Mapping):
        return ()
    data = meta.get("dataset_meta")
    for place, key in ((meta, "CLASSES"), (data, "classes"), (data, "CLASSES")):
        found = place.get(key) if isinstance(place, Mapping) else None
        if isinstance(found, list | tuple) and found and all(isinstance(name, str) for name in found):
            return tuple(found)
    return ()


def rows(path: Path) -> list[int]:
    """Numbers of rows, one a line, as `map22kto1k.txt` of Swin's release has them. Raises: InputError for others."""
    found = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.isdecimal():
            raise InputError(f"{path}, line {number}: {line[:40]!r}, wanted the number of a row.")
        found.append(int(line))
    return found


def between(have: Path, wanted: Path) -> list[int]:
    """For each synset of `wanted` its row in `have`; a line's first word is its synset.

    Raises: InputError naming a synset that `have` lacks, or has twice.
    """
    given = [line.split()[0] for line in _lines(have)]
    place = {synset: row for row, synset in enumerate(given)}
    if len(place) < len(given):
        twice = next(synset for synset in given if given.count(synset) > 1)
        raise InputError(f"{have}: {twice} stands there twice.")
    asked = [line.split()[0] for line in _lines(wanted)]
    missing = [synset for synset in asked if synset not in place]
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(asked)} synsets of {wanted} are not in {have}, {missing[0]} first."
        )
    return [place[synset] for synset in asked]
