"""The statistics of a release's latents, latents_stats.pt, as the file that `data/latents.py` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import save as serialize
from torch import Tensor

from vitrail.errors import InputError
from vitrail.train.files import replacing
from vitrail.weights.pickles import read_pickle

NAME = "statistics.safetensors"


def convert_statistics(source: str | Path, target: str | Path) -> dict[str, Any]:
    """Mean and deviation of each channel, (1, C, 1, 1) or (C,), written as float32 (C,) each; what was done.

    Raises: InputError for anything else than {"mean", "std"}.
    """
    held = read_pickle(Path(source))
    pair = [held.get(name) if isinstance(held, dict) else None for name in ("mean", "std")]
    mean, std = (part.flatten().float() if isinstance(part, Tensor) else None for part in pair)
    if mean is None or std is None or mean.shape != std.shape or not len(mean):
        raise InputError(f"{source}: no statistics of latents; wanted tensors `mean` and `std` of as many channels.")
    if not Path(target).parent.is_dir():
        raise InputError(f"{target}: no folder {Path(target).parent}.")
    with replacing(target) as file:
        file.write(serialize({"mean": mean, "std": std}))
    return {"in": str(source), "out": str(target), "channels": len(mean)}
