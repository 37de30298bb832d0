"""Videos looked at before anything trains on them: what would stop training, what would spoil it, what they are like.

One pass: each video is read, summed up and decoded whole once, by `look`; `report` then only counts and compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from vitrail.data import check
from vitrail.data.check import HELD_OUT, TRAINING, Case, Finding, Found, Look, likeness, worst_first
from vitrail.data.clip_set import Clips
from vitrail.errors import InputError

SQUARE = 0.02  # how far from 1 a pixel's width / height may be


@dataclass(frozen=True)
class ClipLook:
    """What one video is like.

    look: Of the video and its middle frame; `look.mode` is its codec.     The rest is None where it cannot be used:
    frames: How many.     rate: A second, where the file says it.     pixel: Width / height of one.
    """

    look: Look
    frames: int | None = None
    rate: float | None = None
    pixel: float | None = None

    @property
    def seconds(self) -> float | None:
        return self.frames / self.rate if self.frames and self.rate else None


@dataclass(frozen=True)
class ClipReport(Found):
    """All that was found.

    counts: For each part the videos of each class, in their order.     sizes: For each part the (width, height) of
    every video that could be read.     frames, seconds: For each part those of its videos; without seconds where a file
    says nothing.     rates, codecs: Videos by frames a second, and by codec, the most first.
    findings: Errors first, then warnings, then notes; only those that have cases.
    """

    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    sizes: dict[str, tuple[tuple[int, int], ...]]
    frames: dict[str, tuple[int, ...]]
    seconds: dict[str, tuple[float, ...]]
    rates: dict[float, int]
    codecs: dict[str, int]
    findings: tuple[Finding, ...]


def looks(training: Clips, held_out: Clips) -> Iterator[ClipLook]:
    """One look at each video of both parts, in order."""
    for part, clips in ((TRAINING, training), (HELD_OUT, held_out)):
        for index in range(len(clips)):
            yield look(clips, index, part)


def look(clips: Clips, index: int, part: str) -> ClipLook:
    """Reads and decodes one video whole. Raises nothing: a video that cannot be used is part of the answer."""
    name, target = clips.name(index), clips.targets[index]
    digest = None
    try:
        digest = clips.digest(index)
        about = clips.video(index).about()
    except InputError as error:
        return ClipLook(Look(part, name, target, digest, str(error)))
    middle = Image.fromarray(about.middle)
    seen = Look(part, name, target, digest, None, middle.size, about.codec, likeness(middle))
    return ClipLook(seen, about.count, about.rate, about.pixel)


def report(seen: Iterable[ClipLook], classes: Sequence[str], smallest: int = 32, span: int = 64) -> ClipReport:
    """What the looks at both parts amount to.

    Args:
        smallest: Pixels that the shorter side of a video should have at least.
        span: Frames that a clip reaches over; shorter videos are begun again.
    """
    seen = list(seen)
    whole = [one for one in seen if one.look.error is None]
    pictures = check.report((replace(one.look, mode=None) for one in seen), classes, smallest)
    short = [Case((one.look.name,), f"{one.look.name}: {one.frames}") for one in whole if (one.frames or 0) < span]
    odd = [one for one in whole if one.pixel and abs(one.pixel - 1) > SQUARE]
    findings = [
        *(_of_videos(finding) for finding in pictures.findings),
        Finding(
            "note",
            f"videos of fewer than {span} frames",
            tuple(short),
            "A clip that reaches over more begins such a video again; a smaller interval avoids it.",
        ),
        Finding(
            "note",
            "videos whose pixels are not square",
            tuple(Case((one.look.name,), f"{one.look.name}: {one.pixel:.3g} times as wide as high") for one in odd),
            "Nothing, if all are alike: pixels are taken as square.",
        ),
    ]
    rates = Counter(round(one.rate, 2) for one in whole if one.rate)
    return ClipReport(
        pictures.classes,
        pictures.counts,
        pictures.sizes,
        {part: tuple(one.frames or 0 for one in whole if one.look.part == part) for part in (TRAINING, HELD_OUT)},
        {
            part: tuple(s for one in whole if one.look.part == part and (s := one.seconds))
            for part in (TRAINING, HELD_OUT)
        },
        dict(rates.most_common()),
        dict(Counter(one.look.mode or "" for one in whole).most_common()),
        worst_first(findings),
    )


def _of_videos(finding: Finding) -> Finding:
    """What is said of pictures, said of videos."""
    what, advice = (
        text.replace("picture", "video").replace("Picture", "Video") for text in (finding.what, finding.advice)
    )
    return replace(finding, what=what, advice=advice)
