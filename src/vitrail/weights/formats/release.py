"""The papers' own releases: Iwin, Swin, Swin-MLP and ScalableViT, for classification and as backbones.

Those for clips are in `video`, those that generate pictures in `dit`.

Traps:
* The down-sampler stands at the end of the stage before (Swin, Iwin), `layers.{s-1}.downsample`; ScalableViT has it as
  an embedding of its own, and PEG beside the stages.
* `relative_position_index` is stored by every block with a bias table, `attn_mask` by the shifted blocks of
  classifiers, for the size they were built for; dense models compute masks as they go. Both are rebuilt here.
* Swin-MLP's map over tokens is a grouped 1-D convolution, (h·N, N, 1), head-major.
* Absolute positions are (1, N, C) in classifiers and (1, C, H, W) in dense models.
* Files hold the tensors under "model", detectors and segmenters under "state_dict" with `backbone.` before each name
  and their heads beside it, in the names of `mm_heads`; some training files also hold a moving average.
* No shape shows the heads of Iwin and ScalableViT.
"""

from __future__ import annotations

import math
import re
from functools import partial

import torch
from torch import Tensor

from vitrail.layers.embed import PositionTable
from vitrail.layers.relative import RelativeBias, relative_index
from vitrail.mixers import WindowMLP
from vitrail.models import iwin, scalablevit, swin
from vitrail.models.assemble import Backbone, Network
from vitrail.models.spec import stage_grids
from vitrail.weights.formats import dit, video
from vitrail.weights.formats.layout import Layout, Pair, Rules, Sign
from vitrail.weights.formats.mm_heads import head_names

_PROJ = {"project": "proj"}


def stage_before(match: re.Match[str]) -> str:
    return f"layers.{int(match[1]) - 1}.downsample."


# Iwin, Swin and Swin-MLP, classification and dense
SWIN: Rules = (
    (r"^trunk\.stem\.project\.", "patch_embed.proj."),
    (r"^trunk\.stem\.norm\.", "patch_embed.norm."),
    (r"^trunk\.stem\.position\.table$", "absolute_pos_embed"),
    (r"^trunk\.stages\.(\d+)\.down\.reduce\.", lambda m: stage_before(m) + "reduction."),
    (r"^trunk\.stages\.(\d+)\.down\.", stage_before),
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

TABLES: dict[type, Rules] = {
    iwin.IwinSpec: SWIN,
    swin.SwinSpec: SWIN,
    scalablevit.ScalableViTSpec: _SCALABLEVIT,
    **dict.fromkeys(video.SIGNS, (*video.VIDEO, *SWIN)),
    **dict.fromkeys(dit.SIGNS, dit.DIT),
}

_BLOCK = r"^layers\.0\.blocks\.0\.norm1\."
_V2 = r"logit_scale|cpb_mlp"  # Swin V2, another network under the same names
SIGNS: dict[type, Sign] = {
    iwin.IwinSpec: Sign("patch_embed.proj.weight", has=(_BLOCK, r"dwconv\.depthwise|downsample\.conv\."), lacks=(_V2,)),
    swin.SwinSpec: Sign(
        "patch_embed.proj.weight",
        has=(_BLOCK, r"relative_position_bias_table|spatial_mlp|downsample\.reduction"),
        lacks=(_V2, r"dwconv\.|downsample\.conv\."),
    ),
    scalablevit.ScalableViTSpec: Sign("patch_embeds.0.proj.weight", has=(r"^stages\.0\.0\.norm1\.",)),
    **video.SIGNS,
    **dit.SIGNS,
}


def values(model: Network) -> dict[str, Pair]:
    """Parameters that the releases lay out otherwise."""
    found: dict[str, Pair] = video.values(model)
    for path, module in model.named_modules():
        if isinstance(module, WindowMLP):
            found[f"{path}.weight"] = (partial(_by_head, module.heads), _flat_conv)
            found[f"{path}.bias"] = (partial(_by_head, module.heads), _flat)
        elif isinstance(module, PositionTable):
            grid = (module.table.shape[1], module.table.shape[2])
            found[f"{path}.table"] = (partial(as_grid, grid), _as_map if isinstance(model, Backbone) else as_tokens)
    return found


def indexes(layout_names: Rules, model: Network, flat: bool = False) -> dict[str, Tensor]:
    """`relative_position_index` beside each bias table."""
    found = {}
    for path, module in model.named_modules():
        if isinstance(module, RelativeBias):
            for pattern, replacement in layout_names:
                if re.search(pattern, f"{path}.table") and not isinstance(replacement, tuple):
                    name = re.sub(pattern, replacement, f"{path}.table")
                    index = relative_index(module.size)
                    found[name.replace("_bias_table", "_index")] = index.flatten() if flat else index
                    break
    return found


def buffers(model: Network) -> dict[str, Tensor]:
    """What the releases store beside parameters: (N, N) int64, (G, N, N) of 0 and -100 in shifted blocks, places."""
    found = indexes(TABLES[type(model.spec)], model) | dit.buffers(model)
    if isinstance(model, Backbone) or not isinstance(model.spec, swin.SwinSpec):
        return found
    for stage, grid in zip(range(len(model.channels)), stage_grids(model.size, len(model.channels)), strict=True):
        for number, block in enumerate(model.trunk.stages[stage].blocks):  # type: ignore[arg-type]
            windows = getattr(block.mix.body, "windows", None)
            if windows is not None and windows.shift and windows.wrap:
                mask = windows.mask(grid)
                found[f"layers.{stage}.blocks.{number}.attn_mask"] = torch.where(mask, 0.0, -100.0)
    return found


def _by_head(heads: int, stored: Tensor) -> Tensor:
    """(h·N, N, 1) or (h·N) -> (h, N, N) or (h, N)."""
    return (stored.squeeze(-1) if stored.ndim == 3 else stored).unflatten(0, (heads, -1))


def _flat(bias: Tensor) -> Tensor:
    return bias.flatten()


def _flat_conv(weight: Tensor) -> Tensor:
    return weight.flatten(0, 1)[..., None]


def as_grid(grid: tuple[int, int], table: Tensor) -> Tensor:
    """Absolute positions as (1, H, W, C): stored (1, C, H, W) or (1, N, C).

    N positions stand on the model's own grid if they fit it, else on a square one.
    """
    if table.ndim == 4:
        return table.movedim(1, -1)
    if table.shape[1] != grid[0] * grid[1]:
        side = math.isqrt(table.shape[1])
        grid = (side, side)
    return table.unflatten(1, grid)


def as_tokens(table: Tensor) -> Tensor:
    return table.flatten(1, 2)


def _as_map(table: Tensor) -> Tensor:
    return table.movedim(-1, 1)


RELEASE = Layout(
    "release",
    "the release's",
    TABLES,
    SIGNS,
    outside=video.OUTSIDE,
    values=values,
    buffers=buffers,
    wrapper="model",
    above=head_names,
)
