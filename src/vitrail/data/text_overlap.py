"""Passages of one text that stand in another, word for word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitrail.data.text_set import Texts
from vitrail.data.tracking import Track, silent

SPAN = 64  # tokens of a piece that is looked for; a power of 2
CHUNK = 1 << 20  # tokens that are looked through at a time
FEWEST = 8  # different tokens in a piece that says something; a ruled line says nothing
BASE = np.uint64(0x9E3779B97F4A7C15)  # an odd number: powers of it stay odd


@dataclass(frozen=True)
class Passage:
    """`count` tokens of the one text from `start` on are those of the other from `source` on."""

    start: int
    source: int
    count: int


def passages(training: Texts, held_out: Texts, track: Track = silent) -> list[Passage]:
    """Where pieces of 64 tokens of `held_out`, side by side, stand in `training`; neighbours are put together.

    A copy of 127 tokens or more is surely found, whatever its place. Each piece is looked for by a hash of its tokens,
    in every place at once, and then compared; the first place counts. Memory does not grow with the training text.
    """
    pieces = [held_out.read(start, SPAN) for start in range(0, len(held_out) - SPAN + 1, SPAN)]
    telling = np.array([number for number, piece in enumerate(pieces) if len(set(piece.tolist())) >= FEWEST])
    if not len(telling):
        return []
    wanted = np.array([_hashes(pieces[number])[0] for number in telling])
    order = np.argsort(wanted)
    numbers, wanted = telling[order], wanted[order]
    found: dict[int, int] = {}
    starts = range(0, max(len(training) - SPAN + 1, 0), CHUNK)
    for first in track(starts, len(starts), "looking for copies"):
        tokens = training.read(first, min(CHUNK + SPAN - 1, len(training) - first))
        hashes = _hashes(tokens)
        places = np.flatnonzero(np.isin(hashes, wanted))
        for place in places.tolist():
            begin = int(np.searchsorted(wanted, hashes[place], "left"))
            behind = int(np.searchsorted(wanted, hashes[place], "right"))
            for number in numbers[begin:behind].tolist():
                if number not in found and np.array_equal(tokens[place : place + SPAN], pieces[number]):
                    found[number] = first + place
    joined: list[Passage] = []
    for number in sorted(found):
        start, source, last = number * SPAN, found[number], joined[-1] if joined else None
        if last and (last.start + last.count, last.source + last.count) == (start, source):
            joined[-1] = Passage(last.start, last.source, last.count + SPAN)
        else:
            joined.append(Passage(start, source, SPAN))
    return joined


def _hashes(tokens: np.ndarray) -> np.ndarray:
    """Of each run of 64 tokens the sum of token · base^place, modulo 2^64: (n,) -> (n - 63,). By doubling of runs."""
    found, power, span = tokens.astype(np.uint64) + np.uint64(1), BASE, 1
    while span < SPAN:
        with np.errstate(over="ignore"):
            found = found[:-span] + power * found[span:]
            power = power * power
        span *= 2
    return found
