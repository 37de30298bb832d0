"""Which files are for training and which are held out, told by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vitrail.data.images import printable
from vitrail.errors import InputError

TRAINING = "train"
HELD_OUT = ("validation", "val", "test")  # the first of these that is there
ALIKE = {"training": "train", "valid": "validation", "testing": "test"}


def part_of(name: str) -> str:
    """The part that a file or folder belongs to, by its name without suffix.

    The first of its words that is one of train, training, validation, valid, val, test, testing, else what stands
    before its first digit: `train-000012` and `in1k-train-00-of-64` are "train", `cifar10-000` is "cifar".
    """
    for word in re.findall("[a-z]+", name.lower()):
        part = ALIKE.get(word, word)
        if part == TRAINING or part in HELD_OUT:
            return part
    return re.split(r"\d", name)[0].rstrip("-_. ") or "all"


def known(name: str) -> bool:
    """Whether a name says that something is for training or held out."""
    return part_of(name) in (TRAINING, *HELD_OUT)


def choose(parts: Mapping[str, object], root: str | Path) -> tuple[str, str | None]:
    """The part to train on and the one that is held out; None where one part, whatever its name, is all there is.

    Raises: InputError where none is for training.
    """
    held_out = next((name for name in HELD_OUT if name in parts), None)
    if TRAINING in parts:
        return TRAINING, held_out
    if held_out:
        raise InputError(f"{root} holds {held_out} but no train beside it.")
    if len(parts) != 1:
        raise InputError(f"{root} holds {', '.join(sorted(parts))}; wanted train and val, or one part.")
    return next(iter(parts)), None


def measured(parts: Mapping[str, object], root: str | Path) -> str:
    """The part a trained model is measured on: the one held out, else all there is.

    Raises: InputError where it cannot be told.
    """
    return next((name for name in HELD_OUT if name in parts), None) or choose(parts, root)[0]


def existing(root: str | Path) -> Path:
    """The path. Raises: InputError where nothing is there, or its name could not be written into a recipe."""
    root = Path(root)
    if printable(root) != str(root):
        raise InputError(f"{printable(root)}: a name that is not UTF-8; rename it, or give a link to it.")
    if not root.exists():
        raise InputError(f"{root}: no such folder.")
    return root
