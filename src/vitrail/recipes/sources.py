"""From where a recipe says the pictures are to the pictures."""

from __future__ import annotations

import os

from vitrail.data import digits, folders
from vitrail.data.sample import Pictures
from vitrail.errors import InputError
from vitrail.recipes.recipe import Digits, Folder


def named(text: str, data: Folder | Digits | None = None) -> Folder | Digits:
    """What `--data TEXT` means: the word `digits`, or the path of class folders, split as `data` splits them."""
    if text == "digits":
        return data if isinstance(data, Digits) else Digits()
    return Folder(text, held_out=data.held_out, seed=data.seed) if data else Folder(text)


def open_split(data: Folder | Digits) -> tuple[Pictures, Pictures]:
    """The training and the held-out pictures.

    Raises: InputError where the recipe names no folder, or what it names cannot be used.
    """
    if isinstance(data, Digits):
        return digits.open_split(data.held_out, data.seed)
    if data.path is None:
        raise InputError(
            "This recipe trains on your own folder: --data FOLDER, with FOLDER/train/CLASS and "
            "FOLDER/val/CLASS, or FOLDER/CLASS."
        )
    return folders.open_split(data.path, data.held_out, data.seed)


def open_held_out(data: Folder | Digits, classes: tuple[str, ...]) -> Pictures:
    """What a trained model is measured on: `val` or all of a folder, or the held-out digits."""
    if isinstance(data, Digits):
        if classes != digits.CLASSES:
            raise InputError(f"The digits have the classes 0 to 9; this model has {len(classes)} others.")
        return digits.open_split(data.held_out, data.seed)[1]
    return folders.open_held_out(data.path or "", classes)


def workers(data: Folder | Digits, asked: int | None) -> int:
    """Processes that decode: as many as asked for, else one per core up to eight; none for data in memory."""
    if asked is not None:
        return asked
    return 0 if isinstance(data, Digits) else min(os.cpu_count() or 1, 8)
