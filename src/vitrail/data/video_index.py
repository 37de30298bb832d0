"""Which frames a video file has: their times and its key frames, from its packets, without decoding any.

n frames, in the order they are shown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitrail.errors import InputError

MOST_FRAMES = 2_000_000  # 18 hours at 30 frames a second
KEPT = 4096  # indices that a process remembers


@dataclass(frozen=True, eq=False)
class Index:
    """Where the frames of a file are.

    count: n.
    times: (n,) int64, when each is shown, in ticks of the stream, rising. None where the file does not say, as in many
        AVI files: frames are then counted from the start.
    keys: (k,) int64, times of the key frames, rising; decoding can begin at any. At least one where there are times.
    """

    count: int
    times: np.ndarray | None
    keys: np.ndarray

    def time(self, frame: int) -> int:
        """When a frame is shown."""
        assert self.times is not None
        return int(self.times[frame])

    def number(self, time: int | None) -> int | None:
        """The frame that is shown at a time; None where none is."""
        if self.times is None or time is None:
            return None
        place = int(np.searchsorted(self.times, time))
        return place if place < self.count and self.times[place] == time else None

    def key_before(self, frame: int) -> int:
        """The number of the last key frame that is shown no later than a frame; the first frame where none is."""
        assert self.times is not None
        place = int(np.searchsorted(self.keys, self.times[frame], side="right")) - 1
        return int(np.searchsorted(self.times, self.keys[max(place, 0)]))


def read(packets: Iterable[Any], codec: str, guessed: bool, count_shown: Callable[[], int], name: str) -> Index:
    """The index of a stream.

    Args:
        packets: All of the stream, in the order of the file.
        codec: FFmpeg's name of it.
        guessed: Whether the times are FFmpeg's guess: AVI has none, and where frames are stored in another order than
            they are shown the guess is wrong.
        count_shown: Decodes the file and counts; called where the times cannot be told.
    Raises: InputError naming the file, where it holds no frame, or more than `MOST_FRAMES`.
    """
    times: list[int | None] = []
    keys: list[int | None] = []
    for packet in packets:
        if not packet.size or packet.is_discard or (codec == "vp8" and _hidden(packet)):
            continue
        times.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
        if len(times) > MOST_FRAMES:
            raise InputError(f"{name}: more than {MOST_FRAMES} frames.")
    if not times:
        raise InputError(f"{name}: no frame in it.")
    if guessed or None in times or not keys or len(set(times)) < len(times):
        return Index(count_shown(), None, np.empty(0, dtype=np.int64))
    ticks, starts = (np.sort(np.asarray(each, dtype=np.int64)) for each in (times, keys))
    return Index(len(ticks), ticks, starts)


def _hidden(packet: Any) -> bool:
    """Whether a packet of VP8 holds a frame that others refer to and nobody sees. Source: RFC 6386, section 9.1."""
    return not bytes(packet)[0] >> 4 & 1


class Remembered:
    """The last `KEPT` indices of a process, by file."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, Index] = OrderedDict()

    def get(self, key: object, make: Callable[[], Index]) -> Index:
        found = self._kept.get(key) or make()
        self._kept[key] = found
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found
