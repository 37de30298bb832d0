"""Load weights under our names or anybody's in `formats`, all of them or none, with a report key by key."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vitrail.errors import InputError
from vitrail.layers.embed import PositionTable, TimeTable, resize_grid, resize_time
from vitrail.layers.relative import RelativeBias, resize_table
from vitrail.models.assemble import Network
from vitrail.models.assembled import Assembled
from vitrail.models.catalogue import WEIGHTS
from vitrail.models.generator import Generator
from vitrail.models.others import Other
from vitrail.models.others_weights import take
from vitrail.models.spec import Trained
from vitrail.weights.files import read
from vitrail.weights.formats import DERIVED, LAYOUTS, ReleaseKey, body, hides_heads
from vitrail.weights.recognise import family, recognise
from vitrail.weights.trained_as import check_rule, check_trained, trained, trained_below, which_row

OURS = re.compile(r"(backbone\.)?trunk\.")  # `norm` and `head` are called so by everybody
# of ours, what has a row for each class, or several
CLASSIFIERS = re.compile(
    r"^(head\.(weight|bias|\d+\.|fc\.|classes\.|scores\.)|auxiliary\.classes\.|"
    r"regions\.(boxes\.\d+\.(scores|deltas)|masks\.\d+\.masks)\.|trunk\.labels\.)"
)
# "ema" before "model": files with both are of training generators, of which the average is sampled
WRAPPERS = ("ema", "model", "state_dict", "module", "model_state", "model_ema", "state_dict_ema")


@dataclass(frozen=True)
class Report:
    """What became of each key.

    loaded, resized, renewed, missing: our names (`resized`: tables interpolated; `renewed`: the head of another number
    of classes, left as it was initialised; of a generator the table of labels, which takes the row of no label from
    the file; `missing`: not in the file). unexpected, derived: the file's names
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
        source: A .safetensors file or a state dict (also under a key such as "model" or "state_dict"), in our names,
            those of the paper's release, or another layout of `vitrail.weights.formats`: timm's, torchvision's,
            Hugging Face's, OpenMMLab's. A detector or segmenter takes its heads' names of mmdetection and
            mmsegmentation, or with `partial` the backbone of any other network; a backbone leaves heads over.
        trained_as: What the weights were trained as: a row of the weights table (`"iwin_small.in1k_224"`), a
            `Trained`, or a model like the one they came from. A release's file does not show its heads unless it has
            bias tables, so Iwin and ScalableViT need it. Files written by `vitrail.weights.save` say it themselves.
        new_window: The model's windows may differ from the trained ones; bias and position tables are then resized
            bicubically, as Swin's release does.
        new_classes: The head may have another number of classes; what counts them then stays as initialised. So does a
            generator's table of labels, but for its last row, that of no label, where both have one. A file that does
            not say so is taken to have one.
        partial: Keys may be missing or left over; the report names them.
    Raises:
        InputError: a file that cannot be read, other heads or structure, another window or class count without
            leave, or a partial load without leave.
    """
    if not isinstance(model, Network):
        raise InputError(f"load_weights takes models of create_model; {type(model).__name__} came.")
    state, document = _tensors(source)
    if isinstance(model, Other):
        return _of_other(model, state, new_classes)
    inner = body(model)
    ours = isinstance(inner, Other) or any(map(OURS.match, state))
    layout = LAYOUTS["release"]
    if trained_as is None and document:
        trained_as = trained(document) or trained_below(document)
    if ours:
        keys = _own_keys(model, state)
    else:
        found = recognise(state)
        if found:
            layout = found.layout
            if found.kind is not type(inner.spec):
                raise InputError(
                    f"The file is {family(found.kind)} in {layout.says} names; {inner.name} is "
                    f"{family(type(inner.spec))}."
                )
        keys = layout.keys(model, found.prefix if found else None)
        if trained_as is None and any(key.name in state for key in keys.values()) and hides_heads(inner):
            raise InputError(which_row(inner))
        if trained_as is None and found:
            check_rule(inner, found, new_window)
    if trained_as is not None:
        check_trained(inner, trained_as, new_window)
    plan = _Plan(model, state, keys, new_window, new_classes, trained_as)
    report = plan.report("our" if ours else layout.says)
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


def _of_other(model: Other, state: dict[str, Tensor], new_classes: bool) -> Report:
    """Weights of another library's network; heads that a backbone has no use for are left over."""
    taken = take(model, state, new_classes)
    return Report("the library's", taken.loaded, missing=taken.missing, unexpected=taken.left_out)


