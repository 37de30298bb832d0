"""Texts looked at before anything trains on them: what would stop training, what would spoil it, what they are like.

Files are read once; those that cannot be used are named, and the others looked at without them.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitrail.data import parts, text_shards
from vitrail.data.check import HELD_OUT, TRAINING, Case, Finding, Found, worst_first
from vitrail.data.images import printable, read_bytes
from vitrail.data.text_codes import Bytes, Codes, text_of
from vitrail.data.text_files import choose, codes_of, encode, files_of, split
from vitrail.data.text_overlap import SPAN, Passage, passages
from vitrail.data.text_set import Texts
from vitrail.data.tracking import Track, silent
from vitrail.errors import InputError

LEAKED = 0.01  # share of the held-out text that may stand in the training text
COUNTED = 1 << 22  # tokens counted at a time
FOLLOWING = slice(0x80, 0xC0)  # bytes of UTF-8 that begin no character


@dataclass(frozen=True)
class Part:
    """What one part holds.

    bytes, characters: None where nothing says, as of a tokenizer's shards.     counts: Of each token, (V,).
    """

    files: int
    bytes: int | None
    characters: int | None
    tokens: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class TextReport(Found):
    """All that was found.

    kind: bytes, characters or tokenizer.     names: What each token is called, (V,).     parts: By their names.
    copied: Share of the held-out text that stands in the training text.     findings: As in `check.Report`.
    """

    kind: str
    names: tuple[str, ...]
    parts: dict[str, Part]
    copied: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Look:
    """One file: why it cannot be used, or what it holds."""

    path: Path
    part: str
    content: bytes = b""
    characters: int | None = None
    unreadable: str | None = None
    undecoded: str | None = None

    @property
    def name(self) -> str:
        return printable(self.path)


def report(
    root: str | Path, tokens: str = "bytes", held_out: float = 0.1, length: int = 256, track: Track = silent
) -> TextReport:
    """What a text file, a folder of them, or a folder of shards amounts to; arguments as `open_texts` has them.

    Args:
        length: N of the windows that will be trained on.
    Raises: InputError for a path without text, or `tokens` that are none.
    """
    root = parts.existing(root)
    if not 0 < held_out < 1:
        raise InputError(f"held_out={held_out}: a share above 0 and below 1 is wanted.")
    if text_shards.looks(root):
        shards = text_shards.open_parts(root)
        return _report([], tokens, shards[0].codes, _parts(*shards, held_out), length, track)
    named = choose(files_of(root), root)
    files = [(file, part) for part, some in zip((TRAINING, HELD_OUT), named, strict=True) for file in some]
    seen = [_look(file, part) for file, part in track(files, len(files), "looking")]
    usable = {one.path: one.content for one in seen if _usable(one, tokens)}
    codes = codes_of(tokens, usable) if usable else Bytes()
    found: dict[str, Texts | None] = {}
    for part, some in zip((TRAINING, HELD_OUT), named, strict=True):
        left = [file for file in some if file in usable]
        found[part] = encode(left, usable, codes, root, track) if left else None
    if not named[1]:
        found = _parts(found[TRAINING], None, held_out)
    return _report(seen, tokens, codes, found, length, track)


def _look(file: Path, part: str) -> _Look:
    try:
        content = read_bytes(file)
    except InputError as error:
        return _Look(file, part, unreadable=str(error))
    try:
        return _Look(file, part, content, len(text_of(content, printable(file))))
    except InputError as error:
        return _Look(file, part, content, undecoded=str(error))


def _usable(one: _Look, tokens: str) -> bool:
    return bool(one.content) and not one.unreadable and (tokens == "bytes" or not one.undecoded)


def _parts(training: Texts | None, beside: Texts | None, held_out: float) -> dict[str, Texts | None]:
    """Both parts as training will have them; None where there is nothing."""
    try:
        first, second = split(training, beside, held_out) if training else (None, beside)
    except InputError:  # too short to be split
        first, second = training, None
    return {TRAINING: first, HELD_OUT: second}


def _report(
    seen: list[_Look], tokens: str, codes: Codes, texts: dict[str, Texts | None], length: int, track: Track
) -> TextReport:
    counts = {part: _counts(each, codes.vocabulary) for part, each in texts.items()}
    training, held_out = texts[TRAINING], texts[HELD_OUT]
    found = passages(training, held_out, track) if training and held_out else []
    share = sum(one.count for one in found) / len(held_out) if held_out else 0.0
    findings = [
        Finding(
            "error",
            "files that cannot be read",
            tuple(Case((one.name,), one.unreadable) for one in seen if one.unreadable),
            "Replace or delete them.",
        ),
        Finding(
            "note" if tokens == "bytes" else "error",
            "files that are not UTF-8",
            tuple(Case((one.name,), one.undecoded) for one in seen if one.undecoded),
            "Nothing, if they are what you mean: as bytes they will do, but most likely they are no text."
            if tokens == "bytes"
            else "Save them as UTF-8, or take data.tokens=bytes.",
        ),
        *_whole(texts, length),
        *_copies(seen),
        Finding(
            "error" if share > LEAKED else "warning",
            f"passages of the held-out text that stand in the training text, {100 * share:.2g} % of it",
            tuple(_copied(one, training, held_out) for one in found if training and held_out),
            "What is measured on these was learnt by heart. Hold out a text of its own, called val.txt.",
        ),
        _strangers(counts, codes),
        Finding(
            "warning",
            "files without a character",
            tuple(Case((one.name,), one.name) for one in seen if not one.content and not one.unreadable),
            "Delete them.",
        ),
    ]
    kind = str(codes.document()["kind"])
    described = {part: _described(part, each, counts[part], codes, seen) for part, each in texts.items()}
    return TextReport(kind, codes.names, described, share, worst_first(findings))


def _counts(texts: Texts | None, vocabulary: int) -> np.ndarray:
    """How often each token occurs, (V,)."""
    found = np.zeros(vocabulary, np.int64)
    for start in range(0, len(texts) if texts else 0, COUNTED):
        assert texts
        found += np.bincount(texts.read(start, min(COUNTED, len(texts) - start)), minlength=vocabulary)
    return found


def _described(part: str, each: Texts | None, counts: np.ndarray, codes: Codes, seen: list[_Look]) -> Part:
    """Bytes and characters follow from the tokens; of a tokenizer's, from the files that are all of the part."""
    kind, tokens = codes.document()["kind"], int(counts.sum())
    length: int | None = None
    characters: int | None = None
    if kind == "bytes":
        length = tokens
        if not any(one.undecoded for one in seen):
            characters = tokens - int(counts[FOLLOWING].sum())
    elif kind == "characters":
        widths = np.array([len(name.encode("utf-8", "surrogatepass")) for name in codes.names])
        length, characters = int((counts * widths).sum()), tokens
    elif {one.part for one in seen} == {TRAINING, HELD_OUT}:
        own = [one for one in seen if one.part == part and one.characters]
        length, characters = sum(len(one.content) for one in own), sum(one.characters or 0 for one in own)
    return Part(len(each.parts) if each else 0, length, characters, tokens, tuple(counts.tolist()))


