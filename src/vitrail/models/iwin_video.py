"""Video Iwin: the blocks of Iwin on clips, with interleaved windows that hold every frame.

Source: arXiv 2507.18405, section III-D and figure 9, and its release. Where they differ, and where we do:
* The release's time embedding has the length of 32 frames and refuses others; here `frames` is a field, and another
  length is interpolated linearly.
* The release resolves windows at each call; here they are resolved for a size once, and forward never changes them.
  Every frame of a clip is in the window whatever its length.
* The convolution of the last stage exists in no video model.
* The release's configs for Something-Something v2 name windows of 16 x 7 x 7, with which its code fails; the first
  number means nothing to these windows.
* Figure 9 leaves two ways to be free of the time embedding for later, without details. They are ours here:
  `time="interleave"` and `time="kernel"`.
* Printed multiply-adds (74 G for T) leave out the products of attention, which Swin's 88 G have: 109 G like for like.
"""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass
from torch import nn

from vitrail.geometry.windows import Windows
from vitrail.layers.drop_path import drop_path_rates
from vitrail.layers.embed import ClipEmbed, TimeTable
from vitrail.layers.init import init_clip_conv
from vitrail.layers.merge import ConvMerge
from vitrail.layers.mlp import MLP
from vitrail.mixers import DepthwiseConv, OnAxes, Sum, WindowAttention
from vitrail.models.assemble import VideoClassifier, video_classifier
from vitrail.models.spec import (
    CHECKED,
    Clip,
    Count,
    Grid,
    Share,
    Stage,
    Trained,
    Window,
    check_conv_stages,
    check_stages,
    clip_grids,
    stage_windows,
)
from vitrail.pyramid import Block, Pyramid, Residual

FRAME, TIME = (1, 2), (0,)  # the axes of (T, H, W) that are a frame, and time


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class VideoIwinSpec:
    """One Video Iwin network.

    Fields:
        dim, depths, heads: C of the first stage (doubled at each next), and blocks and heads of each stage.
        frames: T of the clips that it is built for; others are taken too.
        patch_time: p_t, the frames of one token.
        window: M of H and W, clamped to the map on each axis.
        time: How moments are told apart. "embed": an embedding after the stem; windows hold every frame and
            convolutions stay in theirs. "interleave": windows of `time_window` moments interleave along time too,
            beside a convolution along time where there is more than one. "kernel": windows hold every frame, and
            convolutions span `time_kernel` moments.
        conv_stages: Stages with a depthwise convolution; "auto": all but the last, as released.
        kernels: Of the depthwise convolution in each stage.
        padding: Whether padding of a ragged map is "seen" as a key, as in the release, or "masked".
        dropout: Before the head.
        checkpoint: Stages whose blocks are recomputed in the backward pass.
    """

    dim: Count = 96
    depths: tuple[Count, ...] = (2, 2, 6, 2)
    heads: tuple[Count, ...] = (3, 6, 12, 24)
    frames: Count = 32
    patch_time: Count = 2
    window: Window = 7
    time: Literal["embed", "interleave", "kernel"] = "embed"
    time_window: Count = 8
    time_kernel: Count = 3
    conv_stages: tuple[Stage, ...] | Literal["auto"] = "auto"
    kernels: tuple[Count, ...] = (3, 3, 3, 3)
    mlp_ratio: PositiveFloat = 4.0
    qkv_bias: bool = True
    drop_path: Share = 0.0
    dropout: Share = 0.5
    in_channels: Count = 3
    padding: Literal["seen", "masked"] = "seen"
    checkpoint: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        stages = len(self.depths)
        check_stages(self, ("heads", "kernels"), stages)
        check_conv_stages(self, stages)


# the variants of arXiv 2507.18405 on clips, and ours for laptops and tests
VARIANTS = {
    "video_iwin_nano": VideoIwinSpec(dim=16, heads=(1, 2, 4, 8)),
    "video_iwin_tiny": VideoIwinSpec(),
    "video_iwin_small": VideoIwinSpec(depths=(2, 2, 18, 2)),
    "video_iwin_base": VideoIwinSpec(dim=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32)),
    "video_iwin_large": VideoIwinSpec(dim=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48)),
}

