"""A data set looked at before anything trains on it: what would stop training, what would spoil it, what it is like.

One pass: each picture is read, hashed and decoded once, by `look`; `report` then only counts and compares.
"""

from __future__ import annotations

import hashlib
import io
import statistics
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from vitrail.data import images
from vitrail.data.sample import Pictures
from vitrail.errors import InputError

Level = Literal["error", "warning", "note"]
TRAINING, HELD_OUT = "training", "held out"

FEW = 10  # pictures a class should have at least
UNEVEN = 10.0  # times that the largest class may be larger than the smallest
LONG = 4.0  # times that the longer side may be longer than the shorter one


@dataclass(frozen=True)
class Look:
    """What one picture is like, without the picture.

    part: TRAINING or HELD_OUT.     digest: Of its bytes; None where there are none.
    error: Why it cannot be used, in one line.     The rest is None where there is an error:
    size: (width, height), upright.     mode: Pillow's name of how its pixels are stored; None also without an encoding.
    likeness: `likeness` of it.
    """

    part: str
    name: str
    target: int
    digest: bytes | None = None
    error: str | None = None
    size: tuple[int, int] | None = None
    mode: str | None = None
    likeness: int | None = None


@dataclass(frozen=True)
class Case:
    """names: The pictures or classes it is about. line: What to say of them."""

    names: tuple[str, ...]
    line: str


@dataclass(frozen=True)
class Finding:
    """One kind of thing that was found. what: In words. cases: Every one. advice: What to do."""

    level: Level
    what: str
    cases: tuple[Case, ...]
    advice: str


class Found:
    """What every report has."""

    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found that would stop or spoil training."""
        return not any(finding.level == "error" for finding in self.findings)


@dataclass(frozen=True)
class Report(Found):
    """All that was found.

    counts: For each part the pictures of each class, in their order.     sizes: For each part the (width, height) of
    every picture that could be read.     modes: Pictures by the mode they are stored in.
    findings: Errors first, then warnings, then notes; only those that have cases.
    """

    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    sizes: dict[str, tuple[tuple[int, int], ...]]
    modes: dict[str, int]
    findings: tuple[Finding, ...]


def looks(training: Pictures, held_out: Pictures) -> Iterator[Look]:
    """One look at each picture of both parts, in order."""
    for part, pictures in ((TRAINING, training), (HELD_OUT, held_out)):
        for index in range(len(pictures)):
            yield look(pictures, index, part)


def look(pictures: Pictures, index: int, part: str) -> Look:
    """Reads and decodes one picture. Raises nothing: a picture that cannot be used is part of the answer."""
    name, target = pictures.name(index), pictures.targets[index]
    digest = None
    try:
        content = pictures.content(index)
        if not content:
            return Look(part, name, target, error=f"{name}: an empty file.")
        digest = hashlib.blake2b(content, digest_size=16).digest()
        image = pictures[index].image
    except InputError as error:
        return Look(part, name, target, digest, str(error))
    return Look(part, name, target, digest, None, image.size, mode_of(content), likeness(image))


def likeness(image: Image.Image) -> int | None:
    """64 bits that pictures of the same thing mostly share, whatever their size and compression.

    Each says whether a cell of an 8 x 9 grid of greys is darker than the one to its right. None where no cell is: a
    plain surface is like any other. Source: N. Krawetz's difference hash (dHash).
    """
    grey = np.asarray(image.resize((9, 8), Image.Resampling.BOX, reducing_gap=2.0).convert("L"))
    darker = grey[:, :-1] < grey[:, 1:]
    return int.from_bytes(np.packbits(darker).tobytes(), "big") if darker.any() and not darker.all() else None


def mode_of(content: bytes) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=images.FORMATS) as image:
                return image.mode + (" with a transparent colour" if "transparency" in image.info else "")
    except Exception:  # pixels as they are, of a layout that encodes none
        return None


def report(seen: Iterable[Look], classes: Sequence[str], smallest: int = 32) -> Report:
    """What the looks at both parts amount to.

    Args:
        smallest: Pixels that the shorter side of a picture should have at least.
    """
    seen = list(seen)
    usable = [one for one in seen if one.error is None]
    counts = {
        part: tuple(Counter(one.target for one in seen if one.part == part)[target] for target in range(len(classes)))
        for part in (TRAINING, HELD_OUT)
    }
    sizes = {part: tuple(one.size for one in usable if one.part == part and one.size) for part in counts}
    modes = Counter(one.mode for one in usable if one.mode)
    findings = [
        Finding(
            "error",
            "pictures that cannot be read",
            tuple(Case((one.name,), one.error) for one in seen if one.error),
            "Replace or delete them.",
        ),
        *_whole(counts, classes),
        *copies(usable, classes),
        *_classes(counts, classes),
        *shapes(usable, smallest),
        other_modes(usable),
    ]
    return Report(tuple(classes), counts, sizes, dict(modes.most_common()), worst_first(findings))


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that have cases: errors, then warnings, then notes."""
    order = ("error", "warning", "note")
    return tuple(sorted((finding for finding in findings if finding.cases), key=lambda one: order.index(one.level)))


def summary(sizes: Sequence[tuple[int, int]]) -> dict[str, dict[str, float]]:
    """Least, median and most of widths and heights, in pixels; empty without pictures."""
    if not sizes:
        return {}
    return {
        side: {"min": min(values), "median": statistics.median(values), "max": max(values)}
        for side, values in zip(("width", "height"), zip(*sizes, strict=True), strict=True)
    }


