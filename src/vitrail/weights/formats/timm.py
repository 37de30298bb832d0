"""timm's Swin, from 0.9 on.

Traps:
* The down-sampler stands at the head of its own stage, `layers.{s}.downsample`, from s = 1; timm before 0.9 had the
  release's names.
* The head is `head.fc`.
* Nothing derived is stored. A window that an axis clamps has a table of its own sides, which need not be square.
* Its four merged neighbours are written column by column, which is the release's order.
* Windows follow timm's own rule (`rule="timm"`), which differs from the release's where a map is not square or ragged.
"""

from __future__ import annotations

from vitrail.models.swin import SwinSpec
from vitrail.weights.formats.layout import Layout, Rules, Sign
from vitrail.weights.formats.release import SWIN

_RULES: Rules = (
    (r"^trunk\.stages\.(\d+)\.down\.reduce\.", r"layers.\1.downsample.reduction."),
    (r"^trunk\.stages\.(\d+)\.down\.norm\.", r"layers.\1.downsample.norm."),
    (r"^head\.", "head.fc."),
    *(rule for rule in SWIN if ".down" not in rule[0] and "norms" not in rule[0] and "position" not in rule[0]),
    (r"^norm\.", "norm."),
)

TIMM = Layout(
    "timm",
    "timm's",
    {SwinSpec: _RULES},
    {
        SwinSpec: Sign(
            "patch_embed.proj.weight",
            has=(r"^layers\.0\.blocks\.0\.norm1\.", r"^layers\.1\.downsample\.reduction\."),
            lacks=(r"^layers\.0\.downsample\.", r"logit_scale|cpb_mlp"),
        )
    },
    rule=lambda dense: {"rule": "timm"},
    stores=False,
)
