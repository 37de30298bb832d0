"""What networks look at: heat maps, rollout, feature maps, receptive fields and windows, models side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from vitrail.errors import InputError
from vitrail.insight.cam import cam, last_map
from vitrail.insight.features import components, features
from vitrail.insight.field import field, fields
from vitrail.insight.look_field import receptive_fields
from vitrail.insight.look_heat import cams, rollouts
from vitrail.insight.look_inside import block_numbers, feature_maps, windows
from vitrail.insight.look_sheets import View
from vitrail.insight.opening import Seen
from vitrail.insight.rollout import refusal, rollout
from vitrail.insight.window_groups import window_groups
from vitrail.train.record import track

__all__ = ["KINDS", "cam", "components", "features", "field", "fields", "look", "rollout", "window_groups"]

Draw = Callable[[View, Sequence[Seen]], list[dict[str, Any]]]
KINDS: dict[str, Draw] = {
    "cam": cams,
    "rollout": rollouts,
    "features": feature_maps,
    "field": receptive_fields,
    "windows": windows,
}


def look(view: View, kinds: Sequence[str] = ("all",)) -> dict[str, Any]:
    """Draws models side by side; beside each NAME.png a NAME.json has its numbers.

    Args:
        kinds: Of `KINDS`; "all" draws each for the models that it can be drawn of.
    Returns:
        "looks", for each picture what its JSON holds; "notes", which models were left out of what, and why.
    Raises: InputError for a kind that does not exist or that, asked for by name, a model has not; for no pictures
        where some are needed.
    """
    every = "all" in kinds
    for kind in kinds:
        if kind != "all" and kind not in KINDS:
            raise InputError(f"kind {kind!r} is none of {', '.join(KINDS)}, all.")
    chosen = list(KINDS) if every else list(dict.fromkeys(kinds))
    if not view.files and (chosen != ["field"] or not view.samples):
        raise InputError("No pictures were given; only --kind field does without, on noise.")
    if view.out.exists() and not view.out.is_dir():
        raise InputError(f"{view.out} is a file, wanted a folder.")
    drawing: dict[str, list[Seen]] = {}
    notes: list[str] = []
    for kind in chosen:  # whatever is to be refused is refused before the first picture
        drawing[kind], reasons = _able(kind, view)
        if reasons and not every:
            raise InputError(reasons[0])
        notes += [f"{kind}: {reason}" for reason in reasons]
    view.out.mkdir(parents=True, exist_ok=True)
    looks = [{"kind": kind, **each} for kind, models in drawing.items() if models for each in KINDS[kind](view, models)]
    return {"looks": looks, "notes": notes}


def _able(kind: str, view: View) -> tuple[list[Seen], list[str]]:
    """The models that a kind can be drawn of, and why the others are left out."""
    models, reasons = [], []
    for seen in track(view.models, len(view.models), f"{kind}, to be tried"):
        try:
            PROBES[kind](seen, view)
            models.append(seen)
        except InputError as error:
            reasons.append(str(error))
    return models, reasons


def _has_map(seen: Seen, view: View) -> None:
    last_map(seen.model, torch.zeros(1, 3, *seen.size))
    if view.class_name is not None:
        seen.class_number(view.class_name)


def _can_be_followed(seen: Seen, view: View) -> None:
    reason = refusal(seen.model)
    if reason:
        raise InputError(reason)


def _has_blocks(seen: Seen, view: View) -> None:
    features(seen.model, torch.zeros(1, 3, *seen.size), block_numbers(seen.model, view.blocks))


def _has_stages(seen: Seen, view: View) -> None:
    fields(seen.model, seen.size, view.stages or (), samples=1)


def _has_windows(seen: Seen, view: View) -> None:
    window_groups(seen.model, seen.size)


PROBES: dict[str, Callable[[Seen, View], None]] = {
    "cam": _has_map,
    "rollout": _can_be_followed,
    "features": _has_blocks,
    "field": _has_stages,
    "windows": _has_windows,
}