def _whole(counts: dict[str, tuple[int, ...]], classes: Sequence[str]) -> Iterator[Finding]:
    """What leaves nothing to train or to measure on."""
    yield Finding(
        "error",
        "parts without a picture",
        tuple(Case((), part) for part, each in counts.items() if not any(each)),
        "A class of one picture has none to hold out: add pictures, or a val/ beside train/.",
    )
    yield Finding(
        "error",
        "only one class",
        tuple(Case((name,), name) for name in classes if len(classes) == 1),
        "There is nothing to tell apart. Perhaps the class folders lie one level deeper or higher.",
    )


def other_modes(usable: Sequence[Look]) -> Finding:
    """What is converted as it is read."""
    modes = Counter(one.mode for one in usable if one.mode)
    return Finding(
        "note",
        "other modes than RGB",
        tuple(
            Case(tuple(one.name for one in usable if one.mode == mode), f"{mode}: {count} pictures")
            for mode, count in modes.most_common()
            if mode != "RGB"
        ),
        "Nothing: they are converted as they are read, transparent pixels laid over white.",
    )


def copies(usable: Sequence[Look], classes: Sequence[str]) -> Iterator[Finding]:
    """Pictures that are there more than once."""
    groups = _groups((one.digest, one) for one in usable)
    yield Finding(
        "error",
        "the same picture in both parts",
        tuple(_equal(group) for group in groups if len({one.part for one in group}) > 1),
        "What is measured on these was learnt by heart. Delete one of the copies.",
    )
    yield Finding(
        "error",
        "the same picture in two classes",
        tuple(_equal(group, classes) for group in groups if len({one.target for one in group}) > 1),
        "Delete all but the copy in the right class.",
    )
    yield Finding(
        "warning",
        "the same picture more than once in a part",
        tuple(_equal(group) for group in _groups(((one.part, one.target, one.digest), one) for one in usable)),
        "It counts double. Delete the copies, unless that is meant.",
    )
    alike = []
    for group in _groups((one.likeness, one) for one in usable):
        learnt = [one for one in group if one.part == TRAINING]
        for asked in (one for one in group if one.part == HELD_OUT):
            if learnt and asked.digest not in {one.digest for one in learnt}:
                line = f"{asked.name} ~ {learnt[0].name}" + (f" and {len(learnt) - 1} more" if learnt[1:] else "")
                alike.append(Case((asked.name, *(one.name for one in learnt)), line))
    yield Finding(
        "warning",
        "perhaps nearly the same picture in both parts",
        tuple(alike),
        "Look at them: a copy of another size or compression makes what is measured too good; a likeness does not.",
    )


def _groups(pairs: Iterable[tuple[object, Look]]) -> list[list[Look]]:
    """The looks that share a key, in the order of their first; without a key, or alone with it, they are left out."""
    members: dict[object, list[Look]] = defaultdict(list)
    for key, one in pairs:
        if key is not None:
            members[key].append(one)
    return [group for group in members.values() if len(group) > 1]


def _equal(group: Sequence[Look], classes: Sequence[str] | None = None) -> Case:
    said = [f"{one.name} ({classes[one.target]})" if classes else one.name for one in group]
    return Case(tuple(one.name for one in group), " = ".join(said))


def _classes(counts: dict[str, tuple[int, ...]], classes: Sequence[str]) -> Iterator[Finding]:
    """Classes of too few pictures, and how uneven they are."""
    for part, each in counts.items():
        yield Finding(
            "warning",
            f"classes without a picture, {part}",
            tuple(Case((name,), name) for name, count in zip(classes, each, strict=True) if not count and any(each)),
            "Such a class cannot be learnt." if part == TRAINING else "Nothing will be known of how well it is told.",
        )
    each = counts[TRAINING]
    there = sorted((count, name) for count, name in zip(each, classes, strict=True) if count)
    yield Finding(
        "warning",
        f"classes of fewer than {FEW} pictures, {TRAINING}",
        tuple(Case((name,), f"{name}: {count}") for count, name in there if count < FEW),
        "Find more pictures of them, or begin from trained weights.",
    )
    uneven = len(there) > 1 and there[-1][0] > UNEVEN * there[0][0]
    (few, rare), (many, common) = (there[0], there[-1]) if uneven else ((0, ""), (0, ""))
    yield Finding(
        "warning",
        f"classes are uneven, {TRAINING}",
        (Case((common, rare), f"{common}: {many}, {rare}: {few}, {many / few:.0f} times fewer"),) if uneven else (),
        "Top-1 will mostly speak of the large ones: read the accuracy of each class as well.",
    )


def shapes(usable: Sequence[Look], smallest: int) -> Iterator[Finding]:
    """Pictures too small or too long."""
    sized = [(one, one.size) for one in usable if one.size]
    yield Finding(
        "warning",
        f"pictures with a side shorter than {smallest} pixels",
        tuple(_sized(one, size) for one, size in sized if min(size) < smallest),
        "Enlarged they hold little to learn from. Train at a smaller size, or leave them out.",
    )
    yield Finding(
        "warning",
        f"pictures with one side more than {LONG:g} times the other",
        tuple(_sized(one, size) for one, size in sized if max(size) > LONG * min(size)),
        "The centre crop shows a small part of them, a resize without it distorts them.",
    )


def _sized(one: Look, size: tuple[int, int]) -> Case:
    return Case((one.name,), f"{one.name}: {size[0]} x {size[1]}")
