"""Something-Something v2 as it is downloaded: labels in json files, videos called by their number.

    DATA/labels.json        {"Holding something": "0", ...}; also labels/labels.json, something-something-v2-labels.json
    DATA/train.json         [{"id": "78687", "template": "Holding [something]", ...}, ...]
    DATA/validation.json    the same
    DATA/78687.webm         also in 20bn-something-something-v2/ or videos/

The test part has no labels and is not read. Source: Goyal et al. (arXiv 1706.04261) and the data set's own page.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vitrail.data import classes as called
from vitrail.data import parts
from vitrail.data.clip_set import Clips, split
from vitrail.errors import InputError, nearest

FOLDERS = ("", "labels")
NAMES = ("{}.json", "something-something-v2-{}.json")
VIDEOS = ("", "20bn-something-something-v2", "videos")


def looks(root: Path) -> bool:
    """Whether the labels and the training part are there."""
    return bool(_file(root, "labels") and _file(root, "train"))


def open_split(root: str | Path, held_out: float = 0.2, seed: int = 0) -> tuple[Clips, Clips]:
    """The training and the held-out videos. Raises: InputError for files that cannot be used."""
    root = parts.existing(root)
    classes = _classes(root)
    beside = _file(root, "validation")
    training = _read(root, _wanted(root, "train"), classes)
    return split(training, _read(root, beside, classes) if beside else None, held_out, seed)


def open_held_out(root: str | Path, classes: tuple[str, ...]) -> Clips:
    """The videos a model with these classes is measured on: the validation part where there is one, else all."""
    root = parts.existing(root)
    path = _file(root, "validation") or _wanted(root, "train")
    return _read(root, path, _classes(root)).reindexed(classes)


def _classes(root: Path) -> tuple[str, ...]:
    """Names by index."""
    path = _wanted(root, "labels")
    said = _json(path)
    try:
        places = {int(number): str(name) for name, number in said.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f'{path}: wanted {{"name of a class": "its number", ...}}.') from error
    if sorted(places) != list(range(len(said))):
        raise InputError(f"{path}: {len(said)} classes whose numbers are not 0 to {len(said) - 1}, each once.")
    names = tuple(places[number] for number in range(len(said)))
    called.distinct(names, path)
    return names


def _read(root: Path, path: Path, classes: tuple[str, ...]) -> Clips:
    said = _json(path)
    numbers = {name: number for number, name in enumerate(classes)}
    ids, targets = [], []
    try:
        for one in said:
            ids.append(str(one["id"]))
            name = str(one["template"]).replace("[", "").replace("]", "")
            if name not in numbers:
                raise InputError(f"{path}: {name!r} is none of the {len(classes)} classes." + nearest(name, classes))
            targets.append(numbers[name])
    except (KeyError, TypeError) as error:
        raise InputError(f'{path}: entry {len(targets)} is not {{"id": ..., "template": ...}}.') from error
    if not ids:
        raise InputError(f"{path}: no video in it.")
    if len(set(ids)) < len(ids):
        raise InputError(f"{path}: a video is there twice.")
    base = next((base for base in VIDEOS if (root / base / f"{ids[0]}.webm").exists()), VIDEOS[0])
    return Clips(root, [(Path(base) / f"{name}.webm").as_posix() for name in ids], targets, classes)


def _file(root: Path, name: str) -> Path | None:
    places = (root / folder / pattern.format(name) for folder in FOLDERS for pattern in NAMES)
    return next((place for place in places if place.is_file()), None)


def _wanted(root: Path, name: str) -> Path:
    path = _file(root, name)
    if path is None:
        raise InputError(f"{root}: no {name}.json, nor {NAMES[1].format(name)}.")
    return path


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON.") from error
