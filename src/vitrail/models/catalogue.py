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
from vitrail.flow.sampling import Sampling
from vitrail.geometry.links import Linked
from vitrail.geometry.windows import Windows
from vitrail.models import (
    detectors,
    flashdit,
    iwin,
    iwin_lm,
    iwin_video,
    lightningdit,
    others,
    others_dense,
    scalablevit,
    segmenters,
    swin,
    swin_video,
)
from vitrail.models.assemble import Network
from vitrail.models.assembled import Assembled, assemble
from vitrail.models.generator import LATENT, Generator
from vitrail.models.spec import Trained, override, to_dict
from vitrail.pyramid import Stage

FAMILIES = (iwin, swin, scalablevit)
VIDEO = (iwin_video, swin_video)
GENERATORS = (flashdit, lightningdit)
KINDS = detectors.KINDS | segmenters.KINDS  # of networks named kind_backbone, such as mask_rcnn_iwin_tiny
DENSE = "dense_"
PICTURE = (224, 224)
SMALLEST, LARGEST = 4, 16384  # sides of a picture, in pixels


class Row(NamedTuple):
    """What stands behind a name."""

    spec: Any
    builder: Callable[..., Network]  # (spec, size, ...) -> model
    classes: bool  # the builder takes num_classes
    size: tuple[int, int] = PICTURE  # where none is named
    sampling: Sampling | None = None  # of a generator

    def make(self, spec: Any, size: tuple[int, int], num_classes: int) -> Network:
        model = self.builder(spec, size, num_classes) if self.classes else self.builder(spec, size)
        if self.sampling is not None:
            assert isinstance(model, Generator)
            model.sampling = self.sampling
        model.spec, model.size, model.num_classes = spec, size, num_classes if self.classes else 0
        return model


def _rows() -> dict[str, Row]:
    rows = {}
    for family in FAMILIES:
        for name, spec in family.VARIANTS.items():
            rows[name] = Row(spec, family.classifier, True)
            rows[f"{DENSE}{name}"] = Row(family.dense(spec), family.backbone, False)
    for video in VIDEO:
        rows |= {name: Row(spec, video.classifier, True) for name, spec in video.VARIANTS.items()}
    for kind in GENERATORS:
        for name, spec in kind.VARIANTS.items():
            rows[name] = Row(spec, kind.generator, True, LATENT, kind.SAMPLING.get(name, Sampling()))
    return rows


ROWS = _rows()

LANGUAGE = iwin_lm.VARIANTS  # models of lines of tokens, by name: they have no size, and a vocabulary for classes

WEIGHTS: dict[str, Trained] = {name: row for family in (*FAMILIES, *VIDEO) for name, row in family.WEIGHTS.items()}


def list_models(pattern: str = "*") -> list[str]:
    """The names that match a shell pattern, such as "iwin_*", in the order of the catalogue.

    `NAME` is a classifier, `dense_NAME` its backbone for dense tasks with the output norms of the release, `video_NAME`
    a classifier of clips; `flashdit_NAME` and `lightningdit_NAME` generate pictures of classes; `KIND_NAME` is a
    detector or a segmenter on that backbone, for each of `KINDS`; `iwin_lm_NAME`, `full_lm_NAME` and `rope_lm_NAME` are
    models of language.
    """
    below = [name.removeprefix(DENSE) for name in ROWS if name.startswith(DENSE)]
    names = [*ROWS, *(f"{kind}_{name}" for kind in KINDS for name in below), *LANGUAGE]
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def create_model(
    name: str, num_classes: int | None = None, size: int | tuple[int, int] | None = None, **overrides: Any
) -> Network:
    """Build a model by name.

    Args:
        name: One of `list_models()`; or `timm/NAME` or `torchvision/NAME`, those libraries' own classifiers, whose
            overrides are their constructors' arguments; or `dense_timm/NAME`, `dense_torchvision/NAME`, their
            networks as backbones; or a detector or segmenter on any dense backbone, `mask_rcnn_iwin_tiny`,
            `upernet_timm/resnet18`.
        num_classes: Of the head; 0 gives pooled features. Backbones for dense tasks (`dense_...`) have none. By
            default those of the papers' data: 1000, of detectors 80, of segmenters 150.
        size: (H, W) in pixels (or one side) for which windows, shifts and the presence of convolutions are resolved,
            once, by the release's rule. The model then takes any size by padding and never changes them. 224 by
            default; of generators that of the latent, by default 16, on which nothing in them depends.
        overrides: Fields of the model's spec, such as `window=8`, `drop_path=0.2`, `in_channels=1`, `frames=16` (of
            the clips that a video model is built for; it too takes any). Detectors and segmenters take their own and
            their backbone's. `window="reach"` takes the smallest windows that make two blocks of a stage global at
            this size, and prints on standard error what they cost.
    Returns:
        (B, C_in, H, W), of clips (B, C_in, T, H, W), -> logits (B, num_classes), with `.features(x)`, `.channels`,
        `.strides`. Detectors and segmenters have `loss` and `predict`. A generator gives velocities: latents (B, C_in,
        H, W), times (B,), labels (B,) -> (B, C_in, H, W); `.sampling` says how its name is sampled. A model of
        language takes tokens, (B, N) int64 -> logits (B, N, vocabulary), any N; its classes are its `vocabulary`, 256
        by default, and it has no size.
    Raises:
        InputError: for an unknown name, field, value or size; one line that says what to do.
    """
    model = build(name, num_classes, size, **overrides)
    if overrides.get("window") == "reach" and next(model.parameters()).device.type != "meta":
        print(_reach_line(_body(model), _cost(_body(model))), file=sys.stderr)
    return model