def _whole(texts: dict[str, Texts | None], length: int) -> Iterator[Finding]:
    """What leaves nothing to train or to measure on."""
    yield Finding(
        "error",
        "parts without text",
        tuple(Case((), part) for part, each in texts.items() if not each),
        "Add text; where none is called val or test, a share of the whole is held out.",
    )
    yield Finding(
        "error",
        f"parts shorter than a window of {length} tokens",
        tuple(Case((), f"{part}: {len(each)} tokens") for part, each in texts.items() if each and len(each) <= length),
        "Add text, hold out more (data.held_out=0.2), or read less at a time (preprocessing.length=64).",
    )


def _copies(seen: list[_Look]) -> Iterator[Finding]:
    """Files that are there more than once."""
    groups = defaultdict(list)
    for one in seen:
        if one.content:
            groups[hashlib.blake2b(one.content, digest_size=16).digest()].append(one)
    same = [group for group in groups.values() if len(group) > 1]
    both = [group for group in same if len({one.part for one in group}) > 1]
    for level, what, some, advice in (
        ("error", "the same file in both parts", both, "What is measured on it was learnt by heart. Delete one copy."),
        (
            "warning",
            "the same file more than once in a part",
            [group for group in same if max(Counter(one.part for one in group).values()) > 1],
            "It counts double. Delete the copies, unless that is meant.",
        ),
    ):
        cases = (Case(tuple(one.name for one in group), " = ".join(one.name for one in group)) for group in some)
        yield Finding(level, what, tuple(cases), advice)  # type: ignore[arg-type]


def _strangers(counts: dict[str, np.ndarray], codes: Codes) -> Finding:
    """Tokens that are asked for and were never seen; of a tokenizer many are to be expected."""
    kind = codes.document()["kind"]
    learnt = counts[TRAINING]
    strange: list[int] = np.flatnonzero((counts[HELD_OUT] > 0) & (learnt == 0) & learnt.any()).tolist()
    order = sorted(strange, key=lambda token: -int(counts[HELD_OUT][token]))
    return Finding(
        "note" if kind == "tokenizer" else "warning",
        {"bytes": "bytes", "characters": "characters"}.get(str(kind), "tokens")
        + " of the held-out text that the training text lacks",
        tuple(Case((codes.names[t],), f"{codes.names[t]!r}: {counts[HELD_OUT][t]} times") for t in order),
        "They cannot be learnt, and each costs many bits.",
    )


def _copied(one: Passage, training: Texts, held_out: Texts) -> Case:
    codes, shown = held_out.codes, min(one.count, SPAN)
    text = " ".join(codes.decode(held_out.read(one.start, shown)).split())
    line = f"tokens {one.start} to {one.start + one.count} = {one.source} to {one.source + one.count}: {text}"
    return Case((training.root,), line)
