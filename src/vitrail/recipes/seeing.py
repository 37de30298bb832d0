"""Networks that look at pictures for statistics of generators: Inception where its weights are, else a classifier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vitrail.errors import InputError, first_line
from vitrail.recipes import use_classes
from vitrail.recipes.use_classes import Trained
from vitrail.train.record import track

CHUNK = 64
SPATIAL = 7  # channels of a map of which the spatial distance is


class Seen(NamedTuple):
    """Of N pictures a vector (N, D), a flattened part of a map (N, E), and a share for each class (N, K)."""

    vectors: Tensor
    spatial: Tensor
    shares: Tensor


class Eye(Protocol):
    """A network. names: What its five numbers are called: distance, spatial distance, score, precision, recall."""

    @property
    def names(self) -> tuple[str, str, str, str, str]: ...

    @property
    def said(self) -> dict[str, Any]:
        """Which it is, for a document."""
        ...

    def see(self, pictures: Sequence[Image.Image]) -> Seen: ...


@dataclass(frozen=True)
class ByClassifier:
    """A classifier of ours: means of its last map, seven channels of its second, its probabilities.

    The numbers say as much as it knows of pictures, and compare only with those by the same one.
    """

    trained: Trained
    source: str

    names = (
        "classifier_frechet_distance",
        "classifier_spatial_frechet_distance",
        "classifier_score",
        "classifier_precision",
        "classifier_recall",
    )

    @property
    def said(self) -> dict[str, Any]:
        return {"features": self.source, "features_model": getattr(self.trained.model, "name", "")}

    def see(self, pictures: Sequence[Image.Image]) -> Seen:
        device = next(self.trained.model.parameters()).device
        maps = self.trained.features(list(pictures), CHUNK)
        shares = use_classes.predict(self.trained, list(pictures), device, CHUNK, progress=False).scores
        return Seen(maps[-1].mean((2, 3)), maps[min(1, len(maps) - 1)][:, :SPATIAL].flatten(1), shares)


class ByInception:
    """Inception v3 as FID has it, by torch-fidelity with weights in a safetensors file.

    torch-fidelity itself reads a pickle, and would run what stands in it, so it is given one that was written here.
    The spatial part is ADM's: the first seven channels after the first convolution of its block `mixed_6`, 17 x 17.
    Raises: InputError where torch-fidelity is missing or the file holds other weights.
    """

    names = ("fid", "sfid", "inception_score", "precision", "recall")

    def __init__(self, weights: Path, device: torch.device) -> None:
        if not weights.is_file():
            raise InputError(f"{weights}: no such file; --inception names Inception's weights, a safetensors file.")
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise InputError("FID needs torch-fidelity, which is missing: pip install 'vitrail[generation]'") from error
        wanted = ["2048", "logits_unbiased"]
        try:
            state = load_file(weights)
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{weights}: no safetensors ({first_line(error)}); `vitrail convert {weights} inception.safetensors` "
                "makes them of torch-fidelity's file."
            ) from None
        try:
            with NamedTemporaryFile(suffix=".pth") as own:
                torch.save(state, own)
                own.flush()
                self.model = FeatureExtractorInceptionV3("vitrail", wanted, feature_extractor_weights_path=own.name)
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(f"{weights}: torch-fidelity cannot read it ({first_line(error)}).") from None
        self.model.to(device)
        self.device, self.source = device, str(weights)

    @property
    def said(self) -> dict[str, Any]:
        return {"inception": self.source}

    @torch.no_grad()
    def see(self, pictures: Sequence[Image.Image]) -> Seen:
        maps: list[Tensor] = []
        hook = self.model.Mixed_6d.branch1x1.register_forward_hook(lambda module, given, out: maps.append(out))
        try:
            values = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
            vectors, logits = self.model(torch.from_numpy(values).movedim(-1, 1).contiguous().to(self.device))
        finally:
            hook.remove()
        spatial = maps[0][:, :SPATIAL].movedim(1, -1).flatten(1)  # channels last, as files of reference have them
        return Seen(vectors.cpu(), spatial.float().cpu(), logits.softmax(1).cpu())


def see_all(eye: Eye, pictures: Iterable[Image.Image], count: int, title: str) -> Seen | None:
    """All pictures, some at a time as they come, with a progress bar; None of none.

    Args:
        count: About how many they are.
    """
    waiting = iter(track(pictures, count, title))
    parts = []
    while some := list(islice(waiting, CHUNK)):
        parts.append(eye.see(some))
    return Seen(*(torch.cat(column) for column in zip(*parts, strict=True))) if parts else None
