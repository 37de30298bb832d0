"""Swin Transformer: attention in block windows that shift in every second block; and Swin-MLP.

Source: arXiv 2103.14030 and its releases (classification, detection, segmentation). Where they differ:
* Classification clamps a window to the shorter side of the map and then does not shift; dense models never clamp and
  shift even a single window.
* Dense models pad a ragged map with zeros that even blocks attend to (`padding="seen"`).
* Masked logits are -100 in the release and excluded here: the same to far below any tolerance.
* "Swin-Mixer-B/D24" of table 10 has 32 channels a head in its released config; it is `swin_mlp_base` here.
* timm and torchvision have rules of their own for maps that windows do not divide (`rule`); at 224 all are one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vitrail.geometry.links import Links, window_links
from vitrail.geometry.windows import Windows
from vitrail.layers.drop_path import drop_path_rates
from vitrail.layers.embed import PatchEmbed, PositionTable
from vitrail.layers.init import init_linear
from vitrail.layers.merge import PatchMerge
from vitrail.layers.mlp import MLP
from vitrail.mixers import SlidingAttention, WindowAttention, WindowMLP
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
    check_stages,
    clamp_smaller,
    stage_grids,
    stage_windows,
)
from vitrail.pyramid import Block, Pyramid, Residual
from vitrail.tracing import some


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class SwinSpec:
    """One Swin network.

    Fields:
        dim, depths, heads: C of the first stage (doubled at each next), and blocks and heads of each stage.
        window: M; None is the paper's for the size: 7 up to 224, 8 at 256, 10 at 320, 12 at 384. "reach": the
            smallest that make two blocks of a stage global, which for these blocks is the map itself.
        clamp: "smaller": a window no smaller than the shorter side of the map becomes that side, without a shift
            (classification). "never": the map is padded up and shifts (dense tasks).
        mixer: "attention" in windows; "sliding": a window round each query (tables 5 and 6; no shift, no clamp);
            "mlp": a fixed map over the tokens of a window (Swin-MLP, table 10).
        shift: How odd blocks move their windows: "cyclic", "padding" (zeros round the map instead, masked; the
            same function where windows divide the map or padding is masked; table 5), or "none" (table 4).
        position: Table 4's "relative", "absolute", "both", "bias_only" ("rel. pos. w/o app.": weights from the bias
            alone) and "none".
        padding: Whether padding of a ragged map is "seen" as a key, as in the release for dense tasks, or "masked".
        rule: Whose treatment of other sizes. "release": that of `clamp`; pictures are padded to whole patches.
            "timm": each axis clamps by itself and does not shift where one window covers it; a ragged map is shifted
            before it is padded. "torchvision": nothing clamps, and an axis that one window covers does not shift.
            Both leave out the pixels beyond the last whole patch, and do not look at `clamp`.
        checkpoint: Stages whose blocks are recomputed in the backward pass.
    """

    dim: Count = 96
    depths: tuple[Count, ...] = (2, 2, 6, 2)
    heads: tuple[Count, ...] = (3, 6, 12, 24)
    window: Window | Literal["reach"] | None = None
    clamp: Literal["smaller", "never"] = "smaller"
    mixer: Literal["attention", "sliding", "mlp"] = "attention"
    shift: Literal["cyclic", "padding", "none"] = "cyclic"
    position: Literal["relative", "absolute", "both", "bias_only", "none"] = "relative"
    mlp_ratio: PositiveFloat = 4.0
    qkv_bias: bool = True
    drop_path: Share = 0.0
    in_channels: Count = 3
    padding: Literal["seen", "masked"] = "seen"
    rule: Literal["release", "timm", "torchvision"] = "release"
    checkpoint: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        check_stages(self, ("heads",), len(self.depths))
        if self.mixer == "sliding" and (self.position == "bias_only" or self.window == "reach"):
            raise ValueError("mixer='sliding' takes window sizes, and positions other than 'bias_only'")
        if self.mixer == "mlp" and (self.padding == "masked" or self.position not in ("absolute", "none")):
            raise ValueError("mixer='mlp' takes seen padding and position 'none' or 'absolute'")
        if self.rule != "release" and (self.mixer, self.shift, self.padding) != ("attention", "cyclic", "seen"):
            raise ValueError(f"rule={self.rule!r} takes mixer='attention', shift='cyclic' and padding='seen'")
        if self.rule != "release" and self.window == "reach":
            raise ValueError(f"rule={self.rule!r} takes window sizes, not 'reach'")


def _mlp(**fields) -> SwinSpec:
    return SwinSpec(mixer="mlp", shift="padding", position="none", **fields)


# tables 7, 8 and 10 of arXiv 2103.14030; windows follow the size, see `window_for`
VARIANTS = {
    "swin_nano": SwinSpec(dim=16, depths=(2, 2, 6, 2), heads=(1, 2, 4, 8)),  # ours: for laptops, tests, small data
    "swin_tiny": SwinSpec(),
    "swin_small": SwinSpec(depths=(2, 2, 18, 2)),
    "swin_base": SwinSpec(dim=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32)),
    "swin_large": SwinSpec(dim=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48)),
    "swin_tiny_c24": SwinSpec(heads=(4, 8, 16, 32)),
    "swin_mlp_tiny_c24": _mlp(heads=(4, 8, 16, 32)),
    "swin_mlp_tiny_c12": _mlp(heads=(8, 16, 32, 64)),
    "swin_mlp_tiny_c6": _mlp(heads=(16, 32, 64, 128)),
    "swin_mlp_base": _mlp(dim=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32)),
}

# the release's files
WEIGHTS = {
    **{f"swin_{n}.in1k_224": Trained(VARIANTS[f"swin_{n}"], (224, 224)) for n in ("tiny", "small", "base")},
    "swin_base.in1k_384": Trained(VARIANTS["swin_base"], (384, 384)),
    **{
        f"swin_{n}.in22k_{s}": Trained(VARIANTS[f"swin_{n}"], (s, s), 21841)
        for n, s in (("tiny", 224), ("small", 224), ("base", 224), ("base", 384), ("large", 224), ("large", 384))
    },
    **{
        f"swin_{n}.in22k_in1k_{s}": Trained(VARIANTS[f"swin_{n}"], (s, s))
        for n, s in (("tiny", 224), ("small", 224), ("base", 224), ("base", 384), ("large", 224), ("large", 384))
    },
    "swin_tiny_c24.in1k_256": Trained(VARIANTS["swin_tiny_c24"], (256, 256)),
    **{
        f"swin_mlp_tiny_{c}.in1k_256": Trained(VARIANTS[f"swin_mlp_tiny_{c}"], (256, 256)) for c in ("c24", "c12", "c6")
    },
    "swin_mlp_base.in1k_224": Trained(VARIANTS["swin_mlp_base"], (224, 224)),
}


def window_for(size: Grid) -> int:
    """The paper's window for pictures of `size`: 7 up to 224, 8 at 256, 10 at 320, 12 at 384; 7 at every other size."""
    return {(256, 256): 8, (320, 320): 10, (384, 384): 12}.get(size, 7)


