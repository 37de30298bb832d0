"""Which frames of a video make its clips: numbers in, numbers out.   n frames of a video, K clips of T frames."""

from __future__ import annotations

import numpy as np
import torch

from vitrail.data.clip_settings import Sampling


def draw(count: int, sampling: Sampling) -> np.ndarray:
    """The frames of one clip for training, its place drawn with torch's generator.

    A video shorter than the clip, length x interval frames, is begun at its first frame and repeated. "uniform" draws
    from pieces of n / T frames, whole or not: frame ⌊(t + u) n / T⌋, u uniform in [0, 1).
    Differs: where T does not divide n, the releases' "uniform" takes pieces of ⌊n / T⌋ frames, and never sees the last
    ones of a video.

    Args:
        count: n, one or more.
    Returns: (T,) int64 in 0..n-1.
    """
    if sampling.how == "uniform":
        moved = torch.rand(sampling.length, dtype=torch.float64).numpy()
        return _of_pieces(count, sampling.length, moved)
    free = count - sampling.length * sampling.interval
    first = int(torch.randint(free + 1, ())) if free > 0 else 0
    return _from(np.asarray([first]), count, sampling)[0]


def spread(count: int, sampling: Sampling, clips: int = 1) -> np.ndarray:
    """The frames of K clips for use, spread over the video.

    "interval": with a span s = T x interval, clip k begins at ⌊(k + 1/2) (n - s + 1) / K⌋. "dense": at
    ⌊k (n - s) / (K - 1)⌋, one clip in the middle. "uniform": clip k takes from each piece the frame at (k + 1/2) / K of
    it, so one clip takes the middle ones. A video shorter than s is begun at its first frame and repeated.

    Args:
        count: n, one or more.     clips: K.
    Returns: (K, T) int64 in 0..n-1.
    """
    if sampling.how == "uniform":
        return np.stack([_of_pieces(count, sampling.length, (k + 0.5) / clips) for k in range(clips)])
    free = max(count - sampling.length * sampling.interval, 0)
    number = np.arange(clips)
    if sampling.how == "dense":
        firsts = number * free // (clips - 1) if clips > 1 else np.asarray([free // 2])
    else:
        firsts = (2 * number + 1) * (free + 1) // (2 * clips) if free else np.zeros_like(number)
    return _from(firsts, count, sampling)


def _from(firsts: np.ndarray, count: int, sampling: Sampling) -> np.ndarray:
    """(K,) first frames -> (K, T), beginning again where the video ends."""
    return (firsts[:, None] + np.arange(sampling.length) * sampling.interval) % count


def _of_pieces(count: int, pieces: int, moved: np.ndarray | float) -> np.ndarray:
    """(T,) frames, each at a share `moved`, in [0, 1), of its piece."""
    return np.minimum((np.arange(pieces) + moved) * count / pieces, count - 1).astype(np.int64)
