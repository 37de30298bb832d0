"""Where published configurations stand, and the smallest numbers of blocks of Iwin's structures, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch

from vitrail.geometry.links import links_of
from vitrail.insight.reach import STRUCTURES, Sides, StageReach, measure
from vitrail.models.iwin import VARIANTS, iwin_block
from vitrail.models.spec import override
from vitrail.train.record import track


@dataclass(frozen=True)
class Published:
    """A configuration of a paper. title: As it is called there.     model, size: What ours is."""

    title: str
    model: str
    size: Sides


PUBLISHED = (
    Published("Iwin-T, 224", "iwin_tiny", (224, 224)),
    Published("Iwin-S, -B, -L, 224", "iwin_base", (224, 224)),
    Published("Iwin-S, -B, -L, 384", "iwin_base", (384, 384)),
    Published("Iwin-S, -B, 512", "iwin_base", (512, 512)),
    Published("Iwin-S, -B, 1024", "iwin_base", (1024, 1024)),
    Published("Iwin-T, detection", "dense_iwin_tiny", (800, 1280)),
    Published("Iwin-T, training of segmentation", "dense_iwin_tiny", (512, 512)),
    Published("Video Iwin-T", "video_iwin_tiny", (32, 224, 224)),
    Published("FlashDiT, paper", "flashdit_xl_1", (16, 16)),
    Published("FlashDiT, release", "flashdit_xl_1_released", (16, 16)),
    Published("LightningDiT", "lightningdit_xl_1", (16, 16)),
    Published("Swin-T, 224", "swin_tiny", (224, 224)),
    Published("Swin-S, -B, -L, 224", "swin_base", (224, 224)),
    Published("Swin-B, -L, 384", "swin_base", (384, 384)),
    Published("Swin-T, detection", "dense_swin_tiny", (800, 1280)),
    Published("Video Swin-T", "video_swin_tiny", (32, 224, 224)),
    Published("ScalableViT-S, 224", "scalablevit_small", (224, 224)),
    Published("ScalableViT-B, 224", "scalablevit_base", (224, 224)),
    Published("ScalableViT-L, 224", "scalablevit_large", (224, 224)),
)

# squares of positions over windows, by the number of windows along a side
SQUARES = {
    8: ((56, 7), (96, 12), (128, 16)),
    4: ((28, 7), (64, 16), (16, 4)),
    2: ((14, 7), (32, 16), (16, 8)),
    16: ((256, 16),),
}
KERNELS = (3, 5, 7)


@dataclass(frozen=True)
class Standing:
    """One stage of a published configuration. serial: Blocks until global were it Iwin's serial structure."""

    title: str
    model: str
    size: Sides
    own: StageReach
    serial: int | None


@dataclass(frozen=True)
class Minimum:
    """The smallest numbers of Iwin's blocks that are global on a side x side square of M x M windows."""

    side: int
    window: int
    kernel: int
    parallel: int
    serial: int
    paper: bool  # K·M >= side


def standings() -> list[Standing]:
    """Every stage of every published configuration."""
    found = []
    for each in track(PUBLISHED, len(PUBLISHED), "following"):
        own, *others = measure(each.model, each.size).structures
        serial: list[int | None] = [None] * len(own.stages)
        if others:
            serial = [stage.blocks_until_global for stage in others[0].stages]
        found += [
            Standing(each.title, each.model, each.size, stage, blocks)
            for stage, blocks in zip(own.stages, serial, strict=True)
        ]
    return found


def document(rows: list[Standing]) -> list[dict[str, Any]]:
    """The rows as plain values for JSON."""
    return [asdict(row) for row in rows]


def minimums() -> Iterator[Minimum]:
    """Row after row of the table of smallest numbers, from Iwin's own blocks."""
    for squares in SQUARES.values():
        for side, window in squares:
            for kernel in KERNELS:
                counts = [blocks_until_global(side, window, kernel, structure) for structure in STRUCTURES]
                yield Minimum(side, window, kernel, counts[0], counts[1], kernel * window >= side)


def blocks_until_global(side: int, window: int, kernel: int, structure: str = "parallel") -> int:
    """Iwin's blocks that connect every pair of positions of a square grid. Where they never do, this never ends."""
    with torch.device("meta"):
        spec = override(VARIANTS["iwin_nano"], structure=structure, kernels=(kernel,) * 4)
        block = iwin_block(spec, 0, 8, (window, window), window < side, 0.0)
    one = links = links_of(block, (side, side))
    count = 1
    while not links.everywhere:
        links, count = links.then(one), count + 1
    return count
