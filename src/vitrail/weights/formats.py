"""The papers' releases in their own key names, as tables of (our name, theirs).

A table is read from our side: for each of our parameters the first pattern that matches gives the release's key, so
one table loads and saves. Buffers that a release stores and that follow from the geometry are rebuilt, not carried.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from vitrail.layers.embed import PositionTable
from vitrail.mixers import WindowMLP
from vitrail.models import iwin, scalablevit, swin
from vitrail.models.assemble import Backbone, Network

Rules = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]


_PROJ = {"project": "proj"}


def _stage_before(match: re.Match[str]) -> str:
    return f"layers.{int(match[1]) - 1}.downsample."


# Iwin, Swin and Swin-MLP, classification and dense: the down-sampler stands at the end of the stage before
_SWIN: Rules = (
    (r"^trunk\.stem\.project\.", "patch_embed.proj."),
    (r"^trunk\.stem\.norm\.", "patch_embed.norm."),
    (r"^trunk\.stem\.position\.table$", "absolute_pos_embed"),
    (r"^trunk\.stages\.(\d+)\.down\.reduce\.", lambda m: _stage_before(m) + "reduction."),
    (r"^trunk\.stages\.(\d+)\.down\.", _stage_before),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.norm\.", r"layers.\1.blocks.\2.norm1."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mlp\.norm\.", r"layers.\1.blocks.\2.norm2."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mlp\.body\.", r"layers.\1.blocks.\2.mlp."),
    (
        r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.(?:attention\.)?(?:bias\.table|table)$",
        r"layers.\1.blocks.\2.attn.relative_position_bias_table",
    ),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.(?:attention\.)?(qkv|proj)\.", r"layers.\1.blocks.\2.attn.\3."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.conv\.(?:conv\.)?", r"layers.\1.blocks.\2.dwconv.depthwise."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.(weight|bias)$", r"layers.\1.blocks.\2.spatial_mlp.\3"),
    (r"^norms\.(\d+)\.", r"norm\1."),
    (r"^(norm|head)\.", r"\1."),
)

# ScalableViT: an embedding stands at the head of its stage, PEG beside the stages
_SCALABLEVIT: Rules = (
    (r"^trunk\.stem\.(project|norm)\.", lambda m: f"patch_embeds.0.{_PROJ.get(m[1], m[1])}."),
    (r"^trunk\.stages\.(\d+)\.down\.(project|norm)\.", lambda m: f"patch_embeds.{m[1]}.{_PROJ.get(m[2], m[2])}."),
    (r"^trunk\.stages\.(\d+)\.blocks\.0\.peg\.body\.conv\.", r"pos_block.\1.proj.0."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.norm\.", r"stages.\1.\2.norm1."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mlp\.norm\.", r"stages.\1.\2.norm2."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mlp\.body\.", r"stages.\1.\2.mlp."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.lim\.conv\.", r"stages.\1.\2.attn.lim_func."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.reduce\.", r"stages.\1.\2.attn.reduction.0."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.expand\.", r"stages.\1.\2.attn.reduction.1."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.norm\.", r"stages.\1.\2.attn.norm_act.0."),
    (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.(qkv|q|k|v|kv|proj)\.", r"stages.\1.\2.attn.\3."),
    (r"^norms\.3\.", "norm."),
    (r"^(norm|head)\.", r"\1."),
)

_TABLES: dict[type, Rules] = {iwin.IwinSpec: _SWIN, swin.SwinSpec: _SWIN, scalablevit.ScalableViTSpec: _SCALABLEVIT}

# derived from the geometry: rebuilt by the model
DERIVED = re.compile(r"(^|\.)(relative_position_index|attn_mask)$")


def _same(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class ReleaseKey:
    """Where a parameter of ours stands in its release, and how its values are laid out there."""

    name: str
    ours: Callable[[Tensor], Tensor] = _same  # the release's layout -> ours
    theirs: Callable[[Tensor], Tensor] = _same  # ours -> the release's


def release_keys(model: Network) -> dict[str, ReleaseKey]:
    """The release's key for each parameter of `model`; those its release has no place for are absent."""
    rules = _TABLES[type(model.spec)]
    layouts = _layouts(model)
    keys = {}
    for name, _ in model.named_parameters():
        for pattern, replacement in rules:
            theirs, count = re.subn(pattern, replacement, name)
            if count:
                keys[name] = ReleaseKey(theirs, *layouts.get(name, (_same, _same)))
                break
    return keys


def to_release(model: Network) -> dict[str, Tensor]:
    """The parameters of `model` under its release's keys and in its layouts, without derived buffers."""
    state = model.state_dict()
    return {key.name: key.theirs(state[name]) for name, key in release_keys(model).items()}


def hides_heads(model: Network) -> bool:
    """True when the shapes of a release's file do not tell the number of heads: no bias table, no map over tokens."""
    heads = getattr(model.spec, "heads", ())
    shown = any(isinstance(m, WindowMLP) for m in model.modules()) or any(
        key.name.endswith("relative_position_bias_table") for key in release_keys(model).values()
    )
    return bool(heads) and not shown


def _layouts(model: Network) -> dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]]:
    """Parameters that the releases lay out otherwise."""
    layouts: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {}
    for path, module in model.named_modules():
        if isinstance(module, WindowMLP):
            heads = module.heads
            layouts[f"{path}.weight"] = (partial(_by_head, heads), _flat_conv)
            layouts[f"{path}.bias"] = (partial(_by_head, heads), _flat)
        elif isinstance(module, PositionTable):
            grid = (module.table.shape[1], module.table.shape[2])
            theirs = _as_map if isinstance(model, Backbone) else _as_tokens
            layouts[f"{path}.table"] = (partial(_as_grid, grid), theirs)
    return layouts


def _by_head(heads: int, stored: Tensor) -> Tensor:
    """(h·N, N, 1) or (h·N) -> (h, N, N) or (h, N)."""
    return (stored.squeeze(-1) if stored.ndim == 3 else stored).unflatten(0, (heads, -1))


def _flat(bias: Tensor) -> Tensor:
    return bias.flatten()


def _flat_conv(weight: Tensor) -> Tensor:
    return weight.flatten(0, 1)[..., None]


def _as_grid(grid: tuple[int, int], table: Tensor) -> Tensor:
    """A release's absolute positions as (1, H, W, C): stored (1, C, H, W) in dense models, else (1, N, C).

    N positions stand on the model's own grid if they fit it, else on a square one.
    """
    if table.ndim == 4:
        return table.movedim(1, -1)
    if table.shape[1] != grid[0] * grid[1]:
        side = math.isqrt(table.shape[1])
        grid = (side, side)
    return table.unflatten(1, grid)


def _as_tokens(table: Tensor) -> Tensor:
    return table.flatten(1, 2)


def _as_map(table: Tensor) -> Tensor:
    return table.movedim(-1, 1)
