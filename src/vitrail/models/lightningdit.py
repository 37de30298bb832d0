"""LightningDiT: DiT with RoPE, SwiGLU and RMSNorm, whose attention reads the whole grid; FlashDiT's baseline.

Source: arXiv 2501.01423 and its release. Where they differ, and where we do:
* The release adds DiT's fixed sines to the tokens and also turns queries and keys; so do plain names. It keeps the
  sines in its files as a frozen parameter (1, N, C), for one square grid; here they follow from the grid in hand.
* Norms of queries and keys, and adaLN without shifts, are switches (`qk_norm`, `shifts`) as in the release, whose
  published XL/1 has neither: 674 961 824 parameters, and 294 912 numbers of sines.
* The release guides the first three of 32 channels; `lightningdit_xl_1_released` samples so, plain names guide all.
"""

from __future__ import annotations

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vitrail.flow.sampling import Sampling
from vitrail.geometry.links import Links, all_links
from vitrail.layers.adaln import Modulation, modulate
from vitrail.mixers import RotaryAttention
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
from vitrail.models.spec import CHECKED, Grid, override

PARTS = ("shift", "scale", "gate", "shift_mlp", "scale_mlp", "gate_mlp")


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class LightningDiTSpec(GeneratorSpec):
    """One LightningDiT; fields beside those of every generator.

    Fields:
        rope: Queries and keys are turned by their places. Places of another grid are counted on: 0, 1, 2, ...
        sines: DiT's sines are added to the tokens.
    """

    rope: bool = True
    sines: bool = True


def _sizes() -> dict[str, LightningDiTSpec]:
    found = {}
    for size, (dim, depth, heads, channels) in SIZES.items():
        for patch in (1, 2):
            fields = {"dim": dim, "depth": depth, "heads": heads, "in_channels": channels, "patch": patch}
            found[f"lightningdit_{size}_{patch}"] = override(LightningDiTSpec(), **fields)
    return found


VARIANTS = {**_sizes(), "lightningdit_xl_1_released": LightningDiTSpec()}

# of the release's 64 epochs; those of 800 begin guidance at 0.125 with a scale of 6.7
PAPER = Sampling(steps=249, shift=0.3)
SAMPLING = {
    **{name: PAPER for name in VARIANTS if "nano" not in name},
    "lightningdit_xl_1_released": Sampling(steps=249, shift=0.3, scale=10.0, channels=3, start=0.10),
}


class LightningBlock(nn.Module):
    """x + gate attention(norm(x)(1 + scale) + shift), then the same of an MLP: the identity at first.

    Shapes: (B, h, w, C), condition (B, C) -> (B, h, w, C).
    """

    def __init__(self, spec: LightningDiTSpec):
        super().__init__()
        names = PARTS if spec.shifts else tuple(name for name in PARTS if not name.startswith("shift"))
        self.norm1, self.norm2 = make_norm(spec), make_norm(spec)
        self.attention = RotaryAttention(spec.dim, spec.heads, make_qk_norm(spec), spec.rope)
        self.mlp = make_mlp(spec)
        self.modulation = Modulation(spec.dim, names)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        m = self.modulation(condition)
        x = x + m["gate"] * self.attention(modulate(self.norm1(x), m["scale"], m.get("shift")))
        return x + m["gate_mlp"] * self.mlp(modulate(self.norm2(x), m["scale_mlp"], m.get("shift_mlp")))

    def links(self, size: tuple[int, ...]) -> Links:
        return all_links(size)


def generator(spec: LightningDiTSpec, size: Grid = LATENT, num_classes: int = 1000) -> Generator:
    """(B, C_in, H, W), time (B,), labels (B,) -> velocity (B, C_in, H, W); nothing in it depends on `size`."""
    blocks = (LightningBlock(spec) for _ in range(spec.depth))
    return assemble_generator(spec, num_classes, blocks, "sines" if spec.sines else "none")
