"""ScalableViT: blocks with attention over the whole, reduced map (SSA) and in windows that interact (IWSA) take turns.

Source: arXiv 2203.10790; its release for classification is described by the facts below, its dense code never came out.
* LayerNorms have eps 1e-6, except the one inside the reduction of SSA (1e-5).
* Even blocks are IWSA, odd ones SSA; after the first block of each stage a depthwise 3x3 convolution (PEG) is added.
  The paper calls PEG's weights fixed; the release learns them, without weight decay.
* The last stage's SSA has no reduction; its r_c then changes no shape and still the scale.
* The release takes only sizes that windows and strides divide, and never clamps a window. Here zeros fill up.
* With num_classes=0 the release leaves the 4096 wide layer of its two-layer head; here it gives the pooled map.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass
from torch import nn

from vitrail.geometry.windows import Windows
from vitrail.layers.drop_path import drop_path_rates
from vitrail.layers.embed import ConvEmbed, ConvStem
from vitrail.layers.init import init_conv_fan_out, init_linear
from vitrail.layers.linear import Linear
from vitrail.layers.mlp import MLP
from vitrail.mixers import DepthwiseConv, ScalableAttention, WindowAttention
from vitrail.models.assemble import Backbone, Classifier
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
    stage_grids,
    stage_windows,
)
from vitrail.pyramid import Block, Pyramid, Residual

EPS = 1e-6


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class ScalableViTSpec:
    """One ScalableViT network.

    Fields:
        dim, depths, heads: C of the first stage (doubled at each next), and blocks and heads of each stage.
        window: M of the attention in windows, for all stages or each; never clamped. "reach": the smallest that make
            two blocks of a stage global, for patterns without "ssa" (which is global by itself).
        ratios: r_c of SSA in each stage: the width of its queries and keys over C.
        reductions: s of SSA in each stage: r_n = 1 / s^2.
        pattern: The mixers that blocks take in turn, "window" and "ssa". Table 5's all-WSA and all-IWSA are
            ("window",), all-SSA ("ssa",), SSA & IWSA ("ssa", "window").
        windows: "block"; "shifted": every second block with windows shifts them by half, as Swin does (table 5's
            SWSA); "interleaved".
        local: A depthwise 3x3 of the values added to attention in windows: "lim" over the map, "lem" inside each
            window, or "none" (then IWSA is WSA).
        peg: The convolution added after the first block of each stage.
        bias: A relative position bias in the windows; the paper does not say whether its SWSA had one.
        head: "two_layer": Linear to 4096, norm, GELU, Linear; "plain": one Linear.
        padding: Whether padding of a ragged map is "seen" as a key in windows, or "masked".
        checkpoint: Stages whose blocks are recomputed in the backward pass.
    """

    dim: Count = 64
    depths: tuple[Count, ...] = (2, 2, 20, 2)
    heads: tuple[Count, ...] = (2, 4, 8, 16)
    window: Window | Literal["reach"] = 7
    ratios: tuple[PositiveFloat, ...] = (1.25, 1.25, 1.25, 1.0)
    reductions: tuple[Count, ...] = (8, 4, 2, 1)
    pattern: tuple[Literal["window", "ssa"], ...] = ("window", "ssa")
    windows: Literal["block", "shifted", "interleaved"] = "block"
    local: Literal["lim", "lem", "none"] = "lim"
    peg: bool = True
    bias: bool = False
    head: Literal["two_layer", "plain"] = "two_layer"
    hidden: Count = 4096
    mlp_ratio: PositiveFloat = 4.0
    qkv_bias: bool = True
    drop_path: Share = 0.0
    in_channels: Count = 3
    padding: Literal["seen", "masked"] = "seen"
    checkpoint: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        check_stages(self, ("heads", "ratios", "reductions"), len(self.depths))
        if not self.pattern:
            raise ValueError("pattern needs at least one of 'window' and 'ssa'")
        if self.window == "reach" and "ssa" in self.pattern:
            raise ValueError("window='reach' has nothing to choose: a block of SSA reads the whole map by itself")


_SMALL = ScalableViTSpec()
_BASE = ScalableViTSpec(dim=96, depths=(2, 2, 14, 6), heads=(3, 6, 12, 24), ratios=(2.0, 1.25, 1.25, 1.0))
_LARGE = ScalableViTSpec(dim=128, depths=(2, 6, 12, 4), heads=(4, 8, 16, 32), ratios=(0.25, 0.5, 1.0, 1.0))

# table 1 of arXiv 2203.10790; "_plain" are the release's presets with one linear layer as head
VARIANTS = {
    "scalablevit_nano": ScalableViTSpec(dim=16, depths=(2, 2, 6, 2), heads=(1, 2, 4, 8), head="plain"),  # ours
    "scalablevit_small": _SMALL,
    "scalablevit_small_plain": replace(_SMALL, ratios=(1.25, 1.25, 1.25, 1.25), head="plain"),
    "scalablevit_base": _BASE,
    "scalablevit_base_plain": replace(_BASE, head="plain"),
    "scalablevit_large": _LARGE,
    "scalablevit_large_plain": replace(_LARGE, head="plain"),
}

# the release's files
WEIGHTS = {
    f"scalablevit_{n}.in1k_224": Trained(VARIANTS[f"scalablevit_{n}"], (224, 224)) for n in ("small", "base", "large")
}


def dense(base: ScalableViTSpec) -> ScalableViTSpec:
    """The spec as dense tasks take it: the same."""
    return base


def classifier(spec: ScalableViTSpec, size: Grid = (224, 224), num_classes: int = 1000) -> Classifier:
    """(B, C_in, H, W) -> (B, num_classes) logits, or (B, 8C) features for num_classes=0."""
    trunk = pyramid(spec, size)
    dim = trunk.channels[-1]
    head: nn.Module = nn.Identity()
    if num_classes and spec.head == "plain":
        head = nn.Linear(dim, num_classes)
    elif num_classes:
        layers = (Linear(dim, spec.hidden), nn.LayerNorm(spec.hidden, EPS), nn.GELU())
        head = nn.Sequential(*layers, Linear(spec.hidden, num_classes))
    return _init(Classifier(trunk, nn.LayerNorm(dim, EPS), head))


def backbone(spec: ScalableViTSpec, size: Grid = (224, 224)) -> Backbone:
    """(B, C_in, H, W) -> four maps, (B, C_s, H_s, W_s), the last through the final norm, the others as they are."""
    trunk = pyramid(spec, size)
    last = nn.LayerNorm(trunk.channels[-1], EPS)
    return _init(Backbone(trunk, [*[None] * (len(spec.depths) - 1), last]))


def pyramid(spec: ScalableViTSpec, size: Grid) -> Pyramid:
    """The trunk. Nothing in it follows `size`, (H, W), but a window of "reach"."""
    windows = resolve_windows(spec, size)
    drops = drop_path_rates(spec.drop_path, spec.depths)

    def block(stage: int, index: int, dim: int) -> Block:
        return scalable_block(spec, stage, index, dim, windows[stage], drops[stage][index])

    def down(stage: int, dim_in: int, dim_out: int) -> nn.Module:
        return ConvEmbed(dim_in, dim_out, 3, 2, EPS)

    stem = ConvStem(spec.in_channels, spec.dim, 7, 4, EPS)
    dims = tuple(spec.dim * 2**stage for stage in range(len(spec.depths)))
    trunk = Pyramid(stem, stem.stride, dims, spec.depths, block, down)
    trunk.checkpoint_stages(spec.checkpoint)
    return trunk


def resolve_windows(spec: ScalableViTSpec, size: Grid) -> tuple[Grid, ...]:
    """(M_h, M_w) of each stage."""
    if spec.window != "reach":
        return stage_windows(spec.window, len(spec.depths))

    def pair(stage: int, window: Grid) -> tuple[Block, Block]:
        first, second = (scalable_block(spec, stage, n, 8 * spec.heads[stage], window, 0.0) for n in (0, 1))
        return first, second

    return smallest_windows(stage_grids(size, len(spec.depths)), pair)


def scalable_block(spec: ScalableViTSpec, stage: int, index: int, dim: int, window: Grid, drop: float) -> Block:
    """One block: a mixer, an MLP, and in the first of a stage the position-encoding convolution (PEG)."""
    branches = {
        "mix": Residual(nn.LayerNorm(dim, EPS), scalable_mixer(spec, stage, index, dim, window), drop),
        "mlp": Residual(nn.LayerNorm(dim, EPS), MLP(dim, int(dim * spec.mlp_ratio)), drop),
    }
    if spec.peg and index == 0:
        branches["peg"] = Residual(None, PEG(dim))
    return Block(**branches)


def scalable_mixer(spec: ScalableViTSpec, stage: int, index: int, dim: int, window: Grid) -> nn.Module:
    """The mixer of block `index` of a stage: SSA, or attention in windows with LIM, LEM or neither."""
    heads = spec.heads[stage]
    if spec.pattern[index % len(spec.pattern)] == "ssa":
        return ScalableAttention(dim, heads, spec.ratios[stage], spec.reductions[stage], spec.qkv_bias)
    before = sum(spec.pattern[i % len(spec.pattern)] == "window" for i in range(index))
    half = (window[0] // 2, window[1] // 2)
    shift = half if spec.windows == "shifted" and before % 2 == 1 and any(half) else None
    return WindowAttention(
        dim,
        heads,
        Windows(window, interleaved=spec.windows == "interleaved", shift=shift, padding=spec.padding),
        bias=spec.bias,
        qkv_bias=spec.qkv_bias,
        local={"lim": "map", "lem": "window", "none": None}[spec.local],
    )


class PEG(DepthwiseConv):
    """The position-encoding convolution, which the release keeps from weight decay."""

    no_decay = ("conv.weight",)


def _init(model):
    model.apply(init_linear)
    model.apply(init_conv_fan_out)
    return model
