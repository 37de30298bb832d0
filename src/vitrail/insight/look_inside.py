"""Inside the networks: feature maps of blocks side by side, and windows drawn on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from vitrail.draw.heat import PLAIN, as_rgb, coloured, enlarged, tinted
from vitrail.draw.sheet import Panel, Scale
from vitrail.errors import InputError
from vitrail.insight.features import components, features, stage_of
from vitrail.insight.look_sheets import View, file_name, rounded, write
from vitrail.insight.opening import Seen
from vitrail.insight.window_groups import Groups, window_groups
from vitrail.models.assemble import Network
from vitrail.train.record import track

LAST = "last"


def block_numbers(model: Network, said: Sequence[str] | None) -> list[int]:
    """Numbers of blocks, from 1: those said, or the last of each stage. Raises: InputError for what is no number."""
    ends, total = [], 0
    for stage in getattr(getattr(model, "trunk", None), "stages", ()):
        total += len(stage.blocks)
        ends.append(total)
    if said is None:
        return ends
    for word in said:
        if word != LAST and not word.isdecimal():
            raise InputError(f"block {word!r}: wanted numbers from 1, or 'last', such as 2,4,last.")
    return [total if word == LAST else int(word) for word in said]


def feature_maps(view: View, models: Sequence[Seen]) -> list[dict[str, Any]]:
    """features-PICTURE.png: of each model two rows, the mean over channels and three components as red, green, blue.

    As figures 1 and 7 of ScalableViT (arXiv 2203.10790), which show the maps of chosen blocks.
    """
    shown = view.shown()
    titles = [f"stage {n}" for n in range(1, 1 + max(len(seen.model.channels) for seen in models))]
    if view.blocks is not None:
        titles = ["last block" if word == LAST else f"block {word}" for word in view.blocks]
    rows: list[list[list[Panel | None]]] = [[] for _ in view.files]
    numbers: list[list[dict[str, Any]]] = [[] for _ in view.files]
    for seen in track(models, len(models), "features"):
        blocks = block_numbers(seen.model, view.blocks)
        maps = [each.cpu() for each in features(seen.model, seen.pictures(view.files), blocks)]
        found = [(number, each, *components(each)) for number, each in zip(blocks, maps, strict=True)]
        for place, file in enumerate(view.files):
            upper: list[Panel | None] = [None if rows[place] else Panel(shown[place])]
            lower: list[Panel | None] = [None]
            for number, each, parts, shares in found:
                stage, mean = stage_of(seen.model, number), each[place].mean(0).numpy()
                stride = seen.model.strides[stage - 1]
                caption = f"block {number}, {mean.shape[0]} × {mean.shape[1]}"
                upper.append(Panel(enlarged(coloured(mean), seen.size, stride), caption, smooth=False))
                colours = enlarged(as_rgb(parts[place].numpy()), seen.size, stride)
                share = f"{100 * float(shares.sum()):.0f} % of the variance"
                lower.append(Panel(colours, share, smooth=False))
                said = {
                    "file": str(file),
                    "label": seen.label,
                    "block": number,
                    "stage": stage,
                    "map": list(each.shape[1:]),
                    "mean": each[place].mean().item(),
                    "deviation": each[place].std().item(),
                    "variance_of_components": rounded(shares),
                }
                numbers[place].append(said)
            rows[place] += [upper, lower]
    names = [name for title in view.titles(models) for name in (title, "components")]
    columns, scale = ["picture", *titles], Scale(PLAIN, "low", "high")
    for row in (row for picture in rows for row in picture):
        row.extend([None] * (len(columns) - len(row)))
    return [
        write(
            view,
            f"features-{name}",
            {"rows": numbers[place]},
            rows[place],
            columns,
            names,
            "After which block: mean of the channels, and three components as red, green, blue",
            scale,
        )
        for place, name in enumerate(view.names)
    ]


def windows(view: View, models: Sequence[Seen]) -> list[dict[str, Any]]:
    """windows-MODEL.png: the windows of every stage on the first picture, the one in the middle left clear."""
    return [_windows_of(view, seen) for seen in track(models, len(models), "windows")]


def _windows_of(view: View, seen: Seen) -> dict[str, Any]:
    picture = seen.shown(view.files[:1])[0]
    found = window_groups(seen.model, seen.size)
    stages = list(dict.fromkeys(groups.stage for groups in found))
    columns = [[_panel(picture, groups, seen.sharpness) for groups in found if groups.stage == n] for n in stages]
    rows = list(zip_longest(*columns))
    numbers = [
        {
            "stage": groups.stage,
            "blocks": list(groups.blocks),
            "kind": groups.kind,
            "sides": list(groups.sides),
            "map": list(groups.members.shape),
            "windows": groups.count,
        }
        for groups in found
    ]
    name, document = f"windows-{file_name(seen.label)}", {"file": str(view.files[0]), "label": seen.label}
    title = f"Who shares a window: {seen.label}"
    return write(view, name, {**document, "rows": numbers}, rows, [f"stage {n}" for n in stages], (), title)


def _panel(picture: np.ndarray, groups: Groups, sharpness: int) -> Panel:
    members = groups.members.numpy()
    chosen = int(members[members.shape[0] // 2, members.shape[1] // 2])
    large = enlarged(members, (picture.shape[0], picture.shape[1]), groups.stride * sharpness)
    blocks = ", ".join(map(str, groups.blocks[:4])) + (", …" if len(groups.blocks) > 4 else "")
    sides, windows = " × ".join(map(str, groups.sides)), "window" if groups.count == 1 else "windows"
    caption = f"{groups.kind} {sides}, {groups.count} {windows}\nblock{'s' if len(groups.blocks) > 1 else ''} {blocks}"
    return Panel(tinted(picture, large, chosen, max(round(max(picture.shape) / 200), 1)), caption)
