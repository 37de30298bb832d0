"""Load weights under our names or a release's, all of them or none, with a report key by key."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vitrail.errors import InputError, nearest
from vitrail.layers.embed import PositionTable, resize_grid
from vitrail.layers.relative import RelativeBias, resize_table
from vitrail.models.assemble import Network
from vitrail.models.catalogue import ROWS, WEIGHTS, windows_of
from vitrail.models.spec import Trained, override
from vitrail.weights.files import described, read
from vitrail.weights.formats import DERIVED, ReleaseKey, hides_heads, release_keys

# fields of a spec in which the model may differ from what the weights were trained as; windows are looked at resolved
FREE = {"window", "clamp", "conv_stages", "drop_path", "init", "checkpoint", "padding", "in_channels"}


@dataclass(frozen=True)
class Report:
    """What became of each key.

    loaded, resized, renewed, missing: our names (`resized`: tables interpolated; `renewed`: the head of another number
    of classes, left as it was initialised; `missing`: not in the file). unexpected, derived: the file's names
    (`derived`: buffers that follow from the geometry, which the model builds itself).
    """

    layout: str
    loaded: tuple[str, ...]
    resized: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} tensors loaded from {self.layout} names."]
        for what in ("resized", "renewed", "missing", "unexpected", "derived"):
            keys = getattr(self, what)
            if keys:
                lines.append(f"{what} ({len(keys)}): {', '.join(keys)}")
        return "\n".join(lines)


def load_weights(
    model: Network,
    source: str | Path | Mapping[str, Any],
    *,
    trained_as: str | Trained | Network | None = None,
    new_window: bool = False,
    new_classes: bool = False,
    partial: bool = False,
) -> Report:
    """Copy weights into `model`; on any error the model is left as it was.

    Args:
        source: A .safetensors file or a state dict (also under a key "model" or "state_dict"), in our names or those
            of the paper's release.
        trained_as: What the weights were trained as: a row of the weights table (`"iwin_small.in1k_224"`), a
            `Trained`, or a model like the one they came from. A release's file does not show its heads unless it has
            bias tables, so Iwin and ScalableViT need it. Files written by `vitrail.weights.save` say it themselves.
        new_window: The model's windows may differ from the trained ones; bias and position tables are then resized
            bicubically, as Swin's release does.
        new_classes: The head may have another number of classes; it then stays as initialised.
        partial: Keys may be missing or left over; the report names them.
    Raises:
        InputError: a file that cannot be read, other heads or structure, another window or class count without
            leave, or a partial load without leave.
    """
    if not isinstance(model, Network):
        raise InputError(f"load_weights takes models of create_model; {type(model).__name__} came.")
    state, document = _tensors(source)
    ours = any(key.startswith("trunk.") for key in state)  # `norm` and `head` are called so by everybody
    if trained_as is None and document:
        trained_as = trained(document)
    if ours:
        keys = {name: ReleaseKey(name) for name, _ in model.named_parameters()}
    else:
        keys = release_keys(model)
        if trained_as is None and any(key.name in state for key in keys.values()) and hides_heads(model):
            raise InputError(_which_row(model))
    if trained_as is not None:
        _check_trained(model, trained_as, new_window)
    plan = _Plan(model, state, keys, new_window, new_classes)
    report = plan.report("our" if ours else "the release's")
    if not report.loaded:
        raise InputError(
            f"None of the {len(state)} keys fits {model.name} (first: {next(iter(state), 'none')!r}); "
            "it is the file of another family, or in a layout that is not known."
        )
    if not partial and (report.missing or report.unexpected):
        raise InputError(
            f"{model.name} and the file differ: "
            + "; ".join(
                f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
                for what, names in (("missing", report.missing), ("unexpected", report.unexpected))
                if names
            )
            + ". Pass partial=True to load what fits."
        )
    plan.copy()
    return report


class _Plan:
    """What goes where, made whole before anything is copied."""

    def __init__(
        self, model: Network, state: dict[str, Tensor], keys: dict[str, ReleaseKey], new_window: bool, new_classes: bool
    ):
        self.state = state
        self.parameters = dict(model.named_parameters())
        self.modules = dict(model.named_modules())
        self.values: dict[str, Tensor] = {}
        self.resized: list[str] = []
        self.renewed: list[str] = []
        self.used: set[str] = set()
        for name, parameter in self.parameters.items():
            key = keys.get(name)
            if key is None or key.name not in state:
                continue
            self.used.add(key.name)
            value = _laid_out(key, state[key.name])
            if not value.is_floating_point():
                raise InputError(f"{key.name} holds {value.dtype}; weights are floating-point numbers.")
            if value.shape != parameter.shape:
                if name.startswith("head.") and value.shape[1:] == parameter.shape[1:]:
                    if not new_classes:
                        raise InputError(
                            f"{name}: the file has {value.shape[0]} classes, {model.name} {parameter.shape[0]}; "
                            f"build it with num_classes={value.shape[0]}, or pass new_classes=True for a fresh head."
                        )
                    self.renewed.append(name)
                    continue
                value = self._resized(model, name, value, new_window)
                self.resized.append(name)
            self.values[name] = value
        self.missing = [n for n in self.parameters if n not in self.values and n not in self.renewed]

    def _resized(self, model: Network, name: str, value: Tensor, allowed: bool) -> Tensor:
        """A table for another window or grid as this model's."""
        path, _, leaf = name.rpartition(".")
        module, wanted = self.modules[path], self.parameters[name]
        side = math.isqrt(value.shape[0])
        is_bias = isinstance(module, RelativeBias) and len(module.size) == 2 and value.shape[1:] == wanted.shape[1:]
        is_bias = is_bias and side * side == value.shape[0] and side % 2 == 1
        is_position = isinstance(module, PositionTable) and value.ndim == 4 and value.shape[-1] == wanted.shape[-1]
        if leaf != "table" or not (is_bias or is_position):
            raise InputError(
                f"{name}: the file has {tuple(value.shape)}, {model.name} {tuple(wanted.shape)}; "
                "it was trained with another width, depth, head count or structure."
            )
        if not allowed:
            what = f"a table of window {(side + 1) // 2}" if is_bias else f"positions on {tuple(value.shape[1:3])}"
            raise InputError(
                f"{name}: the file has {what}, {model.name} was built for another (size {model.size}); "
                "build it with that window and size, or pass new_window=True to resize."
            )
        if is_bias:
            return resize_table(value, ((side + 1) // 2,) * 2, module.size)
        return resize_grid(value, (wanted.shape[1], wanted.shape[2]))

    def report(self, layout: str) -> Report:
        left = [key for key in self.state if key not in self.used]
        return Report(
            layout=layout,
            loaded=tuple(self.values),
            resized=tuple(self.resized),
            renewed=tuple(self.renewed),
            missing=tuple(self.missing),
            unexpected=tuple(key for key in left if not DERIVED.search(key)),
            derived=tuple(key for key in left if DERIVED.search(key)),
        )

    @torch.no_grad()
    def copy(self) -> None:
        for name, value in self.values.items():
            self.parameters[name].copy_(value)


def _laid_out(key: ReleaseKey, value: Tensor) -> Tensor:
    try:
        return key.ours(value)
    except RuntimeError:
        raise InputError(f"{key.name}: its shape {tuple(value.shape)} does not fit this model's layout.") from None


def _tensors(source: str | Path | Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if isinstance(source, str | Path):
        return read(source)
    if not isinstance(source, Mapping):
        raise InputError(f"A .safetensors file or a state dict is wanted; {type(source).__name__} came.")
    state: Mapping[str, Any] = source
    for wrapper in ("model", "state_dict"):
        if isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    wrong = [key for key, value in state.items() if not isinstance(value, Tensor) or not isinstance(key, str)]
    if wrong or not state:
        what = f"{wrong[0]!r} is none" if wrong else "it is empty"
        raise InputError(f"A state dict of tensors by name is wanted; {what}.")
    return dict(state), {}


def trained(document: dict[str, Any]) -> Trained | None:
    """What a file written by `save` says of itself."""
    said = described(document, "the file")
    if said is None or said.name not in ROWS:
        return None
    return Trained(override(ROWS[said.name].spec, **said.spec), said.size, said.num_classes)


def _check_trained(model: Network, trained_as: str | Trained | Network, new_window: bool) -> None:
    """Refuse weights trained with other heads or structure, and another window without leave."""
    label = "the weights"
    if not isinstance(trained_as, str | Trained | Network):
        raise InputError(f"trained_as={trained_as!r}: a weights row, a Trained(spec, size) or a model is wanted.")
    if isinstance(trained_as, str):
        if trained_as not in WEIGHTS:
            raise InputError(f"No weights row is called {trained_as!r}.{nearest(trained_as, WEIGHTS)}")
        label, trained_as = trained_as, WEIGHTS[trained_as]
    if type(trained_as.spec) is not type(model.spec):
        raise InputError(
            f"{label} are {type(trained_as.spec).__name__} weights, {model.name} is a {type(model.spec).__name__}."
        )
    for field in dataclasses.fields(model.spec):
        theirs, its = getattr(trained_as.spec, field.name), getattr(model.spec, field.name)
        if field.name not in FREE and theirs != its:
            raise InputError(
                f"{label} were trained with {field.name}={theirs}, {model.name} has {field.name}={its}; "
                f"build the model with {field.name}={theirs}."
            )
    if not new_window and windows_of(trained_as) != windows_of(model):
        raise InputError(
            f"{label} were trained with windows {_sizes(windows_of(trained_as))}, {model.name} at {model.size} has "
            f"{_sizes(windows_of(model))}; build it with the same, or pass new_window=True."
        )


def _sizes(windows: list[tuple[int, ...]]) -> str:
    return " ".join("x".join(map(str, size)) for size in dict.fromkeys(windows))


def _which_row(model: Network) -> str:
    shape = (model.spec.dim, model.spec.depths)
    rows = [
        f"{name!r} (heads {', '.join(map(str, row.spec.heads))})"
        for name, row in WEIGHTS.items()
        if type(row.spec) is type(model.spec) and (row.spec.dim, row.spec.depths) == shape
    ]
    choice = f" one of {'; '.join(rows)}" if rows else " a Trained(spec, size)"
    return f"A release's file does not show the heads of {model.name}: say what it was trained as, trained_as={choice}."
