"""A data set of boxes looked at before anything trains on it, and its annotations written anew without what is wrong.

What the annotation files say is read by the layouts, problems and all; here each picture is read and decoded once.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vitrail.data import images, rle
from vitrail.data.annotations import Annotations, Kind, Record
from vitrail.data.check import (
    FEW,
    HELD_OUT,
    TRAINING,
    UNEVEN,
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
from vitrail.data.detection_layouts import LAYOUTS
from vitrail.data.detection_set import DetectionSet, relative, truth
from vitrail.errors import InputError

NARROW = 8.0  # pixels; a box with a shorter side is a small thing to find


@dataclass(frozen=True, eq=False)
class DetectionLook:
    """What one picture is like beside what is said of it.

    look: Of the picture; its `error` is why it cannot be used at all.     absent: Whether there is no such file.
    number: Its place in the part.     boxes: (n, 4) xyxy in its pixels.     classes: (n,).
    damaged: Places of boxes whose mask cannot be read, with the reason.
    """

    look: Look
    number: int
    absent: bool = False
    boxes: np.ndarray | None = None
    classes: np.ndarray | None = None
    damaged: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class DetectionReport(Found):
    """All that was found.

    pictures, empty: For each part its pictures, and those without a box.     counts: Boxes of each class, in order.
    sizes, modes, findings: As in `check.Report`.
    """

    classes: tuple[str, ...]
    pictures: dict[str, int]
    empty: dict[str, int]
    counts: dict[str, tuple[int, ...]]
    sizes: dict[str, tuple[tuple[int, int], ...]]
    modes: dict[str, int]
    findings: tuple[Finding, ...]


def looks(parts: Mapping[str, Annotations]) -> Iterator[DetectionLook]:
    """One look at each picture of every part, in order."""
    for name, each in parts.items():
        pictures = DetectionSet(each)
        for number in range(len(pictures)):
            yield look(pictures, number, name)


def look(pictures: DetectionSet, number: int, part: str) -> DetectionLook:
    """Reads and decodes one picture. Raises nothing: a picture that cannot be used is part of the answer."""
    name, record = pictures.name(number), pictures.record(number)
    if not pictures.path(number).exists():
        return DetectionLook(Look(part, name, 0, error=f"{name}: no such file."), number, absent=True)
    digest = None
    try:
        content = pictures.content(number)
        digest = hashlib.blake2b(content, digest_size=16).digest()
        image = images.decode(content, name)
        said = truth(record, (image.height, image.width), content, name, with_masks=False)
    except InputError as error:
        return DetectionLook(Look(part, name, 0, digest, str(error)), number)
    seen = Look(part, name, 0, digest, None, image.size, mode_of(content), likeness(image))
    frame = tuple(record.size or (image.height, image.width))
    return DetectionLook(
        seen, number, False, said.boxes.numpy(), said.classes.numpy(), tuple(_damaged(record, (frame[0], frame[1])))
    )


def report(parts: Mapping[str, Annotations], seen: Iterable[DetectionLook], smallest: int = 32) -> DetectionReport:
    """What the files and the looks at their pictures amount to.

    Args:
        smallest: Pixels that the shorter side of a picture should have at least.
    """
    seen = list(seen)
    usable = [one.look for one in seen if one.look.error is None]
    classes = tuple(dict.fromkeys(name for each in parts.values() for name in each.classes))
    counts = {name: _counts(each, classes) for name, each in parts.items()}
    empty = {name: sum(not len(record.boxes) for record in each.records) for name, each in parts.items()}
    first = _first(parts)
    findings = [
        *_files(parts, seen),
        *_boxes(parts, seen),
        *_masks(parts, seen),
        *copies([replace(one, part=TRAINING if one.part == first else HELD_OUT) for one in usable], classes),
        *_classes(parts, classes, counts),
        *_empty(parts, empty),
        *shapes(usable, smallest),
        other_modes(usable),
    ]
    return DetectionReport(
        classes,
        {name: len(each.records) for name, each in parts.items()},
        empty,
        counts,
        {name: tuple(one.size for one in usable if one.part == name and one.size) for name in parts},
        dict(Counter(one.mode for one in usable if one.mode).most_common()),
        worst_first(findings),
    )


def write_clean(
    root: Path, layout: str, parts: Mapping[str, Annotations], seen: Iterable[DetectionLook], out: Path
) -> int:
    """Writes the annotations into the folder `out`, laid out as they were under `root`, without what cannot be used.

    Left out are boxes that reading set aside, boxes with a damaged mask, and all that is said of a picture that cannot
    be used; boxes are cut at the edges of their pictures. Pictures are not copied.
    Returns: How many boxes remain.
    Raises: InputError where `out` holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already; wanted a new folder for the cleaned annotations.")
    looked: dict[str, dict[int, DetectionLook]] = defaultdict(dict)
    for one in seen:
        looked[one.look.part][one.number] = one
    remaining = 0
    for name, each in parts.items():
        kept = [
            _without(record, looked[name][number])
            for number, record in enumerate(each.records)
            if looked[name][number].look.error is None
        ]
        remaining += sum(len(record.boxes) for record in kept)
        source = each.source
        inner = source.relative_to(root) if source != root and source.is_relative_to(root) else Path(source.name)
        LAYOUTS[layout].clean(each, kept, out / inner if source.is_file() else out)
    return remaining


