"""OpenMMLab's own Swin: mmdetection from 2.18 on, mmsegmentation, mmpretrain.

(The papers' detection, segmentation and video releases are forks with the releases' names below `backbone.`.)

Traps:
* Merged channels stand in the order of `unfold`: channel slow, neighbour fast, and neighbours row by row, where the
  release has neighbour slow and column by column. Norm and reduction of every down-sampler are permuted.
* Attention is `attn.w_msa`, the MLP `ffn.layers.0.0` and `ffn.layers.1`, the stem's map `projection`.
* The down-sampler stands at the end of the stage before. `relative_position_index` is stored, masks are not.
* `backbone.` stands before all names but the head's; OpenMMLab's pretraining files leave it out.
* A classifier (mmpretrain) has its final norm as the backbone's `norm3`: four stages are taken for granted.
* Dense models never clamp and always shift; mmpretrain does as the release does where one window covers a map, and
  refuses smaller maps.
"""

from __future__ import annotations

import re

from torch import Tensor

from vitrail.layers.merge import PatchMerge
from vitrail.models.assemble import Network
from vitrail.models.swin import SwinSpec
from vitrail.weights.formats import release
from vitrail.weights.formats.layout import Layout, Pair, Rules, Sign
from vitrail.weights.formats.mm_heads import head_names


def _down(match: re.Match[str]) -> str:
    return f"stages.{int(match[1]) - 1}.downsample.{'reduction' if match[2] == 'reduce' else match[2]}."


_BLOCK = r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\."
_IN = r"stages.\1.blocks.\2."
_RULES: Rules = (
    (r"^trunk\.stem\.project\.", "patch_embed.projection."),
    (r"^trunk\.stem\.norm\.", "patch_embed.norm."),
    (r"^trunk\.stem\.position\.table$", "absolute_pos_embed"),
    (r"^trunk\.stages\.(\d+)\.down\.(norm|reduce)\.", _down),
    (_BLOCK + r"mix\.norm\.", _IN + "norm1."),
    (_BLOCK + r"mlp\.norm\.", _IN + "norm2."),
    (_BLOCK + r"mlp\.body\.fc1\.", _IN + "ffn.layers.0.0."),
    (_BLOCK + r"mlp\.body\.fc2\.", _IN + "ffn.layers.1."),
    (_BLOCK + r"mix\.body\.bias\.table$", _IN + "attn.w_msa.relative_position_bias_table"),
    (_BLOCK + r"mix\.body\.(qkv|proj)\.", _IN + r"attn.w_msa.\3."),
    (r"^norms\.(\d+)\.", r"norm\1."),
    (r"^norm\.", "norm3."),
    (r"^head\.", "head.fc."),
)


def to_unfold(x: Tensor) -> Tensor:
    """(..., 4C) in the release's order -> in unfold's: neighbours (0, 2, 1, 3), then channel before neighbour."""
    return x.unflatten(-1, (4, -1))[..., (0, 2, 1, 3), :].transpose(-1, -2).flatten(-2).contiguous()


def from_unfold(x: Tensor) -> Tensor:
    """The inverse of `to_unfold`."""
    return x.unflatten(-1, (-1, 4)).transpose(-1, -2)[..., (0, 2, 1, 3), :].flatten(-2).contiguous()


def _values(model: Network) -> dict[str, Pair]:
    found = release.values(model)
    for path, module in model.named_modules():
        if isinstance(module, PatchMerge):
            found |= {f"{path}.{leaf}": (from_unfold, to_unfold) for leaf in ("norm.weight", "norm.bias")}
            found[f"{path}.reduce.weight"] = (from_unfold, to_unfold)
    return found


def _buffers(model: Network) -> dict[str, Tensor]:
    return release.indexes(_RULES, model)


MM = Layout(
    "mm",
    "OpenMMLab's",
    {SwinSpec: _RULES},
    {SwinSpec: Sign("patch_embed.projection.weight", has=(r"^stages\.0\.blocks\.0\.attn\.w_msa\.qkv\.",))},
    prefix="backbone.",
    outside=r"^head\.",
    values=_values,
    buffers=_buffers,
    wrapper="state_dict",
    above=head_names,
)
