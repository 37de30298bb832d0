"""The learned bias of attention logits by relative position inside a window."""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def relative_index(size: tuple[int, ...]) -> Tensor:
    """The row of the bias table for each pair of tokens of a window, (N, N) long with N = prod(size).

    Row of (query p, key q): the coordinates p - q + M - 1 of each axis, row-major over axes of length 2M - 1.
    Source: Swin (arXiv 2103.14030) eq. 4; Video Swin (arXiv 2106.13230) for three axes.
    """
    places = torch.cartesian_prod(*(torch.arange(m) for m in size)).reshape(-1, len(size))
    offset = places[:, None] - places[None, :] + torch.tensor(size) - 1
    return reduce(
        lambda index, axis: index * (2 * size[axis] - 1) + offset[..., axis], range(len(size)), torch.tensor(0)
    )


class RelativeBias(nn.Module):
    """A number for each relative position and head: () -> (h, N, N), to be added to attention logits.

    The table is (prod(2M - 1), h), normal with deviation 0.02; in interleaved windows a step of one place is a step
    of G positions of the map, and the table is indexed by places all the same.
    Source: Swin (arXiv 2103.14030) eq. 4; Iwin (arXiv 2507.18405) table VII, "rel. pos.".
    """

    index: Tensor
    no_decay = ("table",)

    def __init__(self, size: tuple[int, ...], heads: int):
        super().__init__()
        self.size = size
        rows = reduce(lambda total, m: total * (2 * m - 1), size, 1)
        self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(rows, heads), std=0.02))
        self.register_buffer("index", relative_index(size), persistent=False)

    def forward(self) -> Tensor:
        tokens = self.index.shape[0]
        return self.table[self.index.flatten()].unflatten(0, (tokens, tokens)).permute(2, 0, 1)


def resize_table(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """A bias table for windows `old` as one for windows `new`: (prod(2M - 1), h), bicubic with half-pixel centres.

    Source: the release of Swin, which stretches the (2M - 1) x (2M - 1) picture of each head.
    """
    if old == new:
        return table
    picture = table.T.unflatten(-1, (2 * old[0] - 1, 2 * old[1] - 1))[None]
    picture = F.interpolate(picture, size=(2 * new[0] - 1, 2 * new[1] - 1), mode="bicubic", align_corners=False)
    return picture[0].flatten(1).T.contiguous()
