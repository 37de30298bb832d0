"""Safe decoding of video: frames asked for by number, to upright 8-bit RGB; or one clear line saying why not.

T frames asked for, each H x W.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vitrail.data import video_index
from vitrail.data.images import MOST_PIXELS, printable
from vitrail.data.video_frames import Converter, Fit, Taken
from vitrail.data.video_index import Index
from vitrail.errors import InputError

SUFFIXES = (".mp4", ".webm", ".avi", ".mov", ".mkv", ".m4v")
CONTAINERS = ("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi")
CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg")
WORTH_SEEKING = 8  # frames that going to a key frame must spare


_indices = video_index.Remembered()


class Video(Protocol):
    """Frames by number, wherever they are stored."""

    @property
    def name(self) -> str: ...

    def count(self) -> int:
        """How many frames there are, one or more. Raises: InputError naming a video that cannot be read."""
        ...

    def about(self) -> About:
        """What it is like, every frame decoded. Raises: InputError naming one that cannot be read whole."""
        ...

    def frames(self, wanted: Sequence[int], cover: tuple[int, int] | None = None) -> np.ndarray:
        """The frames with these numbers, from 0, in any order and as often as asked.

        Args:
            cover: (H, W) in pixels. A video half as large again, or more, is shrunk, its shape kept, to the smallest
                size that covers these; others come as they are.
        Returns: (T, H, W, 3) uint8 RGB, upright.
        Raises: InputError naming a video of which one of these frames cannot be had.
        """
        ...


@dataclass(frozen=True, eq=False)
class About:
    """What a video is like.

    rate: Frames a second, where they are evenly spaced; None where it says nothing.     codec: FFmpeg's name.
    pixel: Width / height of a pixel as it is meant to be shown.     middle: The middle frame, (H, W, 3) uint8, upright.
    """

    count: int
    rate: float | None
    codec: str
    pixel: float
    middle: np.ndarray


@dataclass(frozen=True)
class VideoFile:
    """A video in a file: MP4, MOV, WebM, Matroska or AVI with H.264, HEVC, VP8, VP9, AV1, MPEG-4 or Motion JPEG.

    A frame is found by its time: decoding begins at the key frame before it. Where a file gives no times, frames are
    counted from the start. Turned and mirrored as the file says; 10 and 12 bits become 8; the alpha of VP9 is dropped,
    so that the colours stored below it show; pixels are taken as square whatever the file says. Where frames change
    their size, all have that of the first one asked for.

    Args:
        threads: Of the decoder; 0 is one for each core. They change nothing but the speed.
    """

    path: Path
    threads: int = 1
    name: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.path))

    def count(self) -> int:
        return self.index().count

    def index(self) -> Index:
        """Times and key frames; each file is looked through once. Raises: InputError as `count`."""
        said = regular(self.path, self.name)
        return _indices.get((str(self.path), said.st_size, said.st_mtime_ns), self._look_through)

    def about(self) -> About:
        """What it is like, every frame decoded. Raises: InputError where one of them cannot be, or some are missing."""
        count = self.count()
        taken = Taken(np.asarray([count // 2]), None, self.name)
        with _opened(self.path, self.name, self.threads) as (container, stream):
            rate: Fraction | None = stream.average_rate or stream.guessed_rate
            shape, codec = stream.sample_aspect_ratio, _codec(stream)
            shown = 0
            for frame in _decoded(container, stream):
                taken.put(shown, frame)
                shown += 1
        if shown < count:
            raise InputError(f"{self.name}: {shown} of its {count} frames can be decoded.")
        return About(count, float(rate) if rate else None, codec, float(shape or 1), taken.upright(np.zeros(1, int))[0])

    def frames(self, wanted: Sequence[int], cover: tuple[int, int] | None = None) -> np.ndarray:
        index = self.index()
        order, places = np.unique(np.asarray(wanted, dtype=np.int64), return_inverse=True)
        if not len(order) or order[0] < 0 or order[-1] >= index.count:
            raise InputError(f"{self.name}: wanted some of its frames 0 to {index.count - 1}; got {list(wanted)[:8]}.")
        taken = Taken(order, cover, self.name)
        for way in (_counted,) if index.times is None else (_seeking, _timed):
            with _opened(self.path, self.name, self.threads) as (container, stream):
                for number, frame in way(container, stream, index, taken.missing):
                    taken.put(number, frame)
                    if not taken.missing:
                        return taken.upright(places)
        raise InputError(f"{self.name}: frame {min(taken.missing)} of {index.count} cannot be decoded.")

    def stream(self, wanted: Sequence[int], fit: Fit) -> Iterator[tuple[int, np.ndarray]]:
        """(number, (H, W, 3) uint8 RGB, upright) of these frames, decoded once from the start, one at a time in memory.

        Args:
            wanted: Numbers that rise.     fit: Of the first one's upright (H, W), the (H, W) that all of them get.
        Raises: InputError naming a video of which one of them cannot be had, when its turn comes.
        """
        index, waiting = self.index(), iter(wanted)
        number, converter = next(waiting, None), Converter(fit, self.name)
        with _opened(self.path, self.name, self.threads) as (container, stream):
            if index.times is None:
                shown: Iterator[tuple[int, Any]] = enumerate(_decoded(container, stream))
            else:
                shown = _told(_decoded(container, stream, {index.time(each) for each in wanted}), index)
            for at, frame in shown:
                if at == number:
                    yield at, converter.upright(converter.rgb(frame)[None])[0]
                    number = next(waiting, None)
                if number is None or at > number:
                    break
        if number is not None:
            raise InputError(f"{self.name}: frame {number} of {index.count} cannot be decoded.")

    def seconds(self) -> np.ndarray | None:
        """(n + 1,) when each frame is shown, from 0, and when the last one ends; None where the file does not say."""
        index = self.index()
        with _opened(self.path, self.name, self.threads) as (_, stream):
            rate, tick = stream.average_rate or stream.guessed_rate, stream.time_base
        if index.times is None or not tick:
            return np.arange(index.count + 1) / float(rate) if rate else None
        starts = (index.times - index.times[0]) * float(tick)
        last = float(np.median(np.diff(starts))) if index.count > 1 else 1 / float(rate or 25)
        return np.append(starts, starts[-1] + last)

    def _look_through(self) -> Index:
        def count_shown() -> int:
            with _opened(self.path, self.name, self.threads) as (container, stream):
                count = sum(1 for _ in _decoded(container, stream))
            if not count:
                raise InputError(f"{self.name}: no frame in it can be decoded.")
            return count

        with _opened(self.path, self.name, self.threads) as (container, stream):
            guessed = container.format.name == "avi" and stream.codec_context.has_b_frames
            return video_index.read(container.demux(stream), _codec(stream), guessed, count_shown, self.name)


@contextmanager
def _opened(path: Path, name: str, threads: int) -> Iterator[tuple[Any, Any]]:
    """The open file and its stream of pictures. Raises: InputError for whatever goes wrong inside."""
    try:
        import av
    except ImportError as error:
        raise InputError("Videos are decoded by PyAV, which is missing: pip install 'vitrail[video]'") from error
    regular(path, name)
    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{os.fspath(path)}", options=options, metadata_errors="replace") as container:
            stream = container.streams.best("video")
            if stream is None:
                raise InputError(f"{name}: holds no pictures.")
            codec = _codec(stream)
            if codec not in CODECS:
                raise InputError(f"{name}: is coded as {codec}; wanted one of {', '.join(CODECS)}.")
            for other in container.streams:
                if other.index != stream.index:
                    other.discard = av.stream.Discard.all
            stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
            stream.codec_context.thread_count = threads
            stream.codec_context.thread_type = "AUTO"
            yield container, stream
    except av.error.FFmpegError as error:
        raise InputError(f"{name}: not a readable video ({_reason(error)}).") from error


def regular(path: Path, name: str) -> os.stat_result:
    """What the system says of a file. Raises: InputError where it cannot be read, or is a pipe or a device."""
    try:
        said = os.stat(path)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror}).") from error
    if not stat.S_ISREG(said.st_mode):
        raise InputError(f"{name}: cannot be read (it is no regular file).")
    return said


def _reason(error: Any) -> str:
    return str(error.strerror or type(error).__name__).strip().rstrip(".")


def _codec(stream: Any) -> str:
    """FFmpeg's name of how a stream is coded, whichever of its decoders reads it."""
    return stream.codec_context.codec.canonical_name if stream.codec_context else "nothing known here"