def dense(base: SwinSpec) -> SwinSpec:
    """The spec as detection and segmentation take it: windows of 7 that never clamp, and always shift."""
    return replace(base, window=7 if base.window is None else base.window, clamp="never")


def classifier(spec: SwinSpec, size: Grid = (224, 224), num_classes: int = 1000) -> Classifier:
    """(B, C_in, H, W) -> (B, num_classes) logits, or (B, 8C) features for num_classes=0."""
    model = linear_classifier(pyramid(spec, size), num_classes)
    model.apply(init_linear)
    return model


def backbone(spec: SwinSpec, size: Grid = (224, 224)) -> Backbone:
    """(B, C_in, H, W) -> four maps, each through a norm of its own, (B, C_s, H_s, W_s)."""
    trunk = pyramid(spec, size)
    model = Backbone(trunk, [nn.LayerNorm(dim) for dim in trunk.channels])
    model.apply(init_linear)
    return model


def pyramid(spec: SwinSpec, size: Grid) -> Pyramid:
    """The trunk, with windows and shifts resolved for pictures of `size`, (H, W)."""
    grids = token_grids(spec, size)
    resolved = resolve_windows(spec, size)
    drops = drop_path_rates(spec.drop_path, spec.depths)

    def block(stage: int, index: int, dim: int) -> Block:
        window, may_shift = resolved[stage]
        shift = half_window(spec, grids[stage], window) if may_shift and index % 2 == 1 else (0, 0)
        return swin_block(spec, stage, dim, window, shift, drops[stage][index])

    def down(stage: int, dim_in: int, dim_out: int) -> nn.Module:
        return PatchMerge(dim_in, dim_out)

    position = PositionTable(grids[0], spec.dim) if spec.position in ("absolute", "both") else None
    embed = PatchEmbed if spec.rule == "release" else WholePatchEmbed
    stem = embed(spec.in_channels, spec.dim, position=position)
    dims = tuple(spec.dim * 2**stage for stage in range(len(spec.depths)))
    trunk = Pyramid(stem, stem.patch, dims, spec.depths, block, down)
    trunk.checkpoint_stages(spec.checkpoint)
    return trunk


def swin_block(spec: SwinSpec, stage: int, dim: int, window: Grid, shift: Grid, drop: float) -> Block:
    """One block: a mixer, then an MLP, each with its norm before it."""
    return Block(
        mix=Residual(nn.LayerNorm(dim), swin_mixer(spec, stage, dim, window, shift), drop),
        mlp=Residual(nn.LayerNorm(dim), MLP(dim, int(dim * spec.mlp_ratio)), drop),
    )


