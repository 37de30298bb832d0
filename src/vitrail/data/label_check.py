"""Label maps looked at before anything trains on them: what would stop training, what would spoil it, what it is like.

`inspect` reads the label maps alone and stops at what cannot be used; `looks` and `report` read the pictures, too.
K classes.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from PIL import ExifTags, Image

from vitrail.data import images
from vitrail.data.check import (
    FEW,
    HELD_OUT,
    TRAINING,
    Case,
    Finding,
    Found,
    Look,
    copies,
    likeness,
    mode_of,
    other_modes,
    shapes,
    worst_first,
)
from vitrail.data.label_files import Fault, LabelError
from vitrail.data.label_layouts import THREADS
from vitrail.data.label_map import IGNORED
from vitrail.data.label_set import LabelSet
from vitrail.data.tracking import Track, silent
from vitrail.errors import InputError

SHOWN = 3  # files that a line names
RARE = 0.001  # share of the labelled pixels under which a class is rare
FAULTS: dict[Fault, str] = {
    "absent": "pictures without a label map",
    "unreadable": "label maps that cannot be read",
    "colour": "label maps in colour",
    "value": "label maps with values that are no class",
    "size": "label maps of another size than their picture",
}
ADVICE: dict[Fault, str] = {
    "absent": "Find or draw it, or take the picture away.",
    "unreadable": "Replace it.",
    "colour": "Write the number of the class in place of each colour, as an 8-bit grey or palette PNG.",
    "value": f"Write {IGNORED} where a pixel has no class, or name every class in classes.txt.",
    "size": "Write it anew in its picture's size, without smoothing: numbers of classes have no middle.",
}


@dataclass(frozen=True, eq=False)
class LabelLook:
    """What one picture and its label map are like.

    look: Of the picture; its `error` is why it cannot be used.     areas: (256,) int64, pixels of each class, and of
    none under IGNORED; None where the map cannot be used.     fault, line: Why.
    """

    look: Look
    areas: np.ndarray | None = None
    fault: Fault | None = None
    line: str = ""


@dataclass(frozen=True)
class LabelReport(Found):
    """All that was found.

    pictures: Of each part.     counts: Of each part the pictures that have some of each class, in order.
    areas: Of each part the pixels of each class.     ignored: Of each part the pixels of none.
    sizes, modes, findings: As in `check.Report`.
    """

    classes: tuple[str, ...]
    pictures: dict[str, int]
    counts: dict[str, tuple[int, ...]]
    areas: dict[str, tuple[int, ...]]
    ignored: dict[str, int]
    sizes: dict[str, tuple[tuple[int, int], ...]]
    modes: dict[str, int]
    findings: tuple[Finding, ...]


def inspect(*parts: LabelSet, track: Track = silent) -> None:
    """Nothing where every label map can be used, and fits its picture; of pictures, only their heads are read.

    Raises: InputError in one line, with the first files of each kind that cannot.
    """
    places = [(part, index) for part in parts for index in range(len(part))]
    with ThreadPoolExecutor(THREADS) as pool:
        wrong = [one for one in track(pool.map(_fault, places), len(places), "looking at labels") if one]
    if not wrong:
        return
    said = []
    for kind, what in FAULTS.items():
        lines = [str(error).rstrip(".") for error in wrong if error.kind == kind]
        if lines:
            more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
            said.append(f"{what}: {'; '.join(lines[:SHOWN])}{more}")
    raise InputError(f"{'. '.join(one[0].upper() + one[1:] for one in said)}. `vitrail check DATA` names them all.")


def looks(parts: Mapping[str, LabelSet]) -> Iterator[LabelLook]:
    """One look at each picture of every part, in order."""
    for name, pictures in parts.items():
        for index in range(len(pictures)):
            yield look(pictures, index, name)


def look(pictures: LabelSet, index: int, part: str) -> LabelLook:
    """Reads and decodes a picture and its label map. Raises nothing: what cannot be used is part of the answer."""
    name, digest, frame, content = pictures.name(index), None, None, b""
    try:
        content = pictures.content(index)
        digest = hashlib.blake2b(content, digest_size=16).digest()
        image = images.decode(content, name)
        frame = (image.height, image.width)
        seen = Look(part, name, 0, digest, None, image.size, mode_of(content), likeness(image))
    except InputError as error:
        seen = Look(part, name, 0, digest, str(error))
    try:
        values = pictures.values(index)
        if frame:
            pictures.turned(index, values.shape, frame, lambda: images.turned(content))
    except LabelError as error:
        return LabelLook(seen, None, error.kind, str(error))
    except InputError as error:  # a file that nobody may read
        return LabelLook(seen, None, "unreadable", str(error))
    return LabelLook(seen, np.bincount(values.ravel(), minlength=256))


def report(parts: Mapping[str, LabelSet], seen: Iterable[LabelLook], smallest: int = 32) -> LabelReport:
    """What the looks amount to.

    Args:
        smallest: Pixels that the shorter side of a picture should have at least.
    """
    seen = list(seen)
    usable = [one.look for one in seen if one.look.error is None]
    classes = next(iter(parts.values())).classes
    tables = {name: _table(name, seen) for name in parts}
    first = "train" if "train" in parts else next(iter(parts))
    areas = {name: tuple(map(int, table.sum(0)[: len(classes)])) for name, table in tables.items()}
    counts = {name: tuple(map(int, (table[:, : len(classes)] > 0).sum(0))) for name, table in tables.items()}
    ignored = {name: int(table[:, IGNORED].sum()) for name, table in tables.items()}
    findings = [
        *_files(parts, seen),
        *copies([replace(one, part=TRAINING if one.part == first else HELD_OUT) for one in usable], classes),
        *_classes(first, classes, counts[first], areas[first]),
        *_ignored(areas, ignored, seen),
        *shapes(usable, smallest),
        other_modes(usable),
    ]
    return LabelReport(
        classes,
        {name: len(pictures) for name, pictures in parts.items()},
        counts,
        areas,
        ignored,
        {name: tuple(one.size for one in usable if one.part == name and one.size) for name in parts},
        dict(Counter(one.mode for one in usable if one.mode).most_common()),
        worst_first(findings),
    )


def _fault(place: tuple[LabelSet, int]) -> LabelError | None:
    """Why a label map cannot be used; a picture whose head cannot be read is left to the loader."""
    pictures, index = place
    try:
        values = pictures.values(index)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(pictures.path(index), formats=images.FORMATS) as image:
                pictures.turned(index, values.shape, (image.height, image.width), lambda: _exif(image))
    except LabelError as error:
        return error
    except InputError as error:
        return LabelError("unreadable", str(error))
    except Exception:  # a damaged picture can raise almost anything
        pass
    return None


def _exif(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # an unreadable orientation is no orientation
        return 1


def _table(part: str, seen: Sequence[LabelLook]) -> np.ndarray:
    """(n, 256): pixels of each class in each usable map of a part."""
    return np.asarray([one.areas for one in seen if one.look.part == part and one.areas is not None]).reshape(-1, 256)


def _files(parts: Mapping[str, LabelSet], seen: Sequence[LabelLook]) -> Iterator[Finding]:
    for kind, what in FAULTS.items():
        cases = tuple(Case((one.look.name,), one.line) for one in seen if one.fault == kind)
        yield Finding("error", what, cases, ADVICE[kind])
    broken = [one.look for one in seen if one.look.error]
    yield Finding(
        "error",
        "pictures that cannot be used",
        tuple(Case((one.name,), one.error or "") for one in broken),
        "Replace them, or take them away with their label maps.",
    )
    yield Finding(
        "error",
        "parts without a picture",
        tuple(Case((name,), name) for name, pictures in parts.items() if not len(pictures)),
        "There is nothing to train or to measure on.",
    )
    orphans = [f"{images.printable(pictures.root / path)}" for pictures in parts.values() for path in pictures.orphans]
    yield Finding(
        "warning",
        "label maps without a picture",
        tuple(Case((name,), name) for name in orphans),
        "Nothing reads them. Perhaps a picture is missing, or named otherwise.",
    )


def _classes(part: str, classes: Sequence[str], counts: Sequence[int], areas: Sequence[int]) -> Iterator[Finding]:
    """Classes of few pictures or pixels."""
    there = sorted(zip(counts, areas, classes, strict=True))
    total = sum(areas)
    yield Finding(
        "warning",
        f"classes without a pixel, {part}",
        tuple(Case((name,), name) for count, _, name in there if not count),
        "Such a class cannot be learnt.",
    )
    yield Finding(
        "warning",
        f"classes in fewer than {FEW} pictures, {part}",
        tuple(Case((name,), f"{name}: {count}") for count, _, name in there if 0 < count < FEW),
        "Find more of them, or begin from trained weights.",
    )
    yield Finding(
        "note",
        f"classes with less than {100 * RARE:g} % of the pixels, {part}",
        tuple(
            Case((name,), f"{name}: {100 * area / total:.2g} %") for _, area, name in there if 0 < area < RARE * total
        ),
        "mIoU gives each class the same weight; read the IoU of each class as well.",
    )


def _ignored(areas: Mapping[str, Sequence[int]], ignored: Mapping[str, int], seen: Sequence[LabelLook]):
    empty = [one.look.name for one in seen if one.areas is not None and one.areas[IGNORED] == one.areas.sum()]
    yield Finding(
        "warning",
        "pictures of which no pixel has a class",
        tuple(Case((name,), name) for name in empty),
        "Nothing is learnt from them.",
    )
    totals = {name: sum(areas[name]) + count for name, count in ignored.items()}
    yield Finding(
        "note",
        "pixels of no class",
        tuple(Case((name,), f"{name}: {100 * count / totals[name]:.1f} %") for name, count in ignored.items() if count),
        "They are neither learnt nor measured.",
    )
