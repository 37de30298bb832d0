"""Weights for the networks of other libraries: state dicts of the library's own classifiers, and ours."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from vitrail.errors import InputError, first_line
from vitrail.models.others import Other

INSIDE = "model."


class Taken(NamedTuple):
    """What became of each key.

    loaded, missing: our names; `missing` begin anew: a head of other classes, the small pyramid.
    left_out: The file's names that nothing here stands for: heads, where the model has none or one of other classes.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    left_out: tuple[str, ...]


def take(model: Other, state: Mapping[str, Tensor], new_classes: bool = False) -> Taken:
    """Copies a state dict into `model`: parameters and buffers, all that it should hold or nothing.

    Args:
        state: Under the names of the library's classifier, or under ours, which are those below `model.`. Older layouts
            that timm itself still reads (`checkpoint_filter_fn`) are put into its present names first.
        new_classes: The head may have another number of classes; it then stays as it is.
    Raises: InputError for keys that are missing or left over, other than a head's, or a shape that differs.
    """
    own = model.state_dict()
    given = {name if name.startswith(INSIDE) or name in own else INSIDE + name: t for name, t in state.items()}
    if not set(given) & set(own) or not _whole(model, own, given):
        given = _by_timm(model, state) or given
    heads = _of(model.heads)
    left_out = [name for name in given if name not in own and name.startswith(heads)]
    wrong = {name for name, t in given.items() if name in own and own[name].shape != t.shape}
    if new_classes:
        renewed = {name for name in wrong if name.startswith(heads)}
        left_out, wrong = [*left_out, *sorted(renewed)], wrong - renewed
    if wrong:
        name = min(wrong)
        raise InputError(
            f"{name}: the file has {tuple(given[name].shape)}, {model.name} {tuple(own[name].shape)}; build it with "
            "the size, classes and options of what the file holds."
        )
    values = {name: t for name, t in given.items() if name not in left_out}
    strange = [name for name in values if name not in own]
    missing = [name for name in own if name not in values]
    wanting = [name for name in missing if not name.startswith((*(heads if new_classes else ()), "pyramid."))]
    if wanting or strange:
        counts = ((wanting, "missing"), (strange, "left over"))
        said = "; ".join(f"{len(n)} {what} ({', '.join(n[:3])})" for n, what in counts if n)
        raise InputError(f"This is not the weights of {model.name}: {said}.")
    try:
        with torch.no_grad():
            model.load_state_dict(values, strict=False)
    except RuntimeError as error:
        raise InputError(f"{model.name} cannot take these weights: {first_line(error)}.") from None
    return Taken(tuple(values), tuple(missing), tuple(left_out))


def _of(heads: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{head}." for head in heads)


def _whole(model: Other, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> bool:
    """Whether every name of the network is there."""
    heads = (*_of(model.heads), "pyramid.")
    return all(name in given for name in own if not name.startswith(heads))


def _by_timm(model: Other, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state under timm's present names, where the network's file in timm puts older ones right; else nothing."""
    rename = getattr(sys.modules[type(model.model).__module__], "checkpoint_filter_fn", None)
    if rename is None or not type(model.model).__module__.startswith("timm."):
        return {}
    try:
        return {INSIDE + name: tensor for name, tensor in rename(dict(state), model.model).items()}
    except Exception:  # a file of something else; what is missing is said by the caller
        return {}
