"""A converted network for another size or window, or with other rows in its head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from vitrail.errors import InputError
from vitrail.models.assemble import Network
from vitrail.models.catalogue import build
from vitrail.weights.formats import body, to_release
from vitrail.weights.load import load_weights
from vitrail.weights.recognise import differing_fields


def changed(
    model: Network,
    size: tuple[int, int] | None,
    window: int | None,
    rows: Sequence[int] | None,
    rows_from: str,
    changes: list[str],
) -> Network:
    """The network for another size or window, and with these rows of its head alone; None leaves each as it is.

    Args:
        rows_from: How the file that lists the rows is called.
        changes: A line is added for each change.
    Raises: InputError where that cannot be.
    """
    if size or window:
        model = _resized(model, size or model.size, window, changes)
    if rows is not None:
        model = _picked(model, list(rows), rows_from, changes)
    return model


def _resized(model: Network, size: tuple[int, int], window: int | None, changes: list[str]) -> Network:
    fields = differing_fields(model.spec, model.name) | ({"window": window} if window else {})
    other = build(model.name, model.num_classes, size, **fields)
    report = load_weights(other, to_release(model), trained_as=model, new_window=True, partial=True)
    fresh = [name for name in report.missing if ".conv." not in name]
    if fresh or report.unexpected:
        raise InputError(f"{model.name} cannot be made for {by(size)} from {by(model.size)}: {[*fresh, '?'][0]}.")
    if size != model.size:
        changes.append(f"size {by(model.size)} -> {by(size)}")
    was = getattr(body(model).spec, "window", None)
    if window and window != was:
        changes.append(f"window {was or 'of the size'} -> {window}")
    if report.resized:
        changes.append(f"{len(report.resized)} tables resized bicubically")
    if report.missing:
        changes.append(f"{len(report.missing)} tensors of convolutions that exist at this size alone begin anew")
    return other.eval()


def _picked(model: Network, rows: list[int], named: str, changes: list[str]) -> Network:
    last = [path for path, module in model.named_modules() if path.startswith("head") and isinstance(module, nn.Linear)]
    if not model.num_classes or not last:
        raise InputError(f"{model.name} has no classes whose rows could be picked.")
    wrong = [row for row in rows if not 0 <= row < model.num_classes]
    if wrong or not rows:
        raise InputError(
            f"{named}: " + (f"row {wrong[0]} of a head with {model.num_classes} classes." if wrong else "no rows.")
        )
    state = model.state_dict()
    for name in (f"{last[-1]}.weight", f"{last[-1]}.bias"):
        state[name] = state[name][torch.tensor(rows)]
    other = build(model.name, len(rows), model.size, **differing_fields(model.spec, model.name))
    other.load_state_dict(state)
    changes.append(f"classes {model.num_classes} -> {len(rows)}, rows picked by {named}")
    return other.eval()


def by(size: tuple[int, ...]) -> str:
    """A size as a sentence has it."""
    return "x".join(map(str, size))
