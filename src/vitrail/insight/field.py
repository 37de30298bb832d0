"""The effective receptive field: how much each pixel moves one position of a stage's map.

Letters: B pictures, H x W pixels.
Source: Luo et al. (arXiv 1701.04128), who start with a gradient of one in the map's centre, in every channel.
Differs: the signs of the channels are drawn, anew for each picture, since a sum over channels is constant behind a
norm; absolute values are averaged, over colours and pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.insight.watching import still

SHARES = (0.5, 0.9, 0.95)


class Field(NamedTuple):
    """values: (H, W), 0 or more, with the sum 1.     at: Row and column of the position that they move."""

    values: Tensor
    at: tuple[int, int]


def field(
    model: nn.Module,
    size: tuple[int, int],
    stage: int,
    pictures: Tensor | None = None,
    at: tuple[int, int] | None = None,
    samples: int = 16,
    seed: int = 0,
) -> Tensor:
    """The field of one position of a stage's map.

    Args:
        model: One with `features(x)`, (B, C_in, H, W) -> maps (B, C, h, w); it is left as it was.
        size: (H, W); that of `pictures` where those are given.
        stage: From 1.
        pictures: (B, C_in, H, W) to average over; by default `samples` of normal noise, drawn from `seed`.
        at: Row and column of the position; by default (h // 2, w // 2).
    Returns:
        (H, W), 0 or more, with the sum 1; 0 where no gradient comes.
    Raises: InputError for a stage or a position that is not there, or a model without maps.
    """
    return fields(model, size, (stage,), pictures, at, samples, seed)[0].values


def fields(
    model: nn.Module,
    size: tuple[int, int],
    stages: Sequence[int],
    pictures: Tensor | None = None,
    at: tuple[int, int] | None = None,
    samples: int = 16,
    seed: int = 0,
) -> list[Field]:
    """`field` of several stages, from the same passes."""
    name = getattr(model, "name", type(model).__name__)
    reads: Any = getattr(model, "features", None)
    if reads is None or len(getattr(model, "input_size", size)) != 2:
        raise InputError(f"{name} gives no maps of pictures, so there is no field to measure.")
    first = next(model.parameters())
    generator = torch.Generator().manual_seed(seed)
    if pictures is None:
        spec = getattr(model, "spec", None)
        channels = getattr(spec, "in_channels", 3)
        pictures = torch.randn(samples, channels, *size, generator=generator)
    totals = [torch.zeros(pictures.shape[2:], dtype=torch.float64) for _ in stages]
    places: list[tuple[int, int]] = [(0, 0)] * len(totals)
    with still(model), torch.enable_grad():
        for picture in pictures.split(1):
            x = picture.detach().to(first.device, first.dtype).requires_grad_()
            maps = reads(x)
            for number, (stage, total) in enumerate(zip(stages, totals, strict=True)):
                if not 1 <= stage <= len(maps):
                    raise InputError(f"{name} has stages 1 to {len(maps)}, and no stage {stage}.")
                found = maps[stage - 1][0]
                row, column = places[number] = at or (found.shape[1] // 2, found.shape[2] // 2)
                if not (0 <= row < found.shape[1] and 0 <= column < found.shape[2]):
                    raise InputError(f"stage {stage} is {found.shape[1]} x {found.shape[2]}, without {row}, {column}.")
                signs = torch.randint(2, found.shape[:1], generator=generator) * 2 - 1
                score = (found[:, row, column] * signs.to(found)).sum()
                (slope,) = torch.autograd.grad(score, x, retain_graph=True)
                total += slope[0].abs().sum(0).double().cpu()
    return [
        Field((total / total.sum().clamp_min(torch.finfo(total.dtype).tiny)).float(), place)
        for total, place in zip(totals, places, strict=True)
    ]


def numbers(field: Tensor, middle: tuple[float, float]) -> dict[str, Any]:
    """How large a field is.

    Args:
        field: (H, W), 0 or more.
        middle: Row and column, in pixels, that distances are measured from.
    Returns:
        "reached", the share of pixels with any gradient; and for each of `SHARES` a row: "share" of the gradient,
        "area", the least share of the pixels that holds it, "side" of a square of that area in pixels, and "radius",
        the distance in pixels from the middle within which it lies.
    """
    flat = field.double().flatten()
    whole = flat.sum().clamp_min(torch.finfo(flat.dtype).tiny)
    rows, columns = (torch.arange(n, dtype=torch.float64) + 0.5 for n in field.shape)
    distance = ((rows - middle[0])[:, None].square() + (columns - middle[1]).square()).sqrt().flatten()
    order = distance.argsort()
    by_size = flat.sort(descending=True).values.cumsum(0) / whole
    by_distance = flat[order].cumsum(0) / whole
    table = []
    for share in SHARES:
        pixels = int((by_size < share - 1e-9).sum()) + 1
        place = min(int((by_distance < share - 1e-9).sum()), flat.numel() - 1)
        row = {
            "share": share,
            "area": pixels / flat.numel(),
            "side": pixels**0.5,
            "radius": distance[order[place]].item(),
        }
        table.append(row)
    return {"reached": (flat > 0).double().mean().item(), "holds": table}
