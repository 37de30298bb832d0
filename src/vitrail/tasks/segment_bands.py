"""From what a segmenter said of a picture to the class of each of its pixels, a band of rows at a time.

K classes. A picture of H x W pixels is looked at resized to h x w, as a whole or in windows, in one view or several;
logits stay as coarse as the model gives them until a band of rows asks for its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

NUMBERS = 1 << 24  # of logits in a band of one view: 64 MB
Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Window:
    """What a model said of a part of a resized picture.

    logits: (K, ., .) of any coarseness, of a frame of `frame` (height, width) pixels.
    size: The part of the frame, at its top left, that shows the picture; beyond it is what filled the frame up.
    top, left: Where that part lies in the picture.
    """

    logits: Tensor
    frame: Size
    size: Size
    top: int = 0
    left: int = 0

    def rows(self, first: int, last: int) -> Tensor:
        """Logits of rows `first` to `last` of this part, (K, last - first, width)."""
        low, high = _needed(self.logits.shape[1], self.frame[0], first, last)
        part = _stretched(self.logits[:, low:high], low, self.logits.shape[1], self.frame[0], first, last)
        return _widened(part, self.frame[1])[..., : self.size[1]]


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture resized to `size` (h, w), looked at in windows that cover it.   mirrored: Left for right."""

    windows: tuple[Window, ...]
    size: Size
    mirrored: bool = False

    def rows(self, first: int, last: int) -> Tensor:
        """Logits of rows `first` to `last`, (K, last - first, w), unmirrored: the mean over the windows of a pixel."""
        total = self._mean(first, last) if len(self.windows) > 1 else self.windows[0].rows(first, last)
        return total.flip(2) if self.mirrored else total

    def _mean(self, first: int, last: int) -> Tensor:
        logits = self.windows[0].logits
        total = torch.zeros(logits.shape[0], last - first, self.size[1], device=logits.device)
        count = torch.zeros(last - first, self.size[1], device=logits.device)
        for one in self.windows:
            above, below = max(first, one.top), min(last, one.top + one.size[0])
            if above < below:
                rows, columns = slice(above - first, below - first), slice(one.left, one.left + one.size[1])
                total[:, rows, columns] += one.rows(above - one.top, below - one.top)
                count[rows, columns] += 1
        return total.div_(count)


def class_map(views: Sequence[Seen], size: Size) -> Tensor:
    """The likeliest class of each pixel of the picture, (H, W) uint8 for a `size` of (H, W).

    Of several views the probabilities are averaged, at the picture's own size. Logits of all K classes stand in memory
    for a band of rows alone.
    Source: mmsegmentation's order: logits to the frame's size, cut to the picture, to its own size, softmax, mean.
    """
    classes = views[0].windows[0].logits.shape[0]
    widest = max([size[1], *(one.frame[1] for view in views for one in view.windows)])
    shrunk = max([1.0, *(view.size[0] / size[0] for view in views)])
    step = max(int(NUMBERS / (classes * widest * shrunk)), 1)
    found = torch.empty(size, dtype=torch.uint8, device=views[0].windows[0].logits.device)
    for first in range(0, size[0], step):
        last = min(first + step, size[0])
        logits = (_resized(view, size, first, last) for view in views)
        if len(views) == 1:
            best = next(logits)
        else:
            best = torch.zeros(classes, last - first, size[1], device=found.device)
            for one in logits:
                best += one.softmax(0)
        found[first:last] = best.argmax(0)
    return found


def _resized(view: Seen, size: Size, first: int, last: int) -> Tensor:
    """Rows `first` to `last` of the logits of a picture of `size`."""
    low, high = _needed(view.size[0], size[0], first, last)
    return _widened(_stretched(view.rows(low, high), low, view.size[0], size[0], first, last), size[1])


def _needed(old: int, new: int, first: int, last: int) -> tuple[int, int]:
    """Which of `old` rows make rows `first` to `last` of `new`."""
    if old == new:
        return first, last
    above, _ = _places(old, new, first, first + 1)
    below, _ = _places(old, new, last - 1, last)
    return int(above[0]), min(int(below[0]) + 2, old)


def _places(old: int, new: int, first: int, last: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """The row above each, and the share of the one below it; half-pixel centres, in torch's own float32."""
    scale = torch.tensor(old, dtype=torch.float32) / new
    places = ((torch.arange(first, last, dtype=torch.float32) + 0.5) * scale - 0.5).clamp(min=0)
    above = places.long().clamp(max=old - 1)
    return above.to(device), (places - above).to(device)


def _stretched(x: Tensor, offset: int, old: int, new: int, first: int, last: int) -> Tensor:
    """Rows `first` to `last` of `new`, bilinearly.   x: (K, ., W), the `old` rows from `offset` on, as `_needed`."""
    x = x.float()
    if old == new:
        return x
    above, share = _places(old, new, first, last, x.device)
    below = (above + 1).clamp(max=old - 1) - offset
    return torch.lerp(x[:, above - offset], x[:, below], share[:, None])


def _widened(x: Tensor, width: int) -> Tensor:
    """(K, n, .) -> (K, n, width), bilinearly."""
    if x.shape[2] == width:
        return x
    return F.interpolate(x[None], (x.shape[1], width), mode="bilinear", align_corners=False)[0]
