"""Inception's weights for FID, a pickle as torch-fidelity has it, as a safetensors file that can be read safely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import save as serialize
from torch import Tensor

from vitrail.errors import InputError
from vitrail.train.files import replacing
from vitrail.weights.pickles import read_pickle

NAME = "inception.safetensors"
ONE = "Mixed_6d.branch1x1.conv.weight"  # a name that tells these weights from others


def convert_inception(source: str | Path, target: str | Path) -> dict[str, Any]:
    """The tensors under their own names; what was done.

    Raises: InputError for anything else than such weights.
    """
    held = read_pickle(Path(source))
    if not isinstance(held, dict) or ONE not in held or not all(isinstance(part, Tensor) for part in held.values()):
        raise InputError(f"{source}: no weights of Inception as torch-fidelity has them; {ONE} would be one.")
    if not Path(target).parent.is_dir():
        raise InputError(f"{target}: no folder {Path(target).parent}.")
    with replacing(target) as file:
        file.write(serialize({name: part.contiguous() for name, part in held.items()}))
    return {"in": str(source), "out": str(target), "tensors": len(held)}
