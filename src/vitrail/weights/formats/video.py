"""What the papers' video releases have beside the names of their pictures' networks: Video Swin and Video Iwin.

Traps:
* Files hold the tensors under "state_dict", with `backbone.` before every name but the head's, `cls_head.fc_cls`.
* `time_embed` is (1, C, T', 1, 1).
* `relative_position_index` is that of the full window, (N, N), also where a window is clamped.
* A stem of five axes tells them from the networks of pictures; no shape shows the heads of Iwin.
"""

from __future__ import annotations

import re

from torch import Tensor

from vitrail.layers.embed import TimeTable
from vitrail.models.assemble import Network
from vitrail.models.iwin_video import VideoIwinSpec
from vitrail.models.swin_video import VideoSwinSpec
from vitrail.weights.formats.layout import Pair, Rules, Sign


def _down(match: re.Match[str]) -> str:
    return f"layers.{int(match[1]) - 1}.downsample.{'reduction' if match[2] == 'reduce' else match[2]}."


# tried before the rules of the networks of pictures
VIDEO: Rules = (
    (r"^trunk\.stem\.time\.table$", "time_embed"),
    (r"^trunk\.stages\.(\d+)\.down\.layer\.(norm|conv|reduce)\.", _down),
    (
        r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\.mix\.body\.conv\.layer\.conv\.",
        r"layers.\1.blocks.\2.dwconv.depthwise.",
    ),
    (r"^head\.fc\.", "cls_head.fc_cls."),
)
OUTSIDE = r"^cls_head\."

_BLOCK = r"^layers\.0\.blocks\.0\.norm1\."
SIGNS: dict[type, Sign] = {
    VideoIwinSpec: Sign("patch_embed.proj.weight", has=(_BLOCK, r"dwconv\.depthwise|downsample\.conv\."), axes=5),
    VideoSwinSpec: Sign(
        "patch_embed.proj.weight", has=(_BLOCK, r"relative_position_bias_table"), lacks=(r"dwconv\.",), axes=5
    ),
}


def values(model: Network) -> dict[str, Pair]:
    """Parameters that the video releases lay out otherwise."""
    tables = (path for path, module in model.named_modules() if isinstance(module, TimeTable))
    return {f"{path}.table": (_channels_last, _channels_first) for path in tables}


def _channels_last(table: Tensor) -> Tensor:
    return table.movedim(1, -1)


def _channels_first(table: Tensor) -> Tensor:
    return table.movedim(-1, 1)
