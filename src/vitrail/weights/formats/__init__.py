"""Everybody's key names, both ways: one file a layout, with its traps. Tables are read from our side.

For each of our parameters the first pattern that matches gives the key, so one table loads and saves. Buffers that
follow from the geometry are rebuilt, never carried.
"""

from __future__ import annotations

from torch import Tensor

from vitrail.mixers import WindowMLP
from vitrail.models.assemble import Network
from vitrail.weights.formats.huggingface import HUGGINGFACE, TRANSFORMERS
from vitrail.weights.formats.layout import DERIVED, Layout, ReleaseKey, Rules, Sign, body
from vitrail.weights.formats.mm import MM
from vitrail.weights.formats.release import RELEASE
from vitrail.weights.formats.timm import TIMM
from vitrail.weights.formats.torchvision import TORCHVISION

__all__ = [
    "DERIVED",
    "LAYOUTS",
    "Layout",
    "ReleaseKey",
    "Rules",
    "Sign",
    "body",
    "hides_heads",
    "release_keys",
    "to_release",
]

# in the order in which they are tried
LAYOUTS = {layout.name: layout for layout in (TIMM, TORCHVISION, HUGGINGFACE, TRANSFORMERS, MM, RELEASE)}


def release_keys(model: Network) -> dict[str, ReleaseKey]:
    """The release's key for each parameter of `model` and each running statistic; those without a place are absent."""
    return RELEASE.keys(model)


def to_release(model: Network) -> dict[str, Tensor]:
    """What `release_keys` names, under these keys and in the release's layouts, without derived buffers."""
    state = model.state_dict()
    written: dict[str, Tensor] = {}
    for name, key in release_keys(model).items():
        written |= key.write(state[name])
    return written


def hides_heads(model: Network) -> bool:
    """True when no shape of a file tells the number of heads: no bias table, no map over tokens."""
    heads = getattr(model.spec, "heads", ())
    shown = any(isinstance(module, WindowMLP) for module in model.modules()) or any(
        key.name.endswith("relative_position_bias_table") for key in release_keys(model).values()
    )
    return bool(heads) and not shown
