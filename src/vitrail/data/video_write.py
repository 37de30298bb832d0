"""Pictures to a video file: MP4, H.264 where the encoder is there, else MPEG-4; 8 bits, 4:2:0."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from vitrail.errors import InputError

TICKS = {"libx264": Fraction(1, 120_000), "mpeg4": Fraction(1, 60_000)}  # MPEG-4 has no finer ones
OPTIONS = {"libx264": {"preset": "veryfast", "crf": "20"}, "mpeg4": {"q:v": "3"}}


def write(file: BinaryIO, frames: Iterable[tuple[float, np.ndarray]], rate: float, codec: str | None = None) -> None:
    """Writes frames as they come, none of them kept.

    Args:
        file: Open for writing, at its start; it can be sought in.
        frames: When each is shown, seconds, rising; and its (H, W, 3) uint8 RGB, H and W even and alike.
        rate: Frames a second, about, as the file tells it.
        codec: FFmpeg's name; None: the first of `TICKS` that is there.
    Raises: InputError where there is no encoder.
    """
    try:
        import av
    except ImportError as error:
        raise InputError("Videos are written by PyAV, which is missing: pip install 'vitrail[video]'") from error
    codec = codec or next((name for name in TICKS if _there(name)), None)
    if codec is None:
        raise InputError(f"This PyAV encodes neither of {', '.join(TICKS)}; its wheels on PyPI do.")
    tick, stream, last = TICKS[codec], None, -1
    with av.open(file, "w", format="mp4") as container:
        for seconds, pixels in frames:
            if stream is None:
                stream = _stream(container, codec, rate, pixels.shape)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            last = max(round(seconds / tick), last + 1)
            frame.pts, frame.time_base = last, tick
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())


def _stream(container: Any, codec: str, rate: float, shape: tuple[int, ...]) -> Any:
    stream = container.add_stream(codec, Fraction(rate).limit_denominator(1001), options=OPTIONS[codec])
    stream.height, stream.width, stream.pix_fmt = shape[0], shape[1], "yuv420p"
    stream.codec_context.time_base = TICKS[codec]
    return stream


def _there(codec: str) -> bool:
    import av

    try:
        av.codec.Codec(codec, "w")
    except ValueError:  # UnknownCodecError is one
        return False
    return True
