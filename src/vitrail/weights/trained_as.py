"""What weights were trained as, and whether a model is that: heads and structure, windows, and a library's rule."""

from __future__ import annotations

import dataclasses
from typing import Any

from vitrail.errors import InputError, nearest
from vitrail.models.assemble import Backbone, Network
from vitrail.models.catalogue import DENSE, ROWS, WEIGHTS, kind_of, windows_of
from vitrail.models.spec import Trained, override
from vitrail.models.swin import SwinSpec, treatment
from vitrail.weights.files import described
from vitrail.weights.formats import body
from vitrail.weights.recognise import Found, candidates

# fields of a spec in which the model may differ from what the weights were trained as; windows are looked at resolved
FREE = {
    *("window", "clamp", "rule", "frames", "conv_stages", "padding", "in_channels"),
    *("drop_path", "dropout", "init", "checkpoint"),
}


def trained(document: dict[str, Any]) -> Trained | None:
    """What a file written by `save` says of itself."""
    said = described(document, "the file")
    if said is None or said.name not in ROWS:
        return None
    return Trained(override(ROWS[said.name].spec, **said.spec), said.sides, said.num_classes)


def trained_below(document: dict[str, Any]) -> Trained | None:
    """What the file of a detector or a segmenter of ours says of its backbone."""
    said = described(document, "the file")
    kind = kind_of(said.name) if said else None
    row = ROWS.get(DENSE + said.name.removeprefix(f"{kind}_")) if said and kind else None
    return Trained(override(row.spec, **said.spec.get("backbone", {})), said.sides, 0) if said and row else None


def check_trained(model: Network, trained_as: str | Trained | Network, new_window: bool) -> None:
    """Refuse weights trained with other heads or structure, and another window without leave."""
    label = "the weights"
    if not isinstance(trained_as, str | Trained | Network):
        raise InputError(f"trained_as={trained_as!r}: a weights row, a Trained(spec, size) or a model is wanted.")
    if isinstance(trained_as, str):
        if trained_as not in WEIGHTS:
            raise InputError(f"No weights row is called {trained_as!r}.{nearest(trained_as, WEIGHTS)}")
        label, trained_as = trained_as, WEIGHTS[trained_as]
    trained_as = body(trained_as) if isinstance(trained_as, Network) else trained_as
    if type(trained_as.spec) is not type(model.spec):
        raise InputError(
            f"{label} are {type(trained_as.spec).__name__} weights, {model.name} is a {type(model.spec).__name__}."
        )
    for field in dataclasses.fields(model.spec):
        theirs, its = getattr(trained_as.spec, field.name), getattr(model.spec, field.name)
        differs = field.name not in FREE and theirs != its
        if field.name == "rule" and not new_window:
            differs = treatment(trained_as.spec, model.size) != treatment(model.spec, model.size)
        if differs:
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


def check_rule(model: Network, found: Found, new_window: bool) -> None:
    """Refuse weights of a library that would treat pictures of this size in another way, without leave."""
    rule = found.layout.rule(isinstance(model, Backbone)).get("rule", "release")
    if new_window or not isinstance(model.spec, SwinSpec) or rule == model.spec.rule:
        return
    if treatment(override(model.spec, rule=rule), model.size) != treatment(model.spec, model.size):
        raise InputError(
            f"{found.layout.says} rule of windows differs from {model.spec.rule!r} for pictures of {model.size}; build "
            f"{model.name} with rule={rule!r}, or pass new_window=True."
        )


def which_row(model: Network) -> str:
    rows = candidates(type(model.spec), model.spec.dim, model.spec.depths)
    choice = f" one of {rows}" if rows else " a Trained(spec, size)"
    return f"A release's file does not show the heads of {model.name}: say what it was trained as, trained_as={choice}."
