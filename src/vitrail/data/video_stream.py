"""The frames of a video in order, one at a time in memory; and when each is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from vitrail.data.video import Video, VideoFile
from vitrail.data.video_frames import Fit


def in_order(video: Video, wanted: Sequence[int], fit: Fit) -> Iterator[tuple[int, np.ndarray]]:
    """(number, (H, W, 3) uint8 RGB, upright) of frames wherever they are stored, as `VideoFile.stream` has them.

    Args:
        wanted: Numbers that rise.     fit: Of the first one's (H, W), the (H, W) that all of them get.
    Raises: InputError naming a video of which one of them cannot be had, when its turn comes.
    """
    if isinstance(video, VideoFile):
        yield from video.stream(wanted, fit)
        return
    size: tuple[int, int] | None = None
    for number in wanted:
        frame = video.frames([number])[0]
        size = size or fit((frame.shape[0], frame.shape[1]))
        if frame.shape[:2] != size:
            frame = np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.BILINEAR))
        yield number, frame


def seconds(video: Video) -> np.ndarray | None:
    """(n + 1,) when each of the n frames is shown, from 0, and when the last one ends; None where nothing says it."""
    return video.seconds() if isinstance(video, VideoFile) else None