WEIGHTS = {
    f"video_iwin_{name}.in1k_k400_224": Trained(VARIANTS[f"video_iwin_{name}"], (224, 224), 400)
    for name in ("tiny", "small")
}


def classifier(spec: VideoIwinSpec, size: Grid = (224, 224), num_classes: int = 400) -> VideoClassifier:
    """(B, C_in, T, H, W) -> (B, num_classes) logits, or (B, 8C) features for num_classes=0."""
    model = video_classifier(pyramid(spec, size), num_classes, spec.dropout, spec.patch_time)
    model.trunk.stem.apply(init_clip_conv)
    return model


def pyramid(spec: VideoIwinSpec, size: Grid) -> Pyramid:
    """The trunk, with windows resolved for clips of `spec.frames` frames of `size`, (H, W)."""
    grids = clip_grids(spec.frames, size, len(spec.depths), spec.patch_time)
    windows = resolve_windows(spec, size)
    convs = range(len(grids) - 1) if spec.conv_stages == "auto" else spec.conv_stages
    drops = drop_path_rates(spec.drop_path, spec.depths)

    def block(stage: int, index: int, dim: int) -> Block:
        return iwin_block(spec, stage, dim, grids[stage][0], windows[stage], stage in convs, drops[stage][index])

    def down(stage: int, dim_in: int, dim_out: int) -> nn.Module:
        return OnAxes(ConvMerge(dim_in, dim_out), FRAME)

    time = TimeTable(grids[0][0], spec.dim) if spec.time == "embed" else None
    stem = ClipEmbed(spec.in_channels, spec.dim, (spec.patch_time, 4, 4), time)
    dims = tuple(spec.dim * 2**stage for stage in range(len(spec.depths)))
    trunk = Pyramid(stem, 4, dims, spec.depths, block, down)
    trunk.checkpoint_stages(spec.checkpoint)
    return trunk


def iwin_block(
    spec: VideoIwinSpec, stage: int, dim: int, moments: int, windows: Windows, conv: bool, drop: float
) -> Block:
    """One block, S1 of figure 3: attention, and convolutions of the same norm beside it."""
    attention = WindowAttention(dim, spec.heads[stage], windows, qkv_bias=spec.qkv_bias)
    local: dict[str, nn.Module] = {}
    side = spec.kernels[stage]
    if conv and spec.time == "kernel":
        local["conv"] = DepthwiseConv(dim, (spec.time_kernel, side, side))
    elif conv:
        local["conv"] = OnAxes(DepthwiseConv(dim, side), FRAME)
    if spec.time == "interleave" and moments > spec.time_window:
        local["time"] = OnAxes(DepthwiseConv(dim, spec.time_kernel, axes=1), TIME)
    return Block(
        mix=Residual(nn.LayerNorm(dim), Sum(attention, **local) if local else attention, drop),
        mlp=Residual(nn.LayerNorm(dim), MLP(dim, int(dim * spec.mlp_ratio)), drop),
    )


def resolve_windows(spec: VideoIwinSpec, size: Grid) -> tuple[Windows, ...]:
    """The windows of each stage for clips of `spec.frames` frames of `size`, (H, W): clamped on each axis."""
    grids = clip_grids(spec.frames, size, len(spec.depths), spec.patch_time)
    windows = []
    for (moments, *grid), sides in zip(grids, stage_windows(spec.window, len(grids)), strict=True):
        height, width = (min(pair) for pair in zip(grid, sides, strict=True))
        if spec.time == "interleave":
            clip: Clip = (min(moments, spec.time_window), height, width)
            windows.append(Windows(clip, interleaved=True, padding=spec.padding))
        else:
            every = (1, height, width)  # one window along time, however long it is
            windows.append(Windows(every, interleaved=True, padding=spec.padding, by=("count", "size", "size")))
    return tuple(windows)
