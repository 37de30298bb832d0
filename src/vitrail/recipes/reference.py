"""Statistics of real pictures that somebody else computed: files of reference as ADM publishes them, .npz.

mu (D,), sigma (D, D)   of Inception's vectors        mu_s (E,), sigma_s (E, E)   of the flattened part of its map
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitrail.errors import InputError, first_line
from vitrail.metrics.features import Moments
from vitrail.recipes.seeing import Seen

SEEN_BY = (
    "ADM's TensorFlow graph of Inception; samples are seen by torch-fidelity's inception-v3-compat, which holds the "
    "same weights"
)


@dataclass(frozen=True)
class Reference:
    """The statistics of a file, and its SHA-256.   spatial: None where it has none."""

    path: Path
    digest: str
    vectors: Moments
    spatial: Moments | None

    @property
    def said(self) -> dict[str, Any]:
        """Which it is, for a document."""
        return {"reference": str(self.path), "reference_sha256": self.digest, "reference_seen_by": SEEN_BY}

    def fits(self, seen: Seen) -> None:
        """Raises: InputError where the file's vectors are not those of the network that saw these."""
        pairs = (("mu", self.vectors, seen.vectors), ("mu_s", self.spatial, seen.spatial))
        for name, own, found in pairs:
            if own is not None and len(own.mean) != found.shape[1]:
                raise InputError(
                    f"{self.path}: {name} has {len(own.mean)} numbers, what sees the samples gives {found.shape[1]}."
                )


def open_reference(path: Path) -> Reference:
    """Reads the statistics; pictures that lie beside them are not read, and nothing in it is run.

    Raises: InputError for another file, or numbers that are no means and covariances.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; --reference names statistics of real pictures, an .npz file.")
    try:
        held = np.load(path, allow_pickle=False)
        if not isinstance(held, np.lib.npyio.NpzFile):
            raise ValueError("one array")
        with held:
            found = {name: held[name] for name in ("mu", "sigma", "mu_s", "sigma_s") if name in held}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: no .npz file of numbers ({first_line(error)}).") from None
    vectors, spatial = (_moments(found, *names) for names in (("mu", "sigma"), ("mu_s", "sigma_s")))
    if vectors is None:
        raise InputError(f"{path}: no statistics; wanted mu (D,) and sigma (D, D), finite and symmetric.")
    if spatial is None and found.keys() & {"mu_s", "sigma_s"}:
        raise InputError(f"{path}: wanted mu_s (E,) and sigma_s (E, E), finite and symmetric, or neither.")
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Reference(path, digest, vectors, spatial)


def _moments(found: Mapping[str, np.ndarray], mean: str, spread: str) -> Moments | None:
    """The pair of that name; None where it is not there, or not sound."""
    if not {mean, spread} <= found.keys():
        return None
    middle, square = found[mean], found[spread]
    if not (np.issubdtype(middle.dtype, np.floating) and np.issubdtype(square.dtype, np.floating)):
        return None
    if middle.ndim != 1 or not len(middle) or square.shape != (len(middle),) * 2:
        return None
    if not (np.isfinite(middle).all() and np.isfinite(square).all()):
        return None
    if not np.allclose(square, square.T, rtol=1e-3, atol=1e-6 * max(float(np.abs(square).max()), 1e-30)):
        return None
    return Moments(torch.from_numpy(middle.astype(np.float64)), torch.from_numpy(square.astype(np.float64)))
