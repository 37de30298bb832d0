"""The only list of names, and the one place where a name given as text becomes a model."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from vitrail import count
from vitrail.errors import InputError, nearest
from vitrail.geometry.links import Linked
from vitrail.geometry.windows import Windows
from vitrail.models import iwin, others, scalablevit, swin
from vitrail.models.assemble import Network
from vitrail.models.spec import Trained, override, stage_grids, to_dict
from vitrail.pyramid import Stage

FAMILIES = (iwin, swin, scalablevit)
SMALLEST, LARGEST = 4, 16384  # sides of a picture, in pixels


class Row(NamedTuple):
    """What stands behind a name."""

    spec: Any
    builder: Callable[..., Network]  # (spec, size, ...) -> model
    classes: bool  # the builder takes num_classes

    def make(self, spec: Any, size: tuple[int, int], num_classes: int) -> Network:
        model = self.builder(spec, size, num_classes) if self.classes else self.builder(spec, size)
        model.spec, model.size, model.num_classes = spec, size, num_classes if self.classes else 0
        return model


def _rows() -> dict[str, Row]:
    rows = {}
    for family in FAMILIES:
        for name, spec in family.VARIANTS.items():
            rows[name] = Row(spec, family.classifier, True)
            rows[f"dense_{name}"] = Row(family.dense(spec), family.backbone, False)
    return rows


ROWS = _rows()

WEIGHTS: dict[str, Trained] = {name: row for family in FAMILIES for name, row in family.WEIGHTS.items()}


def list_models(pattern: str = "*") -> list[str]:
    """The names that match a shell pattern, such as "iwin_*", in the order of the catalogue.

    `NAME` is a classifier, `dense_NAME` its backbone for dense tasks with the output norms of the release.
    """
    return [name for name in ROWS if fnmatch.fnmatchcase(name, pattern)]


def create_model(
    name: str, num_classes: int = 1000, size: int | tuple[int, int] = (224, 224), **overrides: Any
) -> Network:
    """Build a model by name.

    Args:
        name: One of `list_models()`; or `timm/NAME` or `torchvision/NAME`, those libraries' own classifiers, whose
            overrides are their constructors' arguments.
        num_classes: Of the head; 0 gives pooled features. Backbones for dense tasks (`dense_...`) have none.
        size: (H, W) in pixels (or one side) for which windows, shifts and the presence of convolutions are resolved,
            once, by the release's rule. The model then takes any size by padding and never changes them.
        overrides: Fields of the model's spec, such as `window=8`, `drop_path=0.2`, `in_channels=1`.
            `window="reach"` takes the smallest windows that make two blocks of a stage global at this size, and
            prints on standard error what they cost.
    Returns:
        (B, C_in, H, W) -> logits (B, num_classes), with `.features(x)`, `.channels`, `.strides`.
    Raises:
        InputError: for an unknown name, field, value or size; one line that says what to do.
    """
    model = build(name, num_classes, size, **overrides)
    if overrides.get("window") == "reach" and next(model.parameters()).device.type != "meta":
        print(_reach_line(model, _cost(model)), file=sys.stderr)
    return model


def build(name: str, num_classes: int, size: int | tuple[int, int], **overrides: Any) -> Network:
    """`create_model` without a word."""
    grid = _size(size)
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 0:
        raise InputError(f"num_classes={num_classes!r}: a whole number is wanted, 0 for features.")
    if isinstance(name, str) and name.startswith(others.PREFIXES):
        return others.build(name, num_classes, grid, overrides)
    row = _row(name)
    spec = override(row.spec, **overrides)
    try:
        model = row.make(spec, grid, num_classes)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None
    model.name = name
    return model


def describe(
    name: str, num_classes: int = 1000, size: int | tuple[int, int] = (224, 224), **overrides: Any
) -> dict[str, Any]:
    """What a model is and costs, as plain values for JSON; built on the meta device, so nothing is computed.

    Keys: name, size, num_classes, parameters, multiply_adds (of one picture of `size`), channels, strides, spec, and
    for each stage its blocks, map, mixers, heads, and windows and shifts where it has them; with `window="reach"` also
    "reach", the line that says what it chose and costs.
    """
    with torch.device("meta"):
        model = build(name, num_classes, size, **overrides)
    cost = _cost(model)
    document = {
        "name": name,
        "size": list(model.size),
        "num_classes": model.num_classes,
        "parameters": count.parameters(model),
        "multiply_adds": cost,
        "channels": list(model.channels),
        "strides": list(model.strides),
        "stages": [],
        "spec": to_dict(model.spec),
    }
    if isinstance(model, others.Other):
        return document
    grids = stage_grids(model.size, len(model.channels))
    document["stages"] = [
        _stage(stage, grid, model.spec.heads[number])
        for number, (stage, grid) in enumerate(zip(model.trunk.stages, grids, strict=True))
    ]
    if model.spec.window == "reach":
        document["reach"] = _reach_line(model, cost)
    return document


def windows_of(trained: Trained | Network) -> list[tuple[int, ...]]:
    """The windows of each block that has them, as its family resolves them for its size."""
    if isinstance(trained, Network):
        return [windows.size for windows in _windows(trained)]
    family = next(f for f in FAMILIES if isinstance(trained.spec, type(next(iter(f.VARIANTS.values())))))
    with torch.device("meta"):
        return windows_of(family.classifier(trained.spec, trained.size, 0))


def _windows(module: nn.Module) -> list[Windows]:
    found = (getattr(m, "windows", None) for m in module.modules())
    return [windows for windows in found if isinstance(windows, Windows)]


def _row(name: str) -> Row:
    if not isinstance(name, str) or name not in ROWS:
        near = nearest(str(name), ROWS)
        raise InputError(f"No model is called {name!r}.{near} `vitrail models '*'` lists all {len(ROWS)}.")
    return ROWS[name]


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = (size, size) if isinstance(size, int) else size
        grid = (int(height), int(width))
        good = grid == (height, width) and all(SMALLEST <= side <= LARGEST for side in grid)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise InputError(f"size={size!r}: (height, width) in pixels is wanted, each from {SMALLEST} to {LARGEST}.")
    return grid


def _stage(stage: nn.Module, grid: tuple[int, int], heads: int) -> dict[str, Any]:
    """A stage as plain values: each list without repeats, in the order of its blocks."""
    assert isinstance(stage, Stage)
    mixers = [_label(module) for module in stage.blocks.modules() if isinstance(module, Linked)]
    windows = _windows(stage)
    plain = {"Block", "Residual", "Sum"}
    return {
        "blocks": len(stage.blocks),
        "map": list(grid),
        "mixers": [mixer for mixer in dict.fromkeys(mixers) if mixer not in plain and not mixer.startswith("_")],
        "heads": heads,
        "windows": [list(size) for size in dict.fromkeys(w.size for w in windows)],
        "shifts": [list(shift) for shift in dict.fromkeys(w.shift for w in windows if w.shift)],
    }


def _label(mixer: nn.Module) -> str:
    """The name of a mixer's class, and whether its windows are interleaved."""
    windows = getattr(mixer, "windows", None)
    interleaved = isinstance(windows, Windows) and windows.interleaved
    return type(mixer).__name__ + (" (interleaved)" if interleaved else "")


def _cost(model: Network) -> int:
    """Multiply-adds of one picture of the size that the model was built for."""
    return count.multiply_adds(model, (1, getattr(model.spec, "in_channels", 3), *model.size))


def _reach_line(model: Network, cost: int) -> str:
    """What `window="reach"` chose and costs, against the model's own windows at the same size."""
    row = _row(model.name)
    with torch.device("meta"):
        usual = row.make(override(model.spec, window=row.spec.window), model.size, model.num_classes)
    chosen, default = (
        " ".join("x".join(map(str, windows[0].size)) for windows in map(_windows, m.trunk.stages) if windows)
        for m in (model, usual)
    )
    before = _cost(usual)
    return (
        f"{model.name} at {model.size[0]}x{model.size[1]}, window='reach': {chosen} instead of {default}; "
        f"{cost / 1e9:.3g} G multiply-adds instead of {before / 1e9:.3g} G ({cost / before - 1:+.1%})."
    )
