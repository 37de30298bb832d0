"""Video Swin: attention in block windows of space and time that shift in every second block.

Source: arXiv 2106.13230 and its release. Where they differ, and where we do:
* A window is clamped to the clip on each axis, and does not shift on that one.
* The bias table is that of the full window. A clamped window takes the first n x n of the full window's index, which
  is right where time alone is clamped, and pairs wrong offsets where an axis of the frame is: `bias="released"`.
  `bias="corrected"` takes the rows of the offsets.
* Masked logits are -100 in the release and excluded here: the same to far below any tolerance.
* The release resolves windows and shifts at each call; here they are resolved for a size once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass
from torch import nn

from vitrail.geometry.windows import Windows
from vitrail.layers.drop_path import drop_path_rates
from vitrail.layers.embed import ClipEmbed
from vitrail.layers.merge import PatchMerge
from vitrail.layers.mlp import MLP
from vitrail.layers.relative import RelativeBias
from vitrail.mixers import OnAxes, WindowAttention
from vitrail.models.assemble import VideoClassifier, video_classifier
from vitrail.models.spec import CHECKED, Clip, Count, Grid, Share, Stage, Trained, check_stages, clip_grids
from vitrail.pyramid import Block, Pyramid, Residual

FRAME = (1, 2)  # the axes of (T, H, W) that are a frame


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class VideoSwinSpec:
    """One Video Swin network.

    Fields:
        dim, depths, heads: C of the first stage (doubled at each next), and blocks and heads of each stage.
        frames: T of the clips that it is built for; others are taken too.
        patch_time: p_t, the frames of one token.
        window: (M_t, M_h, M_w), clamped to the clip on each axis.
        bias: The rows of the bias table that a clamped window takes, as "released" or "corrected".
        padding: Whether padding of a ragged clip is "seen" as a key, as in the release, or "masked".
        dropout: Before the head.
        checkpoint: Stages whose blocks are recomputed in the backward pass.
    """

    dim: Count = 96
    depths: tuple[Count, ...] = (2, 2, 6, 2)
    heads: tuple[Count, ...] = (3, 6, 12, 24)
    frames: Count = 32
    patch_time: Count = 2
    window: tuple[Count, Count, Count] = (8, 7, 7)
    bias: Literal["released", "corrected"] = "released"
    mlp_ratio: PositiveFloat = 4.0
    qkv_bias: bool = True
    drop_path: Share = 0.0
    dropout: Share = 0.5
    in_channels: Count = 3
    padding: Literal["seen", "masked"] = "seen"
    checkpoint: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        check_stages(self, ("heads",), len(self.depths))


# table of variants, arXiv 2106.13230 section 3.3, and ours for laptops and tests
VARIANTS = {
    "video_swin_nano": VideoSwinSpec(dim=16, heads=(1, 2, 4, 8)),
    "video_swin_tiny": VideoSwinSpec(),
    "video_swin_small": VideoSwinSpec(depths=(2, 2, 18, 2)),
    "video_swin_base": VideoSwinSpec(dim=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32)),
    "video_swin_large": VideoSwinSpec(dim=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48)),
}

_BASE = VARIANTS["video_swin_base"]
# the release's files; for Something-Something v2 the window holds all 16 moments
WEIGHTS = {
    **{
        f"video_swin_{name}.in1k_k400_224": Trained(VARIANTS[f"video_swin_{name}"], (224, 224), 400)
        for name in ("tiny", "small", "base")
    },
    "video_swin_base.in22k_k400_224": Trained(_BASE, (224, 224), 400),
    "video_swin_base.in22k_k600_224": Trained(_BASE, (224, 224), 600),
    "video_swin_base.k400_ssv2_224": Trained(replace(_BASE, window=(16, 7, 7)), (224, 224), 174),
}


def classifier(spec: VideoSwinSpec, size: Grid = (224, 224), num_classes: int = 400) -> VideoClassifier:
    """(B, C_in, T, H, W) -> (B, num_classes) logits, or (B, 8C) features for num_classes=0."""
    return video_classifier(pyramid(spec, size), num_classes, spec.dropout, spec.patch_time)


def pyramid(spec: VideoSwinSpec, size: Grid) -> Pyramid:
    """The trunk, with windows and shifts resolved for clips of `spec.frames` frames of `size`, (H, W)."""
    resolved = resolve_windows(spec, size)
    drops = drop_path_rates(spec.drop_path, spec.depths)

    def block(stage: int, index: int, dim: int) -> Block:
        window, shift = resolved[stage]
        return swin_block(spec, stage, dim, window, shift if index % 2 and any(shift) else None, drops[stage][index])

    def down(stage: int, dim_in: int, dim_out: int) -> nn.Module:
        return OnAxes(PatchMerge(dim_in, dim_out), FRAME)

    stem = ClipEmbed(spec.in_channels, spec.dim, (spec.patch_time, 4, 4))
    dims = tuple(spec.dim * 2**stage for stage in range(len(spec.depths)))
    trunk = Pyramid(stem, 4, dims, spec.depths, block, down)
    trunk.checkpoint_stages(spec.checkpoint)
    return trunk


def swin_block(spec: VideoSwinSpec, stage: int, dim: int, window: Clip, shift: Clip | None, drop: float) -> Block:
    """One block: attention, then an MLP, each with its norm before it."""
    heads = spec.heads[stage]
    bias = RelativeBias(spec.window, heads, inside=window, corner=spec.bias == "released")
    windows = Windows(window, shift=shift, padding=spec.padding)
    attention = WindowAttention(dim, heads, windows, bias=bias, qkv_bias=spec.qkv_bias)
    return Block(
        mix=Residual(nn.LayerNorm(dim), attention, drop),
        mlp=Residual(nn.LayerNorm(dim), MLP(dim, int(dim * spec.mlp_ratio)), drop),
    )


def resolve_windows(spec: VideoSwinSpec, size: Grid) -> tuple[tuple[Clip, Clip], ...]:
    """Window and shift of each stage for clips of `spec.frames` frames of `size`, (H, W), each (T, H, W)."""
    resolved = []
    for grid in clip_grids(spec.frames, size, len(spec.depths), spec.patch_time):
        axes = [(s, 0) if s <= m else (m, m // 2) for s, m in zip(grid, spec.window, strict=True)]
        window, shift = zip(*axes, strict=True)
        resolved.append((window, shift))
    return tuple(resolved)
