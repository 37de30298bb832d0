"""Where the weights of a name lie: a path as it is, or a row of the weights table in the cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from vitrail.errors import InputError, nearest
from vitrail.models.catalogue import WEIGHTS
from vitrail.weights.origins import origin


def cache() -> Path:
    """The folder of named weights: $VITRAIL_WEIGHTS, or vitrail/weights in the user's cache folder."""
    said = os.environ.get("VITRAIL_WEIGHTS")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(said) if said else home / "vitrail" / "weights"


def locate(text: str) -> Path:
    """The file of a run's folder, of a path, or of a name such as `swin_tiny.in1k_224`. Nothing is downloaded.

    Raises: InputError where there is none.
    """
    path = Path(text)
    if text in WEIGHTS:
        path = cache() / f"{text}.safetensors"
        if not path.is_file():
            raise InputError(how_to_get(text, path))
        return path
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise InputError(f"No file at {path}, and no weights are called {text!r}.{nearest(text, WEIGHTS)}")
    return path


def how_to_get(name: str, path: Path) -> str:
    """One line: where the file of a row is, and what to do with it."""
    said = origin(name)
    where = f"download {said.url}" if said.url else f"its file's address is not known here, look on {said.page}"
    return f"{name}: not at {path}; {where}, then `vitrail convert {said.file} {path} --as {name}`."
