"""Iwin in one dimension: a decoder language model without positions, and the same with full attention to compare with.

Source: Iwin (arXiv 2507.18405) figure 10, a sketch without sizes, numbers or code. What it leaves open is settled here:
* The block is Iwin's own, x + mixer(norm(x)), then x + mlp(norm(x)); LayerNorm, and an MLP of two layers with exact
  GELU and 4C hidden channels, so that a block has 12 C² parameters.
* Far and near stand side by side under one norm (S1). Where both are windows they share queries, keys and values, so
  that a model has the parameters of one with full attention; a convolution adds K + 1 a channel.
* No position embedding. Order comes from the convolution's taps, or from who sees whom.
* The head is the table of tokens again ("tied"): logits = norm(x) table^T, without bias.
* Starting values are GPT-2's: normal with deviation 0.02, and 0.02 / sqrt(2 depth) for the two maps of a block that
  end on the residual path; the convolution's taps begin as those maps do. With PyTorch's own, larger ones a small
  model stood at 4.11 bits a character of Shakespeare after 150 steps, with these at 3.36.
Full attention is the same code with stride 1 and no near part, and RoPE turns its queries and keys.

Letters: B batch, N tokens of the line, C channels, V vocabulary, G stride, W tokens of the near window, K taps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vitrail.errors import InputError
from vitrail.geometry.links import Links, links_of, self_links
from vitrail.geometry.sequence import blocks_until_reached, stride_at
from vitrail.layers.mlp import MLP
from vitrail.mixers import CausalAttention, CausalConv, CausalSum
from vitrail.models.assemble import Network
from vitrail.models.spec import CHECKED, Count, Share

Span = Annotated[int, Field(ge=0, strict=True)] | Literal["stride"]


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class LanguageSpec:
    """One decoder of tokens.

    Fields:
        vocabulary: V.
        dim, depth, heads: C, and blocks and heads.
        stride: G: a token attends to every G-th before it. "sqrt" is the root of the length, rounded up; 1 is full
            attention.
        kernel: K, taps of the causal convolution beside it; "stride" takes as many as G; 0 leaves it out.
        window: W, tokens of the causal window beside it; "stride" follows G; 0 leaves it out.
        position: "none", or "rope".
        mlp_ratio: Hidden channels of the MLP over C.
        dropout: Of the tokens' embedding and of what each branch adds, in training.
        length: N for which costs are told; the model takes any, and nothing in it depends on this.
        checkpoint: Blocks are recomputed in the backward pass.
    """

    vocabulary: Count = 256
    dim: Count = 256
    depth: Count = 6
    heads: Count = 4
    stride: Count | Literal["sqrt"] = 16
    kernel: Span = "stride"
    window: Span = 0
    position: Literal["none", "rope"] = "none"
    mlp_ratio: PositiveFloat = 4.0
    dropout: Share = 0.0
    length: Count = 1024
    checkpoint: bool = False

    def __post_init__(self) -> None:
        if self.stride == "sqrt" and self.kernel == "stride":
            raise ValueError(
                "a convolution cannot grow with stride='sqrt'; kernel is a number, or 0 with window='stride'"
            )

    @property
    def depths(self) -> tuple[int, ...]:
        """As of a pyramid of one stage."""
        return (self.depth,)

    @property
    def taps(self) -> int:
        """K, as a number."""
        if self.kernel == "stride":
            assert self.stride != "sqrt"
            return self.stride
        return self.kernel


# ours: about 1, 5, 50 and 300 million parameters at 256 tokens
SIZES: dict[str, dict[str, Any]] = {
    "nano": {"dim": 128, "depth": 4, "heads": 4},
    "tiny": {"dim": 256, "depth": 6, "heads": 4},
    "small": {"dim": 512, "depth": 16, "heads": 8},
    "base": {"dim": 1024, "depth": 24, "heads": 16},
}
KINDS: dict[str, dict[str, Any]] = {
    "iwin_lm": {},
    "full_lm": {"stride": 1, "kernel": 0},
    "rope_lm": {"stride": 1, "kernel": 0, "position": "rope"},
}
VARIANTS = {
    f"{kind}_{size}": LanguageSpec(**numbers, **own) for kind, own in KINDS.items() for size, numbers in SIZES.items()
}


class DecoderBlock(nn.Module):
    """x + mixer(norm(x)), then x + mlp(norm(x)).

    Shapes: (B, N, C) -> (B, N, C).
    """

    def __init__(self, spec: LanguageSpec):
        super().__init__()
        attention = CausalAttention(spec.dim, spec.heads, spec.stride, spec.window, spec.position == "rope")
        self.norm1, self.norm2 = nn.LayerNorm(spec.dim), nn.LayerNorm(spec.dim)
        self.mixer = CausalSum(attention, CausalConv(spec.dim, spec.taps)) if spec.taps else attention
        self.mlp = MLP(spec.dim, int(spec.dim * spec.mlp_ratio))
        self.drop = nn.Dropout(spec.dropout) if spec.dropout else None

    def forward(self, x: Tensor, length: int | None = None, cache: Any = None) -> Tensor:
        return self._add(x, self.mixer(self.norm1(x), length, cache))

    def step(self, x: Tensor, cache: Any, t: int) -> Tensor:
        """(B, C) -> (B, C)."""
        return self._add(x, self.mixer.step(self.norm1(x), cache, t))

    def _add(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + (mixed if self.drop is None else self.drop(mixed))
        y = self.mlp(self.norm2(x))
        return x + (y if self.drop is None else self.drop(y))

    def links(self, size: tuple[int, ...]) -> Links:
        return self_links(size) | links_of(self.mixer, size)


class Decoder(nn.Module):
    """Tokens and blocks, before any norm: (B, N) int64 -> (B, N, C)."""

    def __init__(self, spec: LanguageSpec):
        super().__init__()
        self.stem = nn.Embedding(spec.vocabulary, spec.dim)
        self.drop = nn.Dropout(spec.dropout) if spec.dropout else None
        self.blocks = nn.ModuleList(DecoderBlock(spec) for _ in range(spec.depth))
        self.recompute = spec.checkpoint
        self.channels, self.strides = (spec.dim,), (1,)

    def forward(self, tokens: Tensor, length: int | None = None, caches: list[Any] | None = None) -> Tensor:
        x = self.stem(tokens)
        if self.drop is not None:
            x = self.drop(x)
        for number, block in enumerate(self.blocks):
            if self.recompute and self.training and caches is None:
                x = checkpoint(block, x, length, use_reentrant=False)
            else:
                x = block(x, length, None if caches is None else caches[number])
        return x


class Cache:
    """What a model keeps of the tokens it has read, layer by layer.

    Attributes:
        length: N, the tokens there will be at most; G of stride="sqrt" follows from it.
        position: How many have been read.
    """

    def __init__(self, layers: list[Any], batch: int, length: int):
        self.layers, self.batch, self.length = layers, batch, length
        self.position = 0

    def reads(self, t: int) -> int:
        """Entries of the cache that serve token t in a layer, its own included: t // G + 1 keys, with a near window
        the last min(t + 1, W) too, with a convolution the last min(t, K - 1) inputs.
        """
        return self.layers[0].reads(t)

    @property
    def tokens(self) -> int:
        """Entries there is room for in a layer: G·ceil(N / G) keys, with a near window W, with a convolution K - 1."""
        return self.layers[0].tokens

    @property
    def bytes(self) -> int:
        """What all of it takes in memory."""
        return sum(tensor.nbytes for tensor in self.tensors())

    def tensors(self) -> Iterator[Tensor]:
        for layer in self.layers:
            yield from layer.tensors()


class LanguageModel(Network):
    """The next token, at every place: (B, N) int64 -> logits (B, N, V), of which row i has seen tokens 0 to i alone.

    With `cache`, `prefill` and `step` one token costs what it reads, and gives what `forward` gives at its place, both
    in evaluation mode. They record no gradients.
    """

    trunk: Decoder  # type: ignore[assignment]

    def __init__(self, spec: LanguageSpec):
        super().__init__(Decoder(spec))  # type: ignore[arg-type]
        self.spec = spec
        self.norm = nn.LayerNorm(spec.dim)

    def forward(self, tokens: Tensor, length: int | None = None) -> Tensor:
        """Args:
            length: Tokens the line is to have, N at least, where it is going on by `step`; only stride="sqrt" heeds it.
        Raises: ValueError for a `length` below N.
        """
        if length is not None and length < tokens.shape[1]:
            raise ValueError(f"length={length} is less than the {tokens.shape[1]} tokens that came.")
        return self._logits(self.trunk(tokens, length))

    def features(self, x: Tensor) -> list[Tensor]:
        """The tokens after the last block, before any norm, as one map: (B, N) -> (B, C, N)."""
        return [self.trunk(x).movedim(-1, 1)]

    def cache(self, batch: int, length: int) -> Cache:
        """An empty cache for `batch` lines of at most `length` tokens, of the parameters' type and device."""
        layers = [block.mixer.cache(batch, length) for block in self.blocks()]  # type: ignore[operator, union-attr]
        return Cache(layers, batch, length)

    @torch.no_grad()
    def prefill(self, tokens: Tensor, cache: Cache) -> Tensor:
        """Read the first tokens of the lines at once, (B, n): logits after the last of them, (B, V).

        Raises: ValueError for a cache that is not empty, or tokens that it has no room for.
        """
        if cache.position or not tokens.shape[1]:
            raise ValueError(f"prefill reads the first tokens, one or more; the cache holds {cache.position} already.")
        self._room(tokens, cache)
        x = self.trunk(tokens, cache.length, cache.layers)
        cache.position = tokens.shape[1]
        return self._logits(x[:, -1])

    @torch.no_grad()
    def step(self, token: Tensor, cache: Cache) -> Tensor:
        """Read one token more of each line, (B,): logits after it, (B, V). Raises: ValueError for no room left."""
        self._room(token[:, None], cache)
        x = self.trunk.stem(token)
        for block, layer in zip(self.trunk.blocks, cache.layers, strict=True):
            x = block.step(x, layer, cache.position)  # type: ignore[operator]
        cache.position += 1
        return self._logits(x)

    def reached(self, length: int) -> int:
        """After how many blocks a token depends on its whole past, on a line of `length`.

        Raises: ValueError where no number of blocks does it.
        """
        stride = stride_at(self.spec.stride, length)
        window = stride if self.spec.window == "stride" else self.spec.window
        return blocks_until_reached(stride, max(window, self.spec.taps, 1), length)

    def rehearse(self, x: Tensor) -> Tensor:
        """One forward pass as it is counted: (B, N)."""
        return self(x.long())

    @property
    def input_size(self) -> tuple[int, ...]:
        """(N,): tokens for which costs are told."""
        return (self.spec.length,)

    def grids(self) -> list[tuple[int, ...]]:
        return [self.input_size]

    def blocks(self) -> list[nn.Module]:
        return list(self.trunk.blocks)

    def parts(self) -> list[list[nn.Module]]:
        """What can be frozen, from the front: the table of tokens, which is the head too, then each block."""
        return [[self.trunk.stem], *([block] for block in self.trunk.blocks)]

    def layer_of(self, path: str) -> int:
        """0 in the table of tokens, then 1, 2, ... block by block; above them the last norm."""
        match = re.match(r"trunk\.(?:(stem)\.|blocks\.(\d+)\.)", path)
        if not match:
            return len(self.trunk.blocks) + 1
        return 0 if match[1] else int(match[2]) + 1

    def _logits(self, x: Tensor) -> Tensor:
        return F.linear(self.norm(x), self.trunk.stem.weight)

    @staticmethod
    def _room(tokens: Tensor, cache: Cache) -> None:
        if tokens.shape[0] != cache.batch or cache.position + tokens.shape[1] > cache.length:
            raise ValueError(
                f"{tuple(tokens.shape)} tokens came after {cache.position}; the cache was made for {cache.batch} lines "
                f"of {cache.length}."
            )


def language_model(spec: LanguageSpec) -> LanguageModel:
    """The model with its starting values. Raises: ValueError where heads and positions do not go together."""
    model = LanguageModel(spec)
    for path, parameter in model.named_parameters():
        if path.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.ndim > 1:
            ends = path.endswith(("proj.weight", "fc2.weight", "conv.weight"))
            nn.init.normal_(parameter, std=0.02 / (2 * spec.depth) ** 0.5 if ends else 0.02)
    return model


def with_vocabulary(name: str, num_classes: int | None, options: dict[str, Any]) -> dict[str, Any]:
    """The options of the spec, where classes may be given for the vocabulary. Raises: InputError where both differ."""
    if num_classes is None:
        return options
    if options.setdefault("vocabulary", num_classes) != num_classes:
        raise InputError(
            f"{name}: vocabulary={options['vocabulary']} and num_classes={num_classes} are the same thing."
        )
    return options
