"""What a long video shows as it goes on: a window of a clip's length slides over it.

n frames of a video, W windows, K classes, T frames of a clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor, nn

from vitrail.data import clip_sampling, video_stream
from vitrail.data.clip_settings import ClipPreprocessing, Sampling
from vitrail.data.clip_transforms import larger, middle, normalise, tensor
from vitrail.data.video import Video
from vitrail.data.video_frames import shrunk
from vitrail.train.record import track

Span = tuple[int, int]  # the first frame of a window, and the one behind its last


@dataclass(frozen=True, eq=False)
class OverTime:
    """The windows of one video, in order.

    spans: W.     shares: (W, K) probabilities of each.
    clock: (n + 1,) when each frame is shown and when the last one ends, rising: in `unit`, which is frames where no
        rate is known.
    """

    spans: tuple[Span, ...]
    shares: np.ndarray
    clock: np.ndarray
    unit: str

    @cached_property
    def middles(self) -> np.ndarray:
        """(W,) the time in the middle of each window."""
        return self.clock[np.asarray(self.spans)].mean(1)

    def at(self, times: np.ndarray) -> np.ndarray:
        """(t,) times -> (t, K): in a line from the middle of one window to the next, held before the first and after
        the last."""
        place = np.interp(times, self.middles, np.arange(len(self.spans)))  # among the windows
        low = place.astype(np.int64)
        part = (place - low)[:, None]
        return (1 - part) * self.shares[low] + part * self.shares[np.minimum(low + 1, len(self.spans) - 1)]


def windows(count: int, span: int, step: int) -> list[Span]:
    """The first at the first frame, the next `step` frames later, ...; one more where frames are left over at the end,
    which ends with the last; one of all frames where there are fewer than `span`.

    Args:
        count: n.     span, step: Frames, one or more.
    """
    last = max(count - span, 0)
    firsts = [*range(0, last, step), last]
    return [(first, min(first + span, count)) for first in firsts]


def over_time(
    model: nn.Module,
    video: Video,
    size: tuple[int, int],
    settings: ClipPreprocessing,
    step: int | None = None,
    progress: bool = True,
) -> OverTime:
    """What a model of clips says of each window of a video, each looked at as if it were a whole video.

    Every frame is decoded at most once, in order; of the frames that clips take those of two windows or so are in
    memory at a time, cut to `size`, however long the video is.

    Args:
        size: (H, W) of a clip.     step: Frames from one window to the next; None: half a window, length x interval.
    Raises: InputError naming a video of which a frame cannot be had.
    """
    count, sampling = video.count(), settings.sampling
    span = sampling.length * sampling.interval
    spans = windows(count, span, step or max(span // 2, 1))
    device, shares = next(model.parameters()).device, []
    clips = _clips(video, spans, sampling, size, settings.share)
    for clip in track(clips, len(spans), "over time") if progress else clips:
        with torch.no_grad():
            scores = model(normalise(clip[None].to(device), settings))
        shares.append(scores.float().softmax(1).cpu().numpy())
    seconds = video_stream.seconds(video)
    if seconds is None:
        return OverTime(tuple(spans), np.concatenate(shares), np.arange(count + 1.0), "frames")
    return OverTime(tuple(spans), np.concatenate(shares), seconds, "seconds")


def _clips(
    video: Video, spans: list[Span], sampling: Sampling, size: tuple[int, int], share: float
) -> Iterator[Tensor]:
    """The clip of each window, (3, T, *size) uint8; a frame is let go once no later window begins at or before it."""
    taken = [first + clip_sampling.spread(behind - first, sampling)[0] for first, behind in spans]
    wanted = np.unique(np.concatenate(taken)).tolist()
    frames = video_stream.in_order(video, wanted, partial(shrunk, cover=larger(size, share)))
    kept: dict[int, Tensor] = {}
    for place, numbers in enumerate(taken):
        while int(numbers.max()) not in kept:
            number, frame = next(frames)
            kept[number] = middle(tensor(frame[None]), size, share)[0]
        yield torch.stack([kept[number] for number in numbers.tolist()], 1)
        behind = int(taken[place + 1].min()) if place + 1 < len(taken) else 0
        for number in [number for number in kept if number < behind]:
            del kept[number]
