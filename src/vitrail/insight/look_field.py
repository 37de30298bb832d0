"""Effective receptive fields side by side: models in rows, stages in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vitrail.draw.heat import FIELD, coloured
from vitrail.draw.sheet import Panel, Scale
from vitrail.insight.field import fields, numbers
from vitrail.insight.look_sheets import View, write
from vitrail.insight.opening import Seen
from vitrail.train.record import track

DECADES = 4  # of gradient, from the largest down, that a picture tells apart


def receptive_fields(view: View, models: Sequence[Seen]) -> list[dict[str, Any]]:
    """field.png: how much each pixel moves the middle of a stage's map, on a logarithmic scale."""
    rows: list[list[Panel | None]] = []
    said: list[dict[str, Any]] = []
    for seen in track(models, len(models), "field"):
        pictures = None if view.samples else seen.pictures(view.files)
        stages = view.stages or tuple(range(1, len(seen.model.strides) + 1))
        found = fields(seen.model, seen.size, stages, pictures, samples=view.samples)
        row: list[Panel | None] = []
        for stage, (values, place) in zip(stages, found, strict=True):
            stride = seen.model.strides[stage - 1]
            middle = tuple(min((n + 0.5) * stride, side) for n, side in zip(place, seen.size, strict=True))
            known = numbers(values, (middle[0], middle[1]))
            areas = {hold["share"]: 100 * hold["area"] for hold in known["holds"]}
            caption = "\n".join(f"{100 * share:.0f} % in {area:.1f} % of pixels" for share, area in areas.items())
            row.append(Panel(_logarithmic(values.numpy()), caption, smooth=False))
            said.append({"label": seen.label, "stage": stage, "position": list(place), **known})
        rows.append(row)
    most = max(len(row) for row in rows)
    columns = [f"stage {n}" for n in (view.stages or range(1, most + 1))]
    rows = [[*row, *[None] * (most - len(row))] for row in rows]
    source = f"{view.samples} pictures of noise" if view.samples else f"{len(view.files)} pictures"
    document = {"source": source, "rows": said}
    title = f"How much each pixel moves the middle of a stage's map (mean over {source})"
    scale = Scale(FIELD, f"1e-{DECADES} of the largest", "largest")
    return [write(view, "field", document, rows, columns, view.titles(models), title, scale)]


def _logarithmic(field: np.ndarray) -> np.ndarray:
    """(H, W) of 0 or more -> (H, W, 3)."""
    share = field / max(field.max(), np.finfo(np.float32).tiny)
    return coloured(np.log10(np.maximum(share, 10.0 ** -(DECADES + 1))), FIELD, -DECADES, 0)
