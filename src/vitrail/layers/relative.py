"""The learned bias of attention logits by relative position inside a window."""

from __future__ import annotations

from functools import reduce
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def relative_index(size: tuple[int, ...], inside: tuple[int, ...] | None = None) -> Tensor:
    """The row of the bias table for each pair of tokens of a window, (N, N) long with N = prod(size).

    Row of (query p, key q): the coordinates p - q + M - 1 of each axis, row-major over axes of length 2M - 1.
    Args:
        inside: The sides of a smaller window that uses the same table; N is then theirs.
    Source: Swin (arXiv 2103.14030) eq. 4; Video Swin (arXiv 2106.13230) for three axes.
    """
    places = torch.cartesian_prod(*(torch.arange(m) for m in inside or size)).reshape(-1, len(size))
    offset = places[:, None] - places[None, :] + torch.tensor(size) - 1
    return reduce(
        lambda index, axis: index * (2 * size[axis] - 1) + offset[..., axis], range(len(size)), torch.tensor(0)
    )


class RelativeBias(nn.Module):
    """A number for each relative position and head: () -> (h, N, N), to be added to attention logits.

    The table is (prod(2M - 1), h), normal with deviation 0.02; in interleaved windows a step of one place is a step
    of G positions of the map, and the table is indexed by places all the same.
    Args:
        size: M, the window that the table is for.
        inside: The sides of a smaller window that uses the table of a larger one; N is then theirs.
        corner: The rows of a smaller window are those of the first N tokens of the larger one, as in the release of
            Video Swin: right where the first axis alone is smaller, and offsets of other pairs where another is.
    Source: Swin (arXiv 2103.14030) eq. 4; Iwin (arXiv 2507.18405) table VII, "rel. pos."; Video Swin (arXiv
        2106.13230) and its release for `inside`.
    """

    index: Tensor
    no_decay = ("table",)

    def __init__(self, size: tuple[int, ...], heads: int, inside: tuple[int, ...] | None = None, corner: bool = False):
        super().__init__()
        self.size, self.inside, self.corner = size, inside or size, corner
        rows = reduce(lambda total, m: total * (2 * m - 1), size, 1)
        self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(rows, heads), std=0.02))
        if corner:
            tokens = prod(self.inside)
            index = relative_index(size)[:tokens, :tokens]
        else:
            index = relative_index(size, inside)
        self.register_buffer("index", index, persistent=False)

    def forward(self) -> Tensor:
        tokens = self.index.shape[0]
        return self.table[self.index.flatten()].unflatten(0, (tokens, tokens)).permute(2, 0, 1)


def resize_table(table: Tensor, old: tuple[int, ...], new: tuple[int, ...]) -> Tensor:
    """A bias table for windows `old` as one for windows `new`: (prod(2M - 1), h), with half-pixel centres.

    Bicubic over the last two axes; of three, linear along the first, time.
    Source: the release of Swin, which stretches the (2M - 1) x (2M - 1) picture of each head. That of Video Swin leaves
        open what becomes of another length of window; time is ours, as embeddings of time are resized.
    """
    if old == new:
        return table
    (*_, height, width), (*moments, rows, columns) = ([2 * m - 1 for m in size] for size in (old, new))
    picture = table.T.unflatten(-1, (-1, height, width))  # (h, offsets in time, 2M_h - 1, 2M_w - 1)
    if (height, width) != (rows, columns):
        frames = F.interpolate(picture.flatten(0, 1)[None], (rows, columns), mode="bicubic", align_corners=False)
        picture = frames[0].unflatten(0, picture.shape[:2])
    if moments and moments != [picture.shape[1]]:
        series = F.interpolate(picture.flatten(2).mT, moments[0], mode="linear", align_corners=False)
        picture = series.mT.unflatten(2, (rows, columns))
    return picture.flatten(1).T.contiguous()
