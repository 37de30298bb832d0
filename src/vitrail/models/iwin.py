"""Iwin Transformer: interleaved-window attention beside a depthwise convolution, no positions needed.

Source: arXiv 2507.18405 and its release. Where they differ:
* Heads of Iwin-S: the paper has (3, 6, 12, 24); the ImageNet-1k weights were trained with (3, 4, 8, 16), its 22k and
  dense weights with the paper's. Shapes are the same, so only `spec.heads` tells: `iwin_small`, `iwin_small_released`.
* The convolution of the last stage: in classification it exists where the map is larger than the window (so at
  1024 x 1024 stage 4 has one), in dense models never.
* Table VII's rows of depths {3, 3, 3, 3} were run with kernels (7, 5, 3, none), as parameters and cost show.
* Figure 3's S2 is not settled by the text: `structure="separate"` reads the block's input without its norm in the
  convolution. It is experimental.
* Theorem 3 (one block is global if K·M >= max(H, W)) does not hold: attention and convolution read the same input and
  do not compose, and a K-wide convolution reaches (K - 1) / 2. Two blocks are global exactly when
  K >= 2·max(H, W) / M - 1; `window="reach"` takes the smallest windows for which they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vitrail.geometry.links import Links, links_of
from vitrail.geometry.windows import Windows
from vitrail.layers.drop_path import drop_path_rates
from vitrail.layers.embed import PatchEmbed, PositionTable
from vitrail.layers.init import init_conv_kaiming, init_linear
from vitrail.layers.merge import AverageMerge, ConvMerge, DepthwiseMerge, PatchMerge
from vitrail.layers.mlp import MLP
from vitrail.mixers import DepthwiseConv, Sum, WindowAttention
from vitrail.models.assemble import Backbone, Classifier, linear_classifier
from vitrail.models.reach import smallest_windows
from vitrail.models.spec import (
    CHECKED,
    Count,
    Grid,
    Share,
    Stage,
    Trained,
    Window,
    check_conv_stages,
    check_stages,
    clamp_smaller,
    stage_grids,
    stage_windows,
)
from vitrail.pyramid import Block, Pyramid, Residual

DOWNS = {"conv": ConvMerge, "depthwise": DepthwiseMerge, "average": AverageMerge, "merge": PatchMerge}


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class IwinSpec:
    """One Iwin network.

    Fields:
        dim, depths, heads: C of the first stage (doubled at each next), and blocks and heads of each stage.
        window: M; None is the paper's for the size: 7 up to 224, 12 at 384, 16 at 512 and 1024. "reach": the smallest
            that make two blocks of a stage global.
        clamp: What a map smaller than its window does. "smaller": the window becomes the shorter side on both axes
            (classification). "never": the map is padded up (dense tasks).
        attention: In "interleaved" windows, in "block" windows (table VII's W-MSA), or "none".
        structure: Figure 3's S1 "parallel", S3 "serial", S2 "separate" (experimental).
        conv_stages: Stages with a depthwise convolution; "auto": where the map is larger than its window, or all
            of them without attention.
        kernels: Of the depthwise convolution in each stage.
        down: Table VII's down-samplers: "conv", "depthwise", "average", "merge".
        position: "none", "absolute" (a table added after the stem) or "relative" (a bias in each window).
        padding: Whether padding of a ragged map is "seen" as a key, as in the release for dense tasks, or "masked".
        init: The release's for "classify" or "dense".
        checkpoint: Stages whose blocks are recomputed in the backward pass.
    """

    dim: Count = 96
    depths: tuple[Count, ...] = (2, 2, 6, 2)
    heads: tuple[Count, ...] = (3, 6, 12, 24)
    window: Window | Literal["reach"] | None = None
    clamp: Literal["smaller", "never"] = "smaller"
    attention: Literal["interleaved", "block", "none"] = "interleaved"
    structure: Literal["parallel", "serial", "separate"] = "parallel"
    conv_stages: tuple[Stage, ...] | Literal["auto"] = "auto"
    kernels: tuple[Count, ...] = (3, 3, 3, 3)
    down: Literal["conv", "depthwise", "average", "merge"] = "conv"
    position: Literal["none", "absolute", "relative"] = "none"
    mlp_ratio: PositiveFloat = 4.0
    qkv_bias: bool = True
    drop_path: Share = 0.0
    in_channels: Count = 3
    padding: Literal["seen", "masked"] = "seen"
    init: Literal["classify", "dense"] = "classify"
    checkpoint: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        stages = len(self.depths)
        check_stages(self, ("heads", "kernels"), stages)
        check_conv_stages(self, stages)
        if self.attention == "none" and (self.structure != "parallel" or self.position == "relative"):
            raise ValueError("attention='none' leaves a convolution alone: structure='parallel', no relative position")
        if self.attention == "none" and self.window == "reach":
            raise ValueError("attention='none' has no windows to choose by 'reach'")
        if self.attention == "none" and self.conv_stages not in ("auto", tuple(range(stages))):
            raise ValueError("attention='none' needs a convolution in every stage")


# table of variants, arXiv 2507.18405 section III; windows follow the size, see `window_for`
VARIANTS = {
    "iwin_nano": IwinSpec(dim=16, depths=(2, 2, 6, 2), heads=(1, 2, 4, 8)),  # ours: for laptops, tests, small data
    "iwin_tiny": IwinSpec(),
    "iwin_small": IwinSpec(depths=(2, 2, 18, 2)),
    "iwin_small_released": IwinSpec(depths=(2, 2, 18, 2), heads=(3, 4, 8, 16)),
    "iwin_base": IwinSpec(dim=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32)),
    "iwin_large": IwinSpec(dim=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48)),
}

# the release's files: arch.how-trained; the 1k weights of Iwin-S have the released heads, all others the paper's
WEIGHTS = {
    "iwin_tiny.in1k_224": Trained(VARIANTS["iwin_tiny"], (224, 224)),
    **{f"iwin_small.in1k_{s}": Trained(VARIANTS["iwin_small_released"], (s, s)) for s in (224, 384, 512, 1024)},
    **{f"iwin_base.in1k_{s}": Trained(VARIANTS["iwin_base"], (s, s)) for s in (224, 384, 512, 1024)},
    **{f"iwin_{n}.in22k_224": Trained(VARIANTS[f"iwin_{n}"], (224, 224), 21841) for n in ("small", "base", "large")},
    "iwin_small.in22k_in1k_224": Trained(VARIANTS["iwin_small"], (224, 224)),
    **{f"iwin_base.in22k_in1k_{s}": Trained(VARIANTS["iwin_base"], (s, s)) for s in (224, 384, 512, 1024)},
    **{f"iwin_large.in22k_in1k_{s}": Trained(VARIANTS["iwin_large"], (s, s)) for s in (224, 384)},
}


def window_for(size: Grid) -> int:
    """The paper's window for pictures of `size`: 7 up to 224, 12 at 384, 16 at 512 and 1024; 7 at every other size."""
    return {(384, 384): 12, (512, 512): 16, (1024, 1024): 16}.get(size, 7)


def dense(base: IwinSpec) -> IwinSpec:
    """The spec as dense tasks take it: windows of 7 that never clamp, no convolution in the last stage."""
    last = len(base.depths) - 1
    stages = tuple(range(last)) if base.conv_stages == "auto" and base.attention != "none" else base.conv_stages
    window = 7 if base.window is None else base.window
    return replace(base, window=window, clamp="never", init="dense", conv_stages=stages)


def classifier(spec: IwinSpec, size: Grid = (224, 224), num_classes: int = 1000) -> Classifier:
    """(B, C_in, H, W) -> (B, num_classes) logits, or (B, 8C) features for num_classes=0."""
    return _init(linear_classifier(pyramid(spec, size), num_classes), spec)


def backbone(spec: IwinSpec, size: Grid = (224, 224)) -> Backbone:
    """(B, C_in, H, W) -> four maps, each through a norm of its own, (B, C_s, H_s, W_s)."""
    trunk = pyramid(spec, size)
    return _init(Backbone(trunk, [nn.LayerNorm(dim) for dim in trunk.channels]), spec)


def pyramid(spec: IwinSpec, size: Grid) -> Pyramid:
    """The trunk, with windows and convolutions resolved for pictures of `size`, (H, W)."""
    grids = stage_grids(size, len(spec.depths))
    windows = resolve_windows(spec, size)
    convs = conv_stages(spec, grids, windows)
    drops = drop_path_rates(spec.drop_path, spec.depths)

    def block(stage: int, index: int, dim: int) -> Block:
        return iwin_block(spec, stage, dim, windows[stage], stage in convs, drops[stage][index])

    def down(stage: int, dim_in: int, dim_out: int) -> nn.Module:
        return DOWNS[spec.down](dim_in, dim_out)

    position = PositionTable(grids[0], spec.dim) if spec.position == "absolute" else None
    stem = PatchEmbed(spec.in_channels, spec.dim, position=position)
    dims = tuple(spec.dim * 2**stage for stage in range(len(spec.depths)))
    trunk = Pyramid(stem, stem.patch, dims, spec.depths, block, down)
    trunk.checkpoint_stages(spec.checkpoint)
    return trunk


def iwin_block(spec: IwinSpec, stage: int, dim: int, window: Grid, conv: bool, drop: float) -> Block:
    """One block of figure 3: S1 adds attention and convolution of one norm, S3 has one after the other."""
    local = DepthwiseConv(dim, spec.kernels[stage]) if conv else None
    mlp = Residual(nn.LayerNorm(dim), MLP(dim, int(dim * spec.mlp_ratio)), drop)
    if spec.attention == "none":
        assert local is not None
        return Block(mix=Residual(nn.LayerNorm(dim), local, drop), mlp=mlp)
    attention = WindowAttention(
        dim,
        spec.heads[stage],
        Windows(window, interleaved=spec.attention == "interleaved", padding=spec.padding),
        bias=spec.position == "relative",
        qkv_bias=spec.qkv_bias,
    )
    if local is None:
        return Block(mix=Residual(nn.LayerNorm(dim), attention, drop), mlp=mlp)
    if spec.structure == "serial":
        first = Residual(nn.LayerNorm(dim), local, drop)
        return Block(local=first, mix=Residual(nn.LayerNorm(dim), attention, drop), mlp=mlp)
    if spec.structure == "separate":
        return Block(mix=Residual(None, Sum(_Normed(nn.LayerNorm(dim), attention), local), drop), mlp=mlp)
    return Block(mix=Residual(nn.LayerNorm(dim), Sum(attention, local), drop), mlp=mlp)


def resolve_windows(spec: IwinSpec, size: Grid) -> tuple[Grid, ...]:
    """(M_h, M_w) of each stage for pictures of `size`, by the release's rule."""
    grids = stage_grids(size, len(spec.depths))
    if spec.window == "reach":
        convs = range(len(grids)) if spec.conv_stages == "auto" else spec.conv_stages

        def pair(stage: int, window: Grid) -> tuple[Block, Block]:
            # a window of a whole side needs no convolution, and has none where "auto" decides
            conv = stage in convs and (spec.conv_stages != "auto" or window != grids[stage])
            first, second = (iwin_block(spec, stage, 8 * spec.heads[stage], window, conv, 0.0) for _ in range(2))
            return first, second

        return smallest_windows(grids, pair)
    windows = stage_windows(window_for(size) if spec.window is None else spec.window, len(grids))
    if spec.clamp == "never":
        return windows
    return tuple(clamp_smaller(grid, window) for grid, window in zip(grids, windows, strict=True))


def conv_stages(spec: IwinSpec, grids: tuple[Grid, ...], windows: tuple[Grid, ...]) -> tuple[int, ...]:
    """The stages whose blocks have a convolution. "auto" is the release's rule: those with more than one window."""
    if spec.conv_stages != "auto":
        return spec.conv_stages
    if spec.attention == "none":
        return tuple(range(len(grids)))
    return tuple(
        stage
        for stage, (grid, window) in enumerate(zip(grids, windows, strict=True))
        if grid[0] > window[0] or grid[1] > window[1]
    )


class _Normed(nn.Module):
    """A mixer that carries its own norm."""

    def __init__(self, norm: nn.Module, mixer: nn.Module):
        super().__init__()
        self.norm = norm
        self.mixer = mixer

    def forward(self, x: Tensor) -> Tensor:
        return self.mixer(self.norm(x))

    def links(self, size: tuple[int, ...]) -> Links:
        return links_of(self.mixer, size)


def _init(model, spec: IwinSpec):
    model.apply(init_linear)
    if spec.init == "dense":
        model.apply(init_conv_kaiming)
    return model
