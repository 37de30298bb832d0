"""torchvision's Swin (the first version: `swin_t`, `swin_s`, `swin_b`).

Traps:
* Stem, stages and down-samplers are numbered in one row: `features.0`, then blocks in `features.{2s+1}` and the step
  down before stage s in `features.{2s}`.
* The MLP's maps are `mlp.0` and `mlp.3`, with the activation and dropout between.
* `relative_position_index` is stored flat, (N·N).
* Windows follow torchvision's own rule (`rule="torchvision"`). There is no dense form.
"""

from __future__ import annotations

import re

from torch import Tensor

from vitrail.models.assemble import Network
from vitrail.models.swin import SwinSpec
from vitrail.weights.formats.layout import Layout, Rules, Sign
from vitrail.weights.formats.release import indexes


def _blocks(match: re.Match[str]) -> str:
    return f"features.{2 * int(match[1]) + 1}.{match[2]}."


def _down(match: re.Match[str]) -> str:
    return f"features.{2 * int(match[1])}.{'reduction' if match[2] == 'reduce' else match[2]}."


_BLOCK = r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\."
_RULES: Rules = (
    (r"^trunk\.stem\.project\.", "features.0.0."),
    (r"^trunk\.stem\.norm\.", "features.0.2."),
    (r"^trunk\.stages\.(\d+)\.down\.(norm|reduce)\.", _down),
    (_BLOCK + r"mix\.norm\.", lambda m: _blocks(m) + "norm1."),
    (_BLOCK + r"mlp\.norm\.", lambda m: _blocks(m) + "norm2."),
    (_BLOCK + r"mlp\.body\.fc1\.", lambda m: _blocks(m) + "mlp.0."),
    (_BLOCK + r"mlp\.body\.fc2\.", lambda m: _blocks(m) + "mlp.3."),
    (_BLOCK + r"mix\.body\.bias\.table$", lambda m: _blocks(m) + "attn.relative_position_bias_table"),
    (_BLOCK + r"mix\.body\.(qkv|proj)\.", lambda m: _blocks(m) + f"attn.{m[3]}."),
    (r"^(norm|head)\.", r"\1."),
)


def _buffers(model: Network) -> dict[str, Tensor]:
    return indexes(_RULES, model, flat=True)


TORCHVISION = Layout(
    "torchvision",
    "torchvision's",
    {SwinSpec: _RULES},
    {
        SwinSpec: Sign(
            "features.0.0.weight",
            has=(r"^features\.1\.0\.attn\.relative_position_bias_table$",),
            lacks=(r"logit_scale|cpb_mlp",),
        )
    },
    buffers=_buffers,
    rule=lambda dense: {"rule": "torchvision"},
)
