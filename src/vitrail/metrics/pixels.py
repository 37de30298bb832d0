"""Semantic segmentation counted: intersection over union of classes and of their boundaries, and accuracies.

K classes, H x W pixels of a picture. All counts are whole numbers: sums over batches and processes, in any order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from vitrail.metrics.calibration import add

IGNORED = 255
WIDTH = 0.02  # of a picture's diagonal: how far a boundary reaches into its class


class Pixels:
    """mIoU, mAcc and aAcc over all pixels it was shown, from one table of counts over the whole data set.

    A pixel whose truth is `ignored` counts nowhere. Means leave out a class of which there is neither truth nor
    prediction (mIoU), or no truth (mAcc).

    confusion: (K, K + 1) int64; row: the true class, column: the class said, the last for none of the K.
    edges: (3, K) int64; pixels of boundaries: in both, of the truth, of the prediction.
    Args:
        classes: Names of the K classes.     boundary: Whether boundaries are measured, too.
        palette: A colour for each class, for those who draw; nothing is counted by it.
    Source: mIoU as Pascal VOC and mmsegmentation have it; boundary IoU: Cheng et al. (arXiv 2103.16562) equation 1.
    """

    def __init__(
        self,
        classes: Sequence[str],
        boundary: bool = False,
        ignored: int = IGNORED,
        palette: Sequence[tuple[int, int, int]] | None = None,
    ) -> None:
        self.classes, self.boundary, self.ignored, self.palette = tuple(classes), boundary, ignored, palette
        self.confusion = torch.zeros(len(classes), len(classes) + 1, dtype=torch.int64)
        self.edges = torch.zeros(3, len(classes), dtype=torch.int64)

    def update(self, prediction: Sequence[Tensor], target: Sequence[Tensor]) -> None:
        """Counts B pictures: (H, W) whole numbers of each, the class said and the true one, or `ignored`.

        Raises: ValueError where sizes differ, or a truth is neither a class nor `ignored`.
        """
        for said, truth in zip(prediction, target, strict=True):
            self._add(said, truth.to(said.device))

    def states(self) -> tuple[Tensor, ...]:
        """The counts, for another process to `absorb`."""
        return self.confusion, self.edges

    def absorb(self, states: Iterable[tuple[Tensor, ...]]) -> None:
        """Counts what other processes did, too."""
        add(self.states(), states)

    def compute(self) -> dict[str, float]:
        """mIoU, mAcc, aAcc and, where it is measured, boundary_mIoU, all in [0, 1]; NaN before the first pixel."""
        columns = self._columns()
        right = self.confusion.diagonal().sum().double()
        result = {
            "mIoU": float(columns["IoU"].nanmean()),
            "mAcc": float(columns["acc"].nanmean()),
            "aAcc": float(right / self.confusion.sum()),
        }
        return result | ({"boundary_mIoU": float(columns["boundary_IoU"].nanmean())} if self.boundary else {})

    def per_class(self) -> dict[str, dict[str, float]]:
        """IoU, acc, boundary_IoU where it is measured, and share, of all true pixels; NaN for what cannot be said."""
        columns = self._columns()
        return {name: {key: float(values[k]) for key, values in columns.items()} for k, name in enumerate(self.classes)}

    def _columns(self) -> dict[str, Tensor]:
        count = len(self.classes)
        right, truth = self.confusion.diagonal().double(), self.confusion.sum(1).double()
        said = self.confusion[:, :count].sum(0)
        columns = {"IoU": right / (truth + said - right), "acc": right / truth}
        if self.boundary:
            both, of_truth, of_said = self.edges.double()
            columns["boundary_IoU"] = both / (of_truth + of_said - both)
        return columns | {"share": truth / truth.sum()}

    def _add(self, said: Tensor, truth: Tensor) -> None:
        if said.shape != truth.shape or said.ndim != 2:
            raise ValueError(f"a prediction {tuple(said.shape)} of {tuple(truth.shape)}; wanted (H, W) of both.")
        count = len(self.classes)
        counted = truth != self.ignored
        pairs = torch.stack([truth[counted].long(), said[counted].long()])
        if pairs.numel() and not 0 <= int(pairs[0].min()) <= int(pairs[0].max()) < count:
            raise ValueError(
                f"truths {int(pairs[0].min())} to {int(pairs[0].max())}; wanted 0 to {count - 1} or {self.ignored}."
            )
        pairs[1][(pairs[1] < 0) | (pairs[1] >= count)] = count
        cells = (pairs[0] * (count + 1) + pairs[1]).bincount(minlength=count * (count + 1))
        self.confusion += cells.view(count, count + 1).cpu()
        if self.boundary:
            self.edges += edges(said, truth, counted, count).cpu()


def edges(said: Tensor, truth: Tensor, counted: Tensor, classes: int) -> Tensor:
    """Pixels of boundaries of each class: in both, of the truth, of the prediction, (3, K) int64.

    The boundary of a class is what lies inside it, no further than d pixels from outside it, across corners too; d is
    2 % of the picture's diagonal, rounded, and at least 1. Beyond the picture is outside. Pixels that are not counted
    are of no class, in truth and prediction.
    Differs: the paper measures instances; here all pixels of a class are one mask, and all pictures are added up, as
    its authors do for semantic segmentation.
    """
    reach = max(round(WIDTH * math.hypot(*truth.shape)), 1)
    frames = [torch.where(counted & (one >= 0) & (one < classes), one.to(torch.int16), -1) for one in (truth, said)]
    inner, outer = (frame.masked_fill(inside(frame, reach), -1) for frame in frames)
    rows = (torch.where(inner == outer, inner, -1), inner, outer)
    return torch.stack([(row[row >= 0]).long().bincount(minlength=classes) for row in rows])


def inside(labels: Tensor, reach: int) -> Tensor:
    """(H, W) int16 -> (H, W) bool: whether all within `reach` pixels, across corners too, have the same label.

    Beyond the picture is another label. Each window's largest and smallest label are found by doubling: the largest of
    2w pixels is the larger of two of w.
    """
    extent = 2 * reach + 1
    most = least = torch.nn.functional.pad(labels, [reach] * 4, value=-2)
    for axis in (0, 1):
        most, least = _spread(most, extent, axis, torch.maximum), _spread(least, extent, axis, torch.minimum)
    return most == least


def _spread(x: Tensor, extent: int, axis: int, combine) -> Tensor:
    """The combination of each `extent` neighbours along an axis, which gets `extent - 1` shorter."""
    width = 1
    while width < extent:
        step = min(width, extent - width)
        x = combine(x.narrow(axis, 0, x.shape[axis] - step), x.narrow(axis, step, x.shape[axis] - step))
        width += step
    return x
