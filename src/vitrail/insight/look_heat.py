"""Heat maps side by side: pictures in rows, models in columns, as in figure 4 of Iwin (arXiv 2507.18405)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail.draw.heat import HEAT, heated
from vitrail.draw.sheet import Panel, Scale
from vitrail.insight.cam import class_map, laid_out
from vitrail.insight.look_sheets import View, rounded, write
from vitrail.insight.opening import Seen
from vitrail.insight.rollout import rollout
from vitrail.insight.watching import still
from vitrail.train.record import track

HALF = 0.5
Heat = tuple[Tensor, str, dict[str, Any]]  # (H, W) in [0, 1], what stands below, and the row of numbers


def cams(view: View, models: Sequence[Seen]) -> list[dict[str, Any]]:
    """cam.png: what speaks for a class, the likeliest or the one asked for, with its probability."""

    def of(seen: Seen, picture: Tensor) -> Heat:
        with still(seen.model), torch.no_grad():
            at = next(seen.model.parameters())
            shares = seen.model(picture.to(at.device, at.dtype)).float().softmax(1)[0].cpu()
        wanted = int(shares.argmax()) if view.class_name is None else seen.class_number(view.class_name)
        small = class_map(seen.model, picture, [wanted])
        heat = laid_out(small, seen.model, seen.size)[0].cpu()
        row = {"class": seen.class_name(wanted), "probability": shares[wanted].item(), "map": rounded(small[0].cpu())}
        return heat, f"{row['class']}\n{100 * row['probability']:.1f} %", row

    title = "What speaks for the class" + (f" {view.class_name}" if view.class_name else " found") + " (Grad-CAM)"
    return [_side_by_side(view, models, "cam", of, title)]


def rollouts(view: View, models: Sequence[Seen]) -> list[dict[str, Any]]:
    """rollout.png: where the last map comes from by attention, and in how few of the tokens half of it lies."""

    def of(seen: Seen, picture: Tensor) -> Heat:
        found = rollout(seen.model, picture).cpu()
        ordered = found[0].flatten().sort(descending=True).values.cumsum(0) / found.sum()
        half = (int((ordered < HALF).sum()) + 1) / ordered.numel()
        heat = laid_out(found, seen.model, seen.size, seen.model.strides[0])[0]
        heat = heat / max(float(np.percentile(heat.numpy(), 99.5)), 1e-30)
        row = {"holds_half": half, "map": rounded(found[0] * found[0].numel())}
        return heat.clamp(0, 1), f"half in {100 * half:.0f} % of tokens", row

    return [_side_by_side(view, models, "rollout", of, "Where the last map comes from (attention rollout)")]


def _side_by_side(
    view: View, models: Sequence[Seen], name: str, of: Callable[[Seen, Tensor], Heat], title: str
) -> dict[str, Any]:
    rows: list[list[Panel | None]] = [[Panel(picture)] for picture in view.shown()]
    numbers: list[dict[str, Any]] = []
    for seen in track(models, len(models), name):
        pictures = seen.pictures(view.files)
        for row, file, own, picture in zip(rows, view.files, seen.shown(view.files), pictures, strict=True):
            heat, caption, said = of(seen, picture[None])
            large = F.interpolate(heat[None, None], size=own.shape[:2], mode="bilinear", align_corners=False)[0, 0]
            row.append(Panel(heated(own, large.numpy()), caption))
            numbers.append({"file": str(file), "label": seen.label, **said})
    columns = ["picture", *view.titles(models)]
    scale = Scale(HEAT, "none", "most")
    return write(view, name, {"rows": numbers}, rows, columns, view.names, title, scale)
