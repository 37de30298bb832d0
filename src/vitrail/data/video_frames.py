"""From decoded frames to one array of pixels: RGB, of one size, upright.   T frames, each H x W."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from vitrail.data.images import MOST_PIXELS
from vitrail.errors import InputError

MATRIX = "DISPLAYMATRIX"
MOST_BYTES = 2**31  # of the frames that one call gives
WORTH_SHRINKING = 1.5  # times that a video is larger: less is left to the resize that follows
Turned = tuple[bool, bool, bool]  # whether rows and columns change places, then left and right, then top and bottom
UPRIGHT: Turned = (False, False, False)
Fit = Callable[[tuple[int, int]], tuple[int, int]]  # (H, W) of an upright frame -> the (H, W) that is wanted


class Converter:
    """Decoded frames to RGB, all of the size that the first one gets.

    Args:
        fit: Of an upright frame's (H, W), the (H, W) that is wanted.     name: What errors call the video.
    Attributes:
        size: (H, W) of what `rgb` gives; set by the first frame.     turned: What `upright` undoes.
    """

    def __init__(self, fit: Fit, name: str) -> None:
        from av.video.reformatter import VideoReformatter

        self.fit, self.name = fit, name
        self.converter = VideoReformatter()  # one for all frames: it keeps its tables
        self.size: tuple[int, int] | None = None
        self.turned = UPRIGHT

    def begin(self, frame: Any) -> tuple[int, int]:
        """`size`, told by this frame if it is the first. Raises: InputError for one of too many pixels."""
        if self.size is None:
            if frame.width * frame.height > MOST_PIXELS:
                raise InputError(
                    f"{self.name}: {frame.width} x {frame.height} pixels are more than the limit of {MOST_PIXELS}."
                )
            self.turned = turned(frame)
            height, width = self.fit((frame.width, frame.height) if self.turned[0] else (frame.height, frame.width))
            self.size = (width, height) if self.turned[0] else (height, width)
        return self.size

    def rgb(self, frame: Any) -> np.ndarray:
        """(*size, 3) uint8, as it is stored."""
        height, width = self.begin(frame)
        return self.converter.reformat(frame, width, height, "rgb24", threads=1).to_ndarray()

    def upright(self, whole: np.ndarray) -> np.ndarray:
        """(T, *size, 3) -> (T, H, W, 3)."""
        transposed, mirrored, upended = self.turned
        whole = whole.transpose(0, 2, 1, 3) if transposed else whole
        whole = whole[:, :, ::-1] if mirrored else whole
        return np.ascontiguousarray(whole[:, ::-1] if upended else whole)


class Taken:
    """Frames on their way into one array: RGB, all of one size, upright at the end.

    Attributes:
        missing: Numbers that were not put in yet.
    """

    def __init__(self, order: np.ndarray, cover: tuple[int, int] | None, name: str) -> None:
        self.places = {int(number): place for place, number in enumerate(order)}
        self.missing = set(self.places)
        self.converter = Converter(partial(shrunk, cover=cover), name)
        self.array: np.ndarray | None = None

    def put(self, number: int, frame: Any) -> None:
        """Takes a frame if it is missing."""
        if number not in self.missing:
            return
        if self.array is None:
            height, width = self.converter.begin(frame)
            within(self.converter.name, len(self.places), height, width)
            self.array = np.empty((len(self.places), height, width, 3), dtype=np.uint8)
        self.array[self.places[number]] = self.converter.rgb(frame)
        self.missing.discard(number)

    def upright(self, places: np.ndarray) -> np.ndarray:
        """Those at `places`, turned."""
        assert self.array is not None
        whole = self.array
        if len(places) != len(whole) or (places != np.arange(len(places))).any():
            within(self.converter.name, len(places), *whole.shape[1:3])
            whole = whole[places]
        return self.converter.upright(whole)


def within(name: str, count: int, height: int, width: int) -> None:
    """Nothing where so many frames may be in memory at once. Raises: InputError naming the video."""
    if count * height * width * 3 > MOST_BYTES:
        raise InputError(
            f"{name}: {count} frames of {width} x {height} are more than the limit of {MOST_BYTES >> 20} MiB; "
            "ask for fewer, or smaller ones."
        )


def shrunk(size: tuple[int, int], cover: tuple[int, int] | None) -> tuple[int, int]:
    """(H, W) of the smallest picture of the same shape that covers `cover`; `size` where it is not worth shrinking."""
    zoom = max(new / old for new, old in zip(cover, size, strict=True)) if cover else 1.0
    if cover is None or zoom * WORTH_SHRINKING > 1:
        return size
    height, width = (max(round(old * zoom), new) for old, new in zip(size, cover, strict=True))
    return height, width


def turned(frame: Any) -> Turned:
    """How a stored frame becomes upright, from the matrix that the file gives; the nearest quarter turn.

    Source: av_display_rotation_get of FFmpeg's libavutil/display.h: x' = a x + c y, y' = b x + d y.
    """
    matrix = next((np.frombuffer(bytes(one), dtype="=i4") for one in frame.side_data if one.type.name == MATRIX), None)
    if matrix is None or len(matrix) != 9:
        return UPRIGHT
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, c < 0, b < 0
    return False, a < 0, d < 0
