"""What FlashDiT and LightningDiT share: a transformer that tells, for a noisy latent and a label, which way it flows.

Letters: B batch, C_in channels of the latent, H x W its size, p side of a patch, h x w the grid of tokens, C width.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

import torch
from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vitrail.flow.sampling import Sampling
from vitrail.layers.adaln import Modulation, modulate
from vitrail.layers.feedforward import SwiGLU, TanhMLP
from vitrail.layers.patches import Patches, unpatch
from vitrail.layers.places import sines
from vitrail.layers.rms import RMSNorm
from vitrail.layers.timestep import TimestepEmbed
from vitrail.models.assemble import Network
from vitrail.models.spec import CHECKED, Count, Share

LATENT = (16, 16)  # of a picture of 256 x 256 through an autoencoder of stride 16


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class GeneratorSpec:
    """One transformer for latents.

    Fields:
        dim, depth, heads: C, and blocks and heads.
        patch: p, the side of what becomes one token.
        in_channels: C_in, of a latent (32 in the papers' autoencoder) or of a picture (3).
        mlp: "swiglu" with floor(2/3·ratio·C) hidden channels, or "gelu" (tanh form) with ratio·C.
        norm: "rms" (a weight, epsilon 1e-6), or "layer" (no weights, epsilon 1e-6).
        qk_norm: Queries and keys are normed in each head: as `norm`, but "layer" with weights and epsilon 1e-5.
        shifts: adaLN also shifts in the blocks, beside scales and gates.
        learn_sigma: The last map gives twice the channels, of which the second half is dropped.
        label_drop: The share of labels that training takes away, so that guidance has a model without labels. At 0
            there is no label for "none", and no guidance.
        checkpoint: Blocks are recomputed in the backward pass.
    """

    dim: Count = 1152
    depth: Count = 28
    heads: Count = 16
    patch: Count = 1
    in_channels: Count = 32
    mlp: Literal["swiglu", "gelu"] = "swiglu"
    mlp_ratio: PositiveFloat = 4.0
    norm: Literal["rms", "layer"] = "rms"
    qk_norm: bool = False
    shifts: bool = True
    learn_sigma: bool = False
    label_drop: Share = 0.1
    checkpoint: bool = False

    @property
    def depths(self) -> tuple[int, ...]:
        """As of a pyramid of one stage."""
        return (self.depth,)


# (dim, depth, heads, in_channels): ours on pixels, for laptops and tests; DiT's sizes; LightningDiT's larger ones
SIZES = {
    "nano": (64, 6, 4, 3),
    "b": (768, 12, 12, 32),
    "l": (1024, 24, 16, 32),
    "xl": (1152, 28, 16, 32),
    "1p0b": (1536, 24, 24, 32),
    "1p6b": (1792, 28, 28, 32),
}


def make_norm(spec: GeneratorSpec) -> nn.Module:
    """The norm before a mixer or an MLP, over C."""
    if spec.norm == "rms":
        return RMSNorm(spec.dim, 1e-6)
    return nn.LayerNorm(spec.dim, 1e-6, elementwise_affine=False)


def make_qk_norm(spec: GeneratorSpec) -> Callable[[int], nn.Module] | None:
    """What makes the norms over the channels of a head; None where there are none."""
    if not spec.qk_norm:
        return None
    return partial(RMSNorm, eps=1e-6) if spec.norm == "rms" else partial(nn.LayerNorm, eps=1e-5)


def make_mlp(spec: GeneratorSpec) -> nn.Module:
    hidden = int(spec.dim * spec.mlp_ratio)
    return SwiGLU(spec.dim, 2 * hidden // 3) if spec.mlp == "swiglu" else TanhMLP(spec.dim, hidden)


class Transformer(nn.Module):
    """Patches, a condition from time and label, blocks.

    Args:
        labels: Rows of the table of labels.
        blocks: Each (x (B, h, w, C), condition (B, C)) -> (B, h, w, C).
        positions: "sines" adds them to the tokens; "none" leaves places to the blocks.
    """

    def __init__(
        self, spec: GeneratorSpec, labels: int, blocks: Iterable[nn.Module], positions: Literal["sines", "none"]
    ):
        super().__init__()
        self.stem = Patches(spec.in_channels, spec.dim, spec.patch)
        self.time = TimestepEmbed(spec.dim)
        self.labels = nn.Embedding(labels, spec.dim)
        self.blocks = nn.ModuleList(blocks)
        self.positions = positions
        self.recompute = spec.checkpoint
        self.channels, self.strides = (spec.dim,), (spec.patch,)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C_in, H, W), (B,), (B,) -> tokens (B, h, w, C) and the condition (B, C)."""
        x = self.stem(x)
        if self.positions == "sines":
            # in the type of the weights: where autocast computes in 16 bits, the stream of tokens stays in 32
            x = x + sines((x.shape[1], x.shape[2]), x.shape[3], x.device).to(self.labels.weight.dtype)
        condition = self.time(t) + self.labels(labels)
        for block in self.blocks:
            recompute = self.recompute and self.training
            x = checkpoint(block, x, condition, use_reentrant=False) if recompute else block(x, condition)
        return x, condition


class Final(nn.Module):
    """Norm, a scale and a shift from the condition, one linear map: (B, h, w, C) -> (B, h, w, p·p·C_out)."""

    def __init__(self, spec: GeneratorSpec):
        super().__init__()
        self.norm = make_norm(spec)
        self.modulation = Modulation(spec.dim, ("shift", "scale"))
        self.linear = nn.Linear(spec.dim, spec.patch**2 * spec.in_channels * (2 if spec.learn_sigma else 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        m = self.modulation(condition)
        return self.linear(modulate(self.norm(x), m["scale"], m["shift"]))


class Generator(Network):
    """The velocity of a noisy latent: (B, C_in, H, W), time (B,), labels (B,) -> (B, C_in, H, W), any H and W.

    Args:
        null: The label that stands for none; None where there is no such row, and then no guidance.
        sampling: How it is sampled unless somebody says otherwise: as its name's paper or release does.
    Source: DiT (arXiv 2212.09748), LightningDiT (arXiv 2501.01423), Iwin (arXiv 2507.18405) section IV-E.
    Differs: the releases take squares of one size, and the null label as 1000 whatever the classes; labels are
        dropped here by the loss, from its own generator, not by the model.
    """

    null: int | None
    sampling: Sampling = Sampling()

    def __init__(self, trunk: Transformer, final: Final, null: int | None):
        super().__init__(trunk)  # type: ignore[arg-type]
        self.final = final
        self.null = null

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Labels are brought to where x is; None is the null label.

        Raises: ValueError for no labels where every latent needs one.
        """
        tokens, condition = self.trunk(x, *self._told(x, t, labels))
        y = unpatch(self.final(tokens, condition), self.strides[0], (x.shape[2], x.shape[3]))
        return y[:, : x.shape[1]]

    def features(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> list[Tensor]:  # type: ignore[override]
        """The tokens after the last block, before any norm, as one map: (B, C, h, w)."""
        return [self.trunk(x, *self._told(x, t, labels))[0].movedim(-1, 1)]

    def rehearse(self, x: Tensor) -> Tensor:
        """One forward pass as it is counted: (B, C_in, H, W), at some time and label."""
        zeros = torch.zeros(x.shape[0], device=x.device)
        return self(x, zeros, zeros.long())

    def _told(self, x: Tensor, t: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        if labels is None:
            if self.null is None:
                raise ValueError("label_drop=0 left no label for none: every latent needs its label.")
            labels = torch.full((x.shape[0],), self.null)
        return t.to(x.device), labels.to(x.device)

    def grids(self) -> list[tuple[int, ...]]:
        return [tuple(-(-side // self.strides[0]) for side in self.size)]

    def blocks(self) -> list[nn.Module]:
        return list(self.trunk.blocks)  # type: ignore[arg-type]

    def parts(self) -> list[list[nn.Module]]:
        """What can be frozen, from the front: patches, time and labels, then each block."""
        trunk = self.trunk
        return [[trunk.stem, trunk.time, trunk.labels], *([block] for block in self.blocks())]  # type: ignore[list-item]

    def layer_of(self, path: str) -> int:
        """0 in patches, time and labels, then 1, 2, ... block by block; above them the last norm and map."""
        match = re.match(r"trunk\.(?:(stem|time|labels)\.|blocks\.(\d+)\.)", path)
        if not match:
            return len(self.blocks()) + 1
        return 0 if match[1] else int(match[2]) + 1


def assemble_generator(
    spec: GeneratorSpec, num_classes: int, blocks: Iterable[nn.Module], positions: Literal["sines", "none"] = "none"
) -> Generator:
    """The model around a paper's blocks, with the releases' starting values.

    Raises: ValueError for no classes and no null label.
    """
    null = num_classes if spec.label_drop > 0 else None
    rows = num_classes + (null is not None)
    if not rows:
        raise ValueError("num_classes=0 with label_drop=0 leaves no label at all; take a label_drop above 0.")
    model = Generator(Transformer(spec, rows, blocks, positions), Final(spec), null)
    _start(model)
    return model


def _start(model: Generator) -> None:
    """Linear maps and convolutions Xavier-uniform, the patches' as a linear map, biases 0; labels and the maps of time
    normal with deviation 0.02; all of adaLN and the last map 0.
    """
    trunk = model.trunk
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    assert isinstance(trunk.stem, Patches) and isinstance(trunk.time, TimestepEmbed)
    with torch.no_grad():
        nn.init.xavier_uniform_(trunk.stem.project.weight.flatten(1))
    assert isinstance(trunk.labels, nn.Embedding)
    for weight in (trunk.labels.weight, trunk.time.fc1.weight, trunk.time.fc2.weight):
        nn.init.normal_(weight, std=0.02)
    nn.init.zeros_(model.final.linear.weight)
    for module in model.modules():
        if isinstance(module, Modulation):
            module.start()
