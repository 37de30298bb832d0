"""The pyramid: a stem, stages of blocks, a step down before each stage but the first. It names no paper.

Tokens inside are channels-last, (B, H, W, C), of clips (B, T, H, W, C); at the door maps are channels-first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vitrail.geometry.links import Linked, Links, self_links
from vitrail.layers.drop_path import DropPath


class Residual(nn.Module):
    """x + drop(body(norm(x))), with the norm left out where it is None."""

    def __init__(self, norm: nn.Module | None, body: nn.Module, drop: float = 0.0):
        super().__init__()
        self.norm = norm
        self.body = body
        self.drop = DropPath(drop) if drop > 0 else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x if self.norm is None else self.norm(x))
        return x + (y if self.drop is None else self.drop(y))

    def links(self, size: tuple[int, ...]) -> Links:
        """A body that states no links reads its own position alone: an MLP."""
        own = self_links(size)
        return own | self.body.links(size) if isinstance(self.body, Linked) else own


class Block(nn.Sequential):
    """Residual branches one after the other, by name: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, **branches: Residual):
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def links(self, size: tuple[int, ...]) -> Links:
        links = self_links(size)
        for branch in self:
            assert isinstance(branch, Residual)
            links = links.then(branch.links(size))
        return links


class Stage(nn.Module):
    """A step down (None in the first stage), then blocks."""

    def __init__(self, down: nn.Module | None, blocks: Iterable[nn.Module]):
        super().__init__()
        self.down = down
        self.blocks = nn.ModuleList(blocks)
        self.recompute = False

    def forward(self, x: Tensor) -> Tensor:
        if self.down is not None:
            x = self.down(x)
        for block in self.blocks:
            recompute = self.recompute and self.training
            x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
        return x


class Pyramid(nn.Module):
    """Maps at falling resolution.

    Args:
        stem: (B, C_in, H, W) -> (B, H', W', dims[0]).
        stride: H / H'. Strides are those of H and W: no paper here makes a clip shorter after the stem.
        dims, depths: Channels and blocks of each stage.
        block: (stage, index, dim) -> Module on (B, H, W, dim).
        down: (stage, dim_in, dim_out) -> Module that halves the map, for the stages after the first.
    """

    def __init__(
        self,
        stem: nn.Module,
        stride: int,
        dims: tuple[int, ...],
        depths: tuple[int, ...],
        block: Callable[[int, int, int], nn.Module],
        down: Callable[[int, int, int], nn.Module],
    ):
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(
            Stage(down(s, dims[s - 1], dim) if s else None, [block(s, index, dim) for index in range(depth)])
            for s, (dim, depth) in enumerate(zip(dims, depths, strict=True))
        )
        self.channels = tuple(dims)
        self.strides = tuple(stride * 2**s for s in range(len(dims)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C_in, H, W) -> the output of each stage, (B, H_s, W_s, C_s), channels-last."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def checkpoint_stages(self, stages: Iterable[int]) -> None:
        """Recompute the blocks of these stages in the backward pass instead of keeping their insides."""
        chosen = set(stages)
        if not chosen <= set(range(len(self.stages))):
            raise ValueError(f"checkpoint={sorted(chosen)} names stages; this pyramid has 0 to {len(self.stages) - 1}.")
        for number, stage in enumerate(self.stages):
            assert isinstance(stage, Stage)
            stage.recompute = number in chosen