def build(
    name: str, num_classes: int | None, size: int | tuple[int, int] | tuple[()] | None, **overrides: Any
) -> Network:
    """`create_model` without a word."""
    if isinstance(name, str) and name in LANGUAGE:
        return _language(name, num_classes, size, overrides)
    kind = kind_of(name)
    if size is None:
        size = ROWS[name].size if isinstance(name, str) and name in ROWS else PICTURE
    grid = _size(size)
    if num_classes is None:
        num_classes = KINDS[kind].classes if kind else 1000
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 0:
        raise InputError(f"num_classes={num_classes!r}: a whole number is wanted, 0 for features.")
    if isinstance(name, str) and name.startswith(others.PREFIXES):
        return others.build(name, num_classes, grid, overrides)
    if isinstance(name, str) and name.startswith(others_dense.PREFIXES):
        return others_dense.build(name, grid, overrides)
    if kind:
        return _assembled(name, kind, num_classes, grid, overrides)
    row = _row(name)
    spec = override(row.spec, **overrides)
    try:
        model = row.make(spec, grid, num_classes)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None
    model.name = name
    return model


def kind_of(name: str) -> str | None:
    """The kind of detector or segmenter that a name begins with, None for other names."""
    return next((kind for kind in KINDS if str(name).startswith(f"{kind}_")), None)


def _language(name: str, vocabulary: int | None, size: Any, overrides: dict[str, Any]) -> Network:
    if size:
        raise InputError(f"{name} reads lines of tokens, of any length: leave size={size!r} out.")
    spec = override(LANGUAGE[name], **iwin_lm.with_vocabulary(name, vocabulary, overrides))
    try:
        model = iwin_lm.language_model(spec)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None
    model.name, model.size, model.num_classes = name, (), spec.vocabulary  # type: ignore[assignment]
    return model


def _assembled(name: str, kind: str, num_classes: int, size: tuple[int, int], overrides: dict[str, Any]) -> Network:
    inner = name.removeprefix(f"{kind}_")
    if not inner.startswith(others.PREFIXES) and f"{DENSE}{inner}" not in ROWS:
        names = list_models(f"{kind}_*")
        raise InputError(f"No model is called {name!r}.{nearest(name, names)} `vitrail models '{kind}_*'` lists them.")
    if not num_classes:
        raise InputError(f"{name}: num_classes=0 leaves nothing to find; {DENSE}{inner} is the backbone alone.")
    base = ROWS[f"{DENSE}{inner}"].spec if f"{DENSE}{inner}" in ROWS else None
    model = assemble(
        KINDS[kind], base, num_classes, overrides, lambda **below: build(f"{DENSE}{inner}", 0, size, **below)
    )
    model.name, model.size, model.num_classes = name, size, num_classes
    return model