def _decoded(container: Any, stream: Any, needed: Collection[int] | None = None) -> Iterator[Any]:
    """Frames in the order they are shown.

    Args:
        needed: Times of the frames that matter. Of H.264, others that no frame refers to are then not decoded, which
            changes no bit of those that are and saves a fifth of the work where every other frame is asked for.
    """
    sparing = needed is not None and _codec(stream) == "h264"
    for packet in container.demux(stream):
        if sparing:
            kept = packet.pts is None or packet.pts in needed  # type: ignore[operator]
            stream.codec_context.skip_frame = "DEFAULT" if kept else "NONREF"
        yield from packet.decode()


def _counted(container: Any, stream: Any, index: Index, wanted: Collection[int]) -> Iterator[tuple[int, Any]]:
    """Every frame from the start with its number, where only counting tells it."""
    return enumerate(_decoded(container, stream))


def _timed(container: Any, stream: Any, index: Index, wanted: Collection[int]) -> Iterator[tuple[int, Any]]:
    """Every frame from the start with its number, told by its time; those of no known time left out."""
    return _told(_decoded(container, stream), index)


def _seeking(container: Any, stream: Any, index: Index, wanted: Collection[int]) -> Iterator[tuple[int, Any]]:
    """(number, frame) of those wanted and some between, rising, with jumps to key frames over longer ways.

    A frame that a jump landed too late for is left out.
    """
    needed = {index.time(number) for number in wanted}
    frames, at = _told(_decoded(container, stream, needed), index), -1
    for number in sorted(wanted):
        key = index.key_before(number)
        if key - at > WORTH_SEEKING:
            if not _sought(container, stream, index.time(key)):
                return
            frames = _told(_decoded(container, stream, needed), index)
        while at < number:
            found = next(frames, None)
            if found is None:
                return
            at = found[0]
            yield found


def _sought(container: Any, stream: Any, time: int) -> bool:
    """Goes to the key frame at or before a time; False where the file cannot."""
    from av.error import FFmpegError

    try:
        container.seek(time, stream=stream)
    except FFmpegError:
        return False
    return True


def _told(frames: Iterator[Any], index: Index) -> Iterator[tuple[int, Any]]:
    """Frames with their numbers."""
    for frame in frames:
        number = index.number(frame.pts)
        if number is not None:
            yield number, frame
