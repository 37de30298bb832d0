"""Videos written for tests, whose frames tell their number however they were coded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

BITS, CELL = 8, 8  # of a frame's number: black or white squares in the top row, least first


def numbered(count: int, height: int = 40, width: int = 72) -> np.ndarray:
    """(T, H, W, 3): frame t shows t in its top row, on a ground that moves a little."""
    y, x = np.mgrid[:height, :width]
    film = np.empty((count, height, width, 3), dtype=np.uint8)
    for t in range(count):
        film[t] = np.stack([(3 * x + 5 * t) % 200, (4 * y + 2 * t) % 200, (x + y + t) % 200], -1)
        for bit in range(BITS):
            film[t, :CELL, bit * CELL : (bit + 1) * CELL] = 255 * (t >> bit & 1)
    return film


def number(frame: np.ndarray) -> int:
    """What a frame of `numbered` says, in its own size."""
    middles = frame[CELL // 2, CELL // 2 : BITS * CELL : CELL].mean(-1)
    return sum(int(value > 128) << bit for bit, value in enumerate(middles))


def write(
    path: Path,
    film: np.ndarray,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    turned: tuple[int, bool, bool] | None = None,
    rate: int = 25,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Writes frames (T, H, W, 3), each side even, in the container that the suffix names.

    Args:
        turned: Degrees clockwise, mirrored, upended: what the file says must be done to show it.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", container_options=container_options) as container:
        stream = container.add_stream(codec, rate, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *film.shape[1:3], pixels
        if turned:
            stream.set_display_rotation(turned[0], hflip=turned[1], vflip=turned[2])
        for frame in film:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    return path


def plain(root: Path, names: Sequence[str], frames: int = 6) -> None:
    """Small H.264 videos at these paths, each of another grey."""
    for place, name in enumerate(names):
        film = np.full((frames, 32, 48, 3), 20 + 30 * place, dtype=np.uint8)
        write(root / name, film, options={"preset": "ultrafast"})