def _without(record: Record, seen: DetectionLook) -> Record:
    damaged = {place for place, _ in seen.damaged}
    if not damaged:
        return record
    kept = [place for place in range(len(record.boxes)) if place not in damaged]
    columns = {
        name: getattr(record, name)[kept] for name in ("boxes", "classes", "crowd", "areas", "origins", "clipped")
    }
    return replace(record, segments=tuple(record.segments[place] for place in kept), **columns)


def _damaged(record: Record, frame: tuple[int, int]) -> Iterator[tuple[int, str]]:
    for place, segment in enumerate(record.segments):
        if segment is None:
            continue
        try:
            rle.read(relative(segment, frame) if record.relative else segment, frame)
        except (ValueError, TypeError) as error:
            yield place, str(error)


def _first(parts: Mapping[str, Annotations]) -> str:
    """The part that is trained on."""
    return "train" if "train" in parts else next(iter(parts))


def _counts(annotations: Annotations, classes: Sequence[str]) -> tuple[int, ...]:
    found = Counter(annotations.classes[target] for record in annotations.records for target in record.classes)
    return tuple(found[name] for name in classes)


def _files(parts: Mapping[str, Annotations], seen: Sequence[DetectionLook]) -> Iterator[Finding]:
    """What stands between an annotation file and its pictures."""

    def said(kind: Kind) -> tuple[Case, ...]:
        return tuple(
            Case((one.where,), one.line) for each in parts.values() for one in each.problems if one.kind == kind
        )

    again = "--clean OUT writes annotations without them."
    yield Finding("error", "boxes of an unknown category", said("category"), f"Name the category, or {again}")
    yield Finding("error", "annotations without their picture", said("picture"), f"List the picture, or {again}")
    yield Finding("error", "entries that are there twice", said("double"), f"Which one counts? {again}")
    yield Finding("error", "entries that cannot be read", said("entry"), f"Put them right, or {again}")
    yield Finding(
        "warning", "boxes without size or outside their picture", said("box"), f"Training skips them; {again}"
    )
    yield Finding("warning", "boxes that reach beyond their picture", said("clipped"), "They are cut as they are read.")
    for absent, what in ((True, "pictures that are missing"), (False, "pictures that cannot be used")):
        cases = [one.look for one in seen if one.look.error and one.absent == absent]
        told = tuple(Case((one.name,), one.error or "") for one in cases)
        yield Finding("error", what, told, f"Find or replace them, or {again}")
    yield Finding(
        "error",
        "parts without a picture",
        tuple(Case((name,), name) for name, each in parts.items() if not each.records),
        "There is nothing to train or to measure on.",
    )


