"""Token mixers: modules that keep the shape, (B, *S, C) -> (B, *S, C), and state their links."""

from vitrail.mixers.axes import OnAxes
from vitrail.mixers.causal import CausalAttention, CausalConv, CausalSum
from vitrail.mixers.conv import DepthwiseConv
from vitrail.mixers.rotary import RotaryAttention
from vitrail.mixers.sliding import SlidingAttention
from vitrail.mixers.ssa import ScalableAttention
from vitrail.mixers.sum import Sum
from vitrail.mixers.tokens import OnGrid
from vitrail.mixers.window import WindowAttention
from vitrail.mixers.window_mlp import WindowMLP

__all__ = [
    "CausalAttention",
    "CausalConv",
    "CausalSum",
    "DepthwiseConv",
    "OnAxes",
    "OnGrid",
    "RotaryAttention",
    "ScalableAttention",
    "SlidingAttention",
    "Sum",
    "WindowAttention",
    "WindowMLP",
]
