"""FlashDiT: LightningDiT whose attention is in interleaved windows, beside a depthwise convolution; no positions.

Source: Iwin (arXiv 2507.18405) section IV-E, table VI, and its release of image generation. Where they differ:
* The paper has windows of 4 x 4, the released scripts and checkpoint 8 x 8 (they never pass a window and take the
  class's default). `flashdit_xl_1` is the paper's, `flashdit_xl_1_released` the release's.
* Gates are 1 + gate in the release, so that blocks are not the identity at first; the text says nothing. So are all
  here.
* The release guides the first three of 32 channels only, which it has from LightningDiT's; `_released` samples so,
  plain names guide all.
* The paper prints 675 M parameters, LightningDiT's number. The described network has 712 475 552: its adaLN has a
  seventh part, the gate of the convolution.
* The text calls its best figures (gFID 3.08) free of guidance; its table has them in the columns with guidance.
* A switch for RoPE is accepted by the release, and ignored. Here there is none.
Where we differ: any grid, square or not; what is no multiple of the window is padded, and padding is seen by nobody
unless `padding="seen"`. The release refuses it.
"""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vitrail.flow.sampling import Sampling
from vitrail.geometry.links import Links, self_links
from vitrail.geometry.windows import Windows
from vitrail.layers.adaln import Modulation, modulate
from vitrail.mixers import DepthwiseConv, WindowAttention
from vitrail.models.generator import (
    LATENT,
    SIZES,
    Generator,
    GeneratorSpec,
    assemble_generator,
    make_mlp,
    make_norm,
    make_qk_norm,
)
from vitrail.models.spec import CHECKED, Count, Grid, override

# the parts of adaLN in the order in which the release has them; those of "shifts" are absent without them
PARTS = ("shift", "scale", "gate", "shift_mlp", "scale_mlp", "gate_mlp", "gate_conv")


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class FlashDiTSpec(GeneratorSpec):
    """One FlashDiT; fields beside those of every generator.

    Fields:
        window: M, or (M_h, M_w), in tokens. It never follows the grid: a larger one has more windows, and one smaller
            than the window is one window.
        kernel: Of the depthwise convolution.
        padding: Whether padding of a ragged grid is "masked", or "seen" as a key.
    """

    window: Count | tuple[Count, Count] = 4
    kernel: Count = 3
    padding: Literal["masked", "seen"] = "masked"


def _sizes() -> dict[str, FlashDiTSpec]:
    found = {}
    for size, (dim, depth, heads, channels) in SIZES.items():
        for patch in (1, 2):
            fields = {"dim": dim, "depth": depth, "heads": heads, "in_channels": channels, "patch": patch}
            found[f"flashdit_{size}_{patch}"] = override(FlashDiTSpec(), **fields)
    return found


# sizes as in the release, which has no l_1; the paper's is xl_1
VARIANTS = {**_sizes(), "flashdit_xl_1_released": FlashDiTSpec(window=8)}

# the paper samples as LightningDiT does; its scale is not printed. The release's: its configuration of evaluation
PAPER = Sampling(steps=249, shift=0.3)
SAMPLING = {
    **{name: PAPER for name in VARIANTS if "nano" not in name},
    "flashdit_xl_1_released": Sampling(steps=249, shift=0.3, scale=10.0, channels=3, start=0.11),
}


class FlashBlock(nn.Module):
    """x + (1 + gate_conv) conv(u) + (1 + gate) attention(u), u = norm(x)(1 + scale) + shift; then the same of an MLP.

    Shapes: (B, h, w, C), condition (B, C) -> (B, h, w, C).
    Source: the release's block, as section III-A of the paper has it for classification (figure 3, S1).
    """

    def __init__(self, spec: FlashDiTSpec):
        super().__init__()
        side = spec.window
        windows = Windows((side, side) if isinstance(side, int) else side, interleaved=True, padding=spec.padding)
        names = PARTS if spec.shifts else tuple(name for name in PARTS if not name.startswith("shift"))
        self.norm1, self.norm2 = make_norm(spec), make_norm(spec)
        self.attention = WindowAttention(spec.dim, spec.heads, windows, qk_norm=make_qk_norm(spec))
        self.conv = DepthwiseConv(spec.dim, spec.kernel)
        self.mlp = make_mlp(spec)
        self.modulation = Modulation(spec.dim, names)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        m = self.modulation(condition)
        u = modulate(self.norm1(x), m["scale"], m.get("shift"))
        x = x + (1 + m["gate_conv"]) * self.conv(u) + (1 + m["gate"]) * self.attention(u)
        u = modulate(self.norm2(x), m["scale_mlp"], m.get("shift_mlp"))
        return x + (1 + m["gate_mlp"]) * self.mlp(u)

    def links(self, size: tuple[int, ...]) -> Links:
        return self_links(size) | self.attention.links(size) | self.conv.links(size)


def generator(spec: FlashDiTSpec, size: Grid = LATENT, num_classes: int = 1000) -> Generator:
    """(B, C_in, H, W), time (B,), labels (B,) -> velocity (B, C_in, H, W); nothing in it depends on `size`."""
    return assemble_generator(spec, num_classes, (FlashBlock(spec) for _ in range(spec.depth)))