def _boxes(parts: Mapping[str, Annotations], seen: Sequence[DetectionLook]) -> Iterator[Finding]:
    """Boxes that can be used but look wrong."""
    double, narrow, total = [], 0, 0
    for one in seen:
        if one.boxes is None or one.classes is None or not len(one.boxes):
            continue
        rows = np.concatenate([one.boxes, one.classes[:, None]], 1)
        extra = len(rows) - len(np.unique(rows, axis=0))
        if extra:
            name = one.look.name
            double.append(Case((name,), f"{name}: {extra} box{'es' * (extra > 1)} of the place and class of another"))
        narrow += int(((one.boxes[:, 2:] - one.boxes[:, :2]).min(1) < NARROW).sum())
        total += len(one.boxes)
    yield Finding("warning", "the same box twice in a picture", tuple(double), "Delete one: it counts as missed.")
    share = f"{narrow} of {total} boxes, {100 * narrow / max(total, 1):.0f} %"
    yield Finding(
        "note",
        f"boxes with a side shorter than {NARROW:g} pixels",
        (Case((), share),) if narrow else (),
        "Train and predict at a larger size, or in tiles, if these matter.",
    )


def _masks(parts: Mapping[str, Annotations], seen: Sequence[DetectionLook]) -> Iterator[Finding]:
    told = [
        Case((one.look.name,), f"{one.look.name}: box {place + 1}, {reason}")
        for one in seen
        for place, reason in one.damaged
    ]
    yield Finding(
        "error", "masks that cannot be read", tuple(told), "Draw them again, or --clean OUT writes annotations without."
    )
    mixed = []
    for name, each in parts.items():
        have = [segment is not None for record in each.records for segment in record.segments]
        if any(have) and not all(have):
            mixed.append(Case((name,), f"{name}: {len(have) - sum(have)} of {len(have)} boxes have no mask"))
    yield Finding(
        "warning", "boxes without a mask beside others with one", tuple(mixed), "Such a part is read as boxes alone."
    )


def _classes(
    parts: Mapping[str, Annotations], classes: Sequence[str], counts: Mapping[str, Sequence[int]]
) -> Iterator[Finding]:
    """Classes of too few boxes, of one part alone, and how uneven they are."""
    first = _first(parts)
    known = parts[first].classes
    strange = {
        name: sorted({each.classes[target] for record in each.records for target in record.classes} - {*known})
        for name, each in parts.items()
    }
    yield Finding(
        "error",
        f"classes with boxes that {first} does not know",
        tuple(Case((one,), f"{one}, in {name}") for name, names in strange.items() for one in names),
        "A model cannot be measured on what it cannot name. Use the same categories in every part.",
    )
    there = sorted((count, name) for count, name in zip(counts[first], classes, strict=True) if name in known)
    yield Finding(
        "warning",
        f"classes without a box, {first}",
        tuple(Case((name,), name) for count, name in there if not count),
        "Such a class cannot be learnt.",
    )
    yield Finding(
        "warning",
        f"classes of fewer than {FEW} boxes, {first}",
        tuple(Case((name,), f"{name}: {count}") for count, name in there if 0 < count < FEW),
        "Find more of them, or begin from trained weights.",
    )
    some = [pair for pair in there if pair[0]]
    uneven = len(some) > 1 and some[-1][0] > UNEVEN * some[0][0]
    (few, rare), (many, common) = (some[0], some[-1]) if uneven else ((0, ""), (0, ""))
    yield Finding(
        "note",
        f"classes are uneven, {first}",
        (Case((common, rare), f"{common}: {many}, {rare}: {few}, {many / few:.0f} times fewer"),) if uneven else (),
        "AP gives each class the same weight; read the AP of each class as well.",
    )


def _empty(parts: Mapping[str, Annotations], empty: Mapping[str, int]) -> Iterator[Finding]:
    yield Finding(
        "note",
        "pictures without a box",
        tuple(
            Case((name,), f"{name}: {count} of {len(parts[name].records)}") for name, count in empty.items() if count
        ),
        "Good where there is nothing to find; wrong where nobody has drawn the boxes yet.",
    )