class _Plan:
    """What goes where, made whole before anything is copied."""

    def __init__(
        self,
        model: Network,
        state: dict[str, Tensor],
        keys: dict[str, ReleaseKey],
        new_window: bool,
        new_classes: bool,
        trained_as: str | Trained | Network | None,
    ):
        self.state = state
        self.source = dict(trained_as.named_modules()) if isinstance(trained_as, Network) else {}
        self.spec = WEIGHTS[trained_as].spec if isinstance(trained_as, str) else getattr(trained_as, "spec", None)
        self.parameters = model.state_dict()  # of heads, running statistics too; they share their memory
        self.modules = dict(model.named_modules())
        self.values: dict[str, Tensor] = {}
        self.resized: list[str] = []
        self.renewed: list[str] = []
        self.used: set[str] = set()
        for name, parameter in self.parameters.items():
            key = keys.get(name)
            if key is None or not all(theirs in state for theirs in key.names):
                continue
            self.used.update(key.names)
            value = _laid_out(key, state)
            if value.shape != parameter.shape:
                if CLASSIFIERS.match(name) and value.shape[1:] == parameter.shape[1:]:
                    if not new_classes:
                        raise InputError(_other_classes(model, name, value.shape[0], parameter.shape[0]))
                    self.renewed.append(name)
                    if isinstance(model, Generator) and model.null is not None and self._drops_labels():
                        self.values[name] = torch.cat([parameter[:-1], value[-1:].to(parameter)])
                    continue
                value = self._resized(model, name, value, new_window)
                self.resized.append(name)
            self.values[name] = value
        self.missing = [n for n in self.parameters if n not in self.values and n not in self.renewed]

    def _drops_labels(self) -> bool:
        """Whether a generator's file has a row of no label, its last one."""
        return getattr(self.spec, "label_drop", 1.0) > 0

    def _resized(self, model: Network, name: str, value: Tensor, allowed: bool) -> Tensor:
        """A table for another window or grid as this model's."""
        path, _, leaf = name.rpartition(".")
        module, wanted = self.modules[path], self.parameters[name]
        is_bias = isinstance(module, RelativeBias) and value.shape[1:] == wanted.shape[1:]
        old = self._window(path, value, len(module.size)) if isinstance(module, RelativeBias) else None
        is_position = isinstance(module, PositionTable) and value.ndim == 4 and value.shape[-1] == wanted.shape[-1]
        is_time = isinstance(module, TimeTable) and value.ndim == 5 and value.shape[-1] == wanted.shape[-1]
        if leaf != "table" or not (is_position or is_time or (is_bias and old)):
            raise InputError(
                f"{name}: the file has {tuple(value.shape)}, {model.name} {tuple(wanted.shape)}; "
                "it was trained with another width, depth, head count or structure."
            )
        if not allowed:
            what = f"a table of window {_side(old)}" if is_bias else f"positions on {tuple(value.shape[1:3])}"
            what = f"{value.shape[1]} moments" if is_time else what
            raise InputError(
                f"{name}: the file has {what}, {model.name} was built for another (size {model.input_size}); "
                "build it with that window and size, or pass new_window=True to resize."
            )
        if is_bias and old:
            return resize_table(value, old, module.size)
        return (
            resize_time(value, wanted.shape[1]) if is_time else resize_grid(value, (wanted.shape[1], wanted.shape[2]))
        )

    def _window(self, path: str, table: Tensor, axes: int) -> tuple[int, ...] | None:
        """The window that a bias table is for: that of the network it was trained in, or a square one."""
        trained = self.source.get(path)
        if isinstance(trained, RelativeBias) and trained.table.shape == table.shape:
            return trained.size
        if axes == 3:  # clips have one window in all stages
            said = getattr(self.spec, "window", None)
            fits = isinstance(said, tuple) and math.prod(2 * m - 1 for m in said) == table.shape[0]
            return said if fits else None
        side = math.isqrt(table.shape[0])
        return ((side + 1) // 2,) * 2 if side * side == table.shape[0] and side % 2 == 1 else None

    def report(self, layout: str) -> Report:
        left = [key for key in self.state if key not in self.used]
        return Report(
            layout=layout,
            loaded=tuple(name for name in self.values if name not in self.renewed),
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


def _side(window: tuple[int, ...] | None) -> str:
    return "x".join(map(str, dict.fromkeys(window or ())))


def _other_classes(model: Network, name: str, came: int, wanted: int) -> str:
    if isinstance(model, Assembled):
        line = (
            f"{name}: the file has {came} rows, {model.name} with {model.num_classes} classes {wanted}; build it with "
        )
        return line + "as many classes as the file has, or pass new_classes=True for fresh layers."
    if isinstance(model, Generator):
        return (
            f"{name}: the file has {came} rows of labels, {model.name} with {model.num_classes} classes {wanted}; "
            "build it with as many classes as the file has, or pass new_classes=True for a table that begins anew."
        )
    return (
        f"{name}: the file has {came} classes, {model.name} {wanted}; build it with num_classes={came}, or pass "
        "new_classes=True for a fresh head."
    )


def _laid_out(key: ReleaseKey, state: Mapping[str, Tensor]) -> Tensor:
    for name in key.names:
        if not (state[name].is_floating_point() or name.endswith("num_batches_tracked")):
            raise InputError(f"{name} holds {state[name].dtype}; weights are floating-point numbers.")
    try:
        return key.read(state)
    except (RuntimeError, IndexError):
        shape = tuple(state[key.name].shape)
        raise InputError(f"{key.name}: its shape {shape} does not fit this model's layout.") from None


def _tensors(source: str | Path | Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if isinstance(source, str | Path):
        return read(source)
    return unwrap(source)[0], {}


def unwrap(source: Any) -> tuple[dict[str, Tensor], str]:
    """The tensors by name of what a training file holds, and the keys under which they lay, "" for none.

    `module.` before every name, as a model in DDP writes it, is taken off.
    Raises: InputError for anything but tensors by name.
    """
    if not isinstance(source, Mapping):
        raise InputError(f"A .safetensors file or a state dict is wanted; {type(source).__name__} came.")
    state: Mapping[str, Any] = source
    taken: list[str] = []
    while wrapper := next((name for name in WRAPPERS if isinstance(state.get(name), Mapping)), None):
        state = state[wrapper]
        taken.append(wrapper)
    wrong = [key for key, value in state.items() if not isinstance(value, Tensor) or not isinstance(key, str)]
    if wrong or not state:
        what = f"{wrong[0]!r} is none" if wrong else "it is empty"
        raise InputError(f"A state dict of tensors by name is wanted; {what}.")
    if all(key.startswith("module.") for key in state):
        taken.append("module.")
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return dict(state), " ".join(taken)


def _own_keys(model: Network, state: Mapping[str, Tensor]) -> dict[str, ReleaseKey]:
    """Our own names. A backbone finds itself below a detector's or segmenter's `backbone.`, and these their backbone in
    the file of another network.
    """
    keys = {name: ReleaseKey((name,)) for name in model.state_dict()}
    if isinstance(body(model), Other) or isinstance(model, Assembled) == any(
        key.startswith("backbone.") for key in state
    ):
        return keys
    if isinstance(model, Assembled):
        below = {name: name.removeprefix("backbone.") for name in keys if name.startswith("backbone.")}
        return {name: ReleaseKey((theirs,)) for name, theirs in below.items()}
    return {name: ReleaseKey((f"backbone.{name}",)) for name in keys}
