"""Which positions of a stage share a window, block by block, for a picture's size: block, shifted and interleaved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.geometry.links import Links, window_links
from vitrail.mixers import WindowAttention, WindowMLP
from vitrail.models.assemble import Network
from vitrail.models.others import without_numbers
from vitrail.pyramid import Pyramid, Stage


@dataclass(frozen=True, eq=False)
class Groups:
    """The windows of some blocks of a stage.

    stage: From 1.     blocks: Their numbers through the network, from 1.
    kind: block, shifted or interleaved.     sides: Tokens of a window, (M_h, M_w).     stride: Pixels of a token.
    members: (h, w) whole numbers from 0; positions with the same number read each other.
    """

    stage: int
    blocks: tuple[int, ...]
    kind: str
    sides: tuple[int, ...]
    stride: int
    members: Tensor

    @property
    def count(self) -> int:
        return int(self.members.max()) + 1


def window_groups(model: nn.Module, size: tuple[int, int]) -> list[Groups]:
    """The windows of every block that has them, those of one stage that are alike together.

    What a cyclic shift brought round shares a window's slots with others but reads them not, so it is a group apart.
    Raises: InputError for a network whose blocks have no windows, or are not known.
    """
    name = getattr(model, "name", type(model).__name__)
    if not isinstance(model, Network) or not isinstance(getattr(model, "trunk", None), Pyramid):
        raise InputError(f"{name}: vitrail does not know its blocks, so there are no windows of them to draw.")
    found: list[Groups] = []
    number = 0
    with torch.no_grad():  # on the meta device, so that every stem says itself what it leaves out
        twin: Any = without_numbers(model)
        maps = twin.trunk(torch.zeros(1, getattr(model.spec, "in_channels", 3), *size, device="meta"))
    grids = [tuple(each.shape[1:3]) for each in maps]
    for stage, (body, grid, stride) in enumerate(zip(model.trunk.stages, grids, model.strides, strict=True), start=1):
        alike: dict[object, int] = {}
        assert isinstance(body, Stage)
        for block in body.blocks:
            number += 1
            mixer = next((m for m in block.modules() if isinstance(m, WindowAttention | WindowMLP)), None)
            if mixer is None:
                continue
            windows = mixer.windows
            if windows in alike:
                known = found[alike[windows]]
                found[alike[windows]] = replace(known, blocks=(*known.blocks, number))
                continue
            alike[windows] = len(found)
            kind = "interleaved" if windows.interleaved else "shifted" if windows.shift else "block"
            sides = tuple(axis.tokens for axis in windows.axes(grid))
            own = getattr(mixer, "lim", None) is None  # LIM's links cross windows
            links = mixer.links(grid) if own else window_links(windows, grid)
            found.append(Groups(stage, (number,), kind, sides, stride, classes(links)))
    if not found:
        raise InputError(f"{name} has no windows to draw.")
    return found


def classes(links: Links) -> Tensor:
    """Groups of positions that read each other, numbered, (*S), where links are such groups along each axis."""
    total = torch.zeros((), dtype=torch.long)
    (term,) = links.terms
    for axis in term:
        number = torch.unique(axis.long().argmax(1), return_inverse=True)[1]  # the first of each group, in order
        total = total[..., None] * (int(number.max()) + 1) + number
    return total