def swin_mixer(spec: SwinSpec, stage: int, dim: int, window: Grid, moved: Grid = (0, 0)) -> nn.Module:
    """The token mixer of one block, with its windows `moved`, unless the spec has no shift."""
    heads = spec.heads[stage]
    bias = spec.position in ("relative", "both", "bias_only")
    if spec.mixer == "sliding":
        return SlidingAttention(dim, heads, window, bias=bias, qkv_bias=spec.qkv_bias)
    shift = moved if spec.shift != "none" and any(moved) else None
    if spec.mixer == "mlp":
        return WindowMLP(dim, heads, Windows(window, shift=shift, wrap=False))
    by_padding = shift is not None and spec.shift == "padding"
    attention = ShiftThenPad if spec.rule == "timm" and shift else WindowAttention
    return attention(
        dim,
        heads,
        Windows(window, shift=shift, padding="masked" if by_padding else spec.padding, wrap=not by_padding),
        bias=bias,
        product=spec.position != "bias_only",
        qkv_bias=spec.qkv_bias,
    )


def resolve_windows(spec: SwinSpec, size: Grid) -> tuple[tuple[Grid, bool], ...]:
    """(M_h, M_w) of each stage for pictures of `size`, and whether odd blocks shift, by the spec's rule."""
    grids = token_grids(spec, size)
    if spec.window == "reach":

        def pair(stage: int, window: Grid) -> tuple[Block, Block]:
            dim = 8 * spec.heads[stage]
            half = half_window(spec, grids[stage], window) if window != grids[stage] else (0, 0)
            return (
                swin_block(spec, stage, dim, window, (0, 0), 0.0),
                swin_block(spec, stage, dim, window, half, 0.0),
            )

        chosen = smallest_windows(grids, pair)
        return tuple((window, window != grid) for grid, window in zip(grids, chosen, strict=True))
    windows = stage_windows(window_for(size) if spec.window is None else spec.window, len(grids))
    if spec.rule == "timm":
        windows = tuple(
            (min(grid[0], window[0]), min(grid[1], window[1])) for grid, window in zip(grids, windows, strict=True)
        )
    if spec.clamp == "never" or spec.mixer == "sliding" or spec.rule != "release":
        return tuple((window, True) for window in windows)
    return tuple(
        (clamp_smaller(grid, window), grid[0] > window[0] and grid[1] > window[1])
        for grid, window in zip(grids, windows, strict=True)
    )


def half_window(spec: SwinSpec, grid: Grid, window: Grid) -> Grid:
    """How far odd blocks move their windows: M // 2; 0 on an axis that one window covers, by a library's rule."""
    half = (window[0] // 2, window[1] // 2)
    if spec.rule == "release":
        return half
    return (half[0] if grid[0] > window[0] else 0, half[1] if grid[1] > window[1] else 0)


def token_grids(spec: SwinSpec, size: Grid) -> tuple[Grid, ...]:
    """(H, W) of each stage in tokens for pictures of `size`: of whole patches alone by a library's rule."""
    whole = size if spec.rule == "release" else (max(size[0] // 4, 1) * 4, max(size[1] // 4, 1) * 4)
    return stage_grids(whole, len(spec.depths))


def treatment(spec: SwinSpec, size: Grid) -> tuple[Any, ...]:
    """What a spec's rule comes to for pictures of `size`: two that are equal make one function of the same weights."""
    stages = []
    grids = token_grids(spec, size)
    for grid, (window, shifts) in zip(grids, resolve_windows(spec, size), strict=True):
        shift = half_window(spec, grid, window) if shifts else (0, 0)
        ragged = any(length % side for length, side in zip(grid, window, strict=True))
        stages.append((window, shift, spec.rule == "timm" and ragged and any(shift)))
    return (grids[0], *stages)


class WholePatchEmbed(PatchEmbed):
    """Patches that leave out the pixels beyond the last whole one: (B, C_in, H, W) -> (B, H // 4, W // 4, C).

    Source: timm and torchvision, whose strided convolution does not pad.
    """

    def forward(self, x: Tensor) -> Tensor:
        height, width = (s // self.patch * self.patch for s in x.shape[-2:])
        return super().forward(x[..., :height, :width])


class ShiftThenPad(WindowAttention):
    """Attention in shifted windows that moves a ragged map first and pads it afterwards.

    Padding then stands after the rows that were moved round, and the mask, which parts the last `shift` slots from
    the others, sees padding as moved and some moved rows as not.
    Source: timm's Swin. The papers' dense releases and torchvision pad first.
    """

    def forward(self, x: Tensor) -> Tensor:
        axes = self.windows.axes(x.shape[1:-1])
        bottom, right = (a.padded - a.length for a in axes)
        if not some((bottom, right)):
            return super().forward(x)
        there, back = tuple(-a.roll for a in axes), tuple(a.roll for a in axes)
        x = F.pad(torch.roll(x, there, (1, 2)), (0, 0, 0, right, 0, bottom))
        x = super().forward(torch.roll(x, back, (1, 2)))  # which rolls by `there` again, and pads nothing
        return torch.roll(F.pad(torch.roll(x, there, (1, 2)), (0, 0, 0, -right, 0, -bottom)), back, (1, 2))

    def links(self, size: tuple[int, ...]) -> Links:
        axes = self.windows.axes(size)
        places = [((torch.arange(a.length) - a.roll) % a.length + a.roll) % a.padded for a in axes]
        padded = window_links(self.windows, tuple(a.padded for a in axes))
        return Links(
            tuple(tuple(one[at][:, at] for one, at in zip(term, places, strict=True)) for term in padded.terms)
        )