def describe(
    name: str, num_classes: int | None = None, size: int | tuple[int, int] | None = None, **overrides: Any
) -> dict[str, Any]:
    """What a model is and costs, as plain values for JSON; built on the meta device, so nothing is computed.

    Keys: name, size, num_classes, parameters, multiply_adds (of one picture or clip of `size`), channels, strides,
    spec, and for each stage its blocks, map, mixers, heads, and windows and shifts where it has them; with
    `window="reach"` also "reach", the line that says what it chose and costs.
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
    body = _body(model)
    if isinstance(body, others.Other):
        return document
    if isinstance(body, Generator | iwin_lm.LanguageModel):
        document["stages"] = [_stage(body.blocks(), body.grids()[0], body.spec.heads)]
        return document
    document["stages"] = [
        _stage(_blocks(stage), grid, body.spec.heads[number])
        for number, (stage, grid) in enumerate(zip(body.trunk.stages, body.grids(), strict=True))
    ]
    if body.spec.window == "reach":
        document["reach"] = _reach_line(body, _cost(body))
    return document


def _body(model: Network) -> Network:
    """The backbone of a detector or a segmenter; another model itself."""
    return model.backbone if isinstance(model, Assembled) else model


def windows_of(trained: Trained | Network) -> list[tuple[int, ...]]:
    """The windows of each block that has them, as its family resolves them for its size."""
    if isinstance(trained, Network):
        return [windows.size for windows in _windows(trained)]
    row = next(row for row in ROWS.values() if row.classes and type(row.spec) is type(trained.spec))
    with torch.device("meta"):
        return windows_of(row.builder(trained.spec, trained.size, 1))


def _windows(module: nn.Module) -> list[Windows]:
    found = (getattr(m, "windows", None) for m in module.modules())
    return [windows for windows in found if isinstance(windows, Windows)]


def _row(name: str) -> Row:
    if not isinstance(name, str) or name not in ROWS:
        near = nearest(str(name), [*ROWS, *LANGUAGE])
        raise InputError(
            f"No model is called {name!r}.{near} `vitrail models '*'` lists all {len(ROWS) + len(LANGUAGE)}."
        )
    return ROWS[name]


def _size(size: int | tuple[int, ...]) -> tuple[int, int]:
    try:
        height, width = (size, size) if isinstance(size, int) else size
        grid = (int(height), int(width))
        good = grid == (height, width) and all(SMALLEST <= side <= LARGEST for side in grid)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise InputError(f"size={size!r}: (height, width) in pixels is wanted, each from {SMALLEST} to {LARGEST}.")
    return grid


def _blocks(stage: nn.Module) -> list[nn.Module]:
    assert isinstance(stage, Stage)
    return list(stage.blocks)


def _stage(blocks: list[nn.Module], grid: tuple[int, ...], heads: int) -> dict[str, Any]:
    """The blocks of a stage as plain values: each list without repeats, in their order."""
    mixers = [_label(m) for block in blocks for m in block.modules() if m not in blocks and isinstance(m, Linked)]
    windows = [found for block in blocks for found in _windows(block)]
    plain = {"Block", "Residual", "Sum", "OnAxes", "CausalSum"}
    return {
        "blocks": len(blocks),
        "map": list(grid),
        "mixers": [mixer for mixer in dict.fromkeys(mixers) if mixer not in plain and not mixer.startswith("_")],
        "heads": heads,
        "windows": [list(size) for size in dict.fromkeys(_tokens(w, grid) for w in windows)],
        "shifts": [list(shift) for shift in dict.fromkeys(w.shift for w in windows if w.shift)],
    }


def _tokens(windows: Windows, grid: tuple[int, ...]) -> tuple[int, ...]:
    """The sides of windows on a grid: their sizes, or what a fixed number of them comes to."""
    return tuple(axis.tokens for axis in windows.axes(grid))


def _label(mixer: nn.Module) -> str:
    """The name of a mixer's class, and whether its windows are interleaved."""
    windows = getattr(mixer, "windows", None)
    interleaved = isinstance(windows, Windows) and windows.interleaved
    return type(mixer).__name__ + (" (interleaved)" if interleaved else "")


def _cost(model: Network) -> int:
    """Multiply-adds of one picture or clip of the size that the model was built for.

    A detector's are those with 1000 regions and 100 masks; of a language model a line of `spec.length` tokens.
    """
    if isinstance(model, iwin_lm.LanguageModel):
        return count.multiply_adds(model, (1, *model.input_size))
    return count.multiply_adds(model, (1, getattr(_body(model).spec, "in_channels", 3), *model.input_size))


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
