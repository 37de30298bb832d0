"""Hugging Face's Swin: `SwinForImageClassification`, `SwinModel` and `SwinBackbone`.

Traps:
* Queries, keys and values are three maps, where everybody else has one.
* Files (the Hub's, and what `save_pretrained` writes) have other names than a model's `state_dict()` since
  transformers 5: `attention.self.query` beside `attention.q_proj`. These are two layouts here.
* `swin.` stands before all names but those of the head and of the backbone's output norms; a saved `SwinBackbone`
  leaves it out. That class also holds `swin.layernorm`, which it never uses: left out.
* `relative_position_index` is stored by files of transformers before 5, and not since.
* The down-sampler stands at the end of the stage before. Absolute positions are (1, N, C), also in backbones.
* A classifier clamps windows as the release does, but cannot use a smaller one with its table: it takes no map
  whose shorter side is below the window. A backbone never clamps (`always_partition`).
"""

from __future__ import annotations

import re
from functools import partial

from torch import Tensor

from vitrail.layers.embed import PositionTable
from vitrail.models.assemble import Network
from vitrail.models.swin import SwinSpec
from vitrail.weights.formats.layout import Layout, Pair, Rules, Sign
from vitrail.weights.formats.release import as_grid, as_tokens, indexes


def _down(match: re.Match[str]) -> str:
    return f"encoder.layers.{int(match[1]) - 1}.downsample.{'reduction' if match[2] == 'reduce' else match[2]}."


def _output_norm(match: re.Match[str]) -> str:
    return f"hidden_states_norms.stage{int(match[1]) + 1}."


_BLOCK = r"^trunk\.stages\.(\d+)\.blocks\.(\d+)\."
_IN = r"encoder.layers.\1.blocks.\2."


def _rules(attention: tuple[str, str, str], table: str, proj: str, fc1: str, fc2: str) -> Rules:
    return (
        (r"^trunk\.stem\.project\.", "embeddings.patch_embeddings.projection."),
        (r"^trunk\.stem\.norm\.", "embeddings.norm."),
        (r"^trunk\.stem\.position\.table$", "embeddings.position_embeddings"),
        (r"^trunk\.stages\.(\d+)\.down\.(norm|reduce)\.", _down),
        (_BLOCK + r"mix\.norm\.", _IN + "layernorm_before."),
        (_BLOCK + r"mlp\.norm\.", _IN + "layernorm_after."),
        (_BLOCK + r"mlp\.body\.fc1\.", _IN + fc1),
        (_BLOCK + r"mlp\.body\.fc2\.", _IN + fc2),
        (_BLOCK + r"mix\.body\.bias\.table$", _IN + table),
        (_BLOCK + r"mix\.body\.qkv\.", tuple(_IN + name for name in attention)),
        (_BLOCK + r"mix\.body\.proj\.", _IN + proj),
        (r"^norms\.(\d+)\.", _output_norm),
        (r"^norm\.", "layernorm."),
        (r"^head\.", "classifier."),
    )


_FILE = _rules(
    ("attention.self.query.", "attention.self.key.", "attention.self.value."),
    "attention.self.relative_position_bias_table",
    "attention.output.dense.",
    "intermediate.dense.",
    "output.dense.",
)
_LIVE = _rules(
    ("attention.q_proj.", "attention.k_proj.", "attention.v_proj."),
    "attention.relative_position_bias.relative_position_bias_table",
    "attention.o_proj.",
    "mlp.fc1.",
    "mlp.fc2.",
)


def _values(model: Network) -> dict[str, Pair]:
    found: dict[str, Pair] = {}
    for path, module in model.named_modules():
        if isinstance(module, PositionTable):
            grid = (module.table.shape[1], module.table.shape[2])
            found[f"{path}.table"] = (partial(as_grid, grid), as_tokens)
    return found


def _buffers(model: Network) -> dict[str, Tensor]:
    return indexes(_FILE, model)


def _layout(name: str, says: str, rules: Rules, query: str, buffers) -> Layout:
    return Layout(
        name,
        says,
        {SwinSpec: rules},
        {SwinSpec: Sign("embeddings.patch_embeddings.projection.weight", has=(query, r"downsample\.reduction"))},
        prefix="swin.",
        outside=r"^(classifier|hidden_states_norms)\.",
        inner="swin.",
        values=_values,
        buffers=buffers,
        stores=False,
    )


HUGGINGFACE = _layout(
    "huggingface", "Hugging Face's", _FILE, r"^encoder\.layers\.0\.blocks\.0\.attention\.self\.query\.", _buffers
)
TRANSFORMERS = _layout(
    "transformers",
    "transformers' state_dict",
    _LIVE,
    r"^encoder\.layers\.0\.blocks\.0\.attention\.q_proj\.",
    lambda model: {},
)
