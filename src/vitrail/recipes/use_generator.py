"""A generator in use: classes to pictures.   B samples, C channels, H x W of what it makes, pixels or a latent grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from vitrail.data.generation_batches import restored, to_bytes
from vitrail.data.generation_settings import GenerationPreprocessing
from vitrail.errors import InputError
from vitrail.flow.sample import sample
from vitrail.flow.sampling import Sampling
from vitrail.models.autoencoder import Autoencoder, open_autoencoder
from vitrail.models.generator import Generator
from vitrail.recipes.asking import Asked
from vitrail.recipes.start import settings_of

WHO = "a generator of pictures"
BATCH = 64


@dataclass(frozen=True)
class TrainedGenerator:
    """A model in eval mode, its classes' names, the (H, W) it was trained at, and what its values mean.

    autoencoder: Decodes its latents; of a model of pixels None.
    """

    model: Generator
    classes: tuple[str, ...]
    size: tuple[int, int]
    preprocessing: GenerationPreprocessing
    autoencoder: Autoencoder | None = None

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def sample(
        self,
        labels: Sequence[int],
        sampling: Sampling | None = None,
        numbers: Sequence[int] | None = None,
        size: tuple[int, int] | None = None,
        batch: int = BATCH,
        told: Callable[[int, float], None] | None = None,
    ) -> Tensor:
        """Pictures of these classes, (B, 3, H, W) uint8 on the CPU.

        Args:
            labels: Index of each one's class.     sampling: By default that of the model's name.
            numbers: From which each one's noise follows; by default 0, 1, 2, ... A sample depends on its class, its
                number and `sampling`, whatever else is made, and in what batches.
            size: (H, W) of what the model makes; by default what it was trained at.
            told: Called with the samples of a batch and the moment that they have reached, in [0, 1].
        Raises: InputError for latents without an autoencoder.
        """
        chosen, numbers = sampling or self.model.sampling, list(numbers or range(len(labels)))
        shape = (self.model.spec.in_channels, *(size or self.size))
        if self.preprocessing.space == "latents" and self.autoencoder is None:
            raise InputError("This model makes latents; --vae PATH names the autoencoder that decodes them.")
        parts = []
        for start in range(0, len(labels), batch):
            some, these = torch.tensor(labels[start : start + batch]), numbers[start : start + batch]

            def at(moment: float, count: int = len(these)) -> None:
                if told is not None:
                    told(count, moment)

            made = sample(self.model, some, shape, chosen, self.model.null, these, self.device, at)
            parts.append(self.pictures(made))
        return torch.cat(parts)

    def pictures(self, values: Tensor) -> Tensor:
        """What the model makes, (B, C, H, W), as pictures (B, 3, H, W) uint8 on the CPU."""
        values = restored(values, self.preprocessing)
        return to_bytes(self.autoencoder.decode(values) if self.autoencoder else values)


def of(model: Generator, document: dict[str, Any], path: Path) -> TrainedGenerator:
    """The model of a weights file, with what its document says. Raises: InputError where that is not sound."""
    settings = settings_of(document, str(path), GenerationPreprocessing)
    if len(settings.mean) != model.spec.in_channels:
        raise InputError(
            f"{path}: its model makes {model.spec.in_channels} channels, its preprocessing has {len(settings.mean)}."
        )
    return TrainedGenerator(model, tuple(document["classes"]), model.size, settings)


def with_autoencoder(trained: TrainedGenerator, path: str | Path | None = None) -> TrainedGenerator:
    """With what decodes its latents: that of `path`, else that of its training. A model of pixels as it is.

    Raises: InputError where there is none, or one of another number of channels.
    """
    if trained.preprocessing.space == "pixels":
        if path:
            raise InputError("--vae is for models of latents; this one makes pixels.")
        return trained
    path = path or trained.preprocessing.autoencoder
    if path is None:
        raise InputError("This model makes latents; --vae PATH names the autoencoder that decodes them.")
    found = open_autoencoder(path).to(trained.device)
    if found.channels != trained.model.spec.in_channels:
        made = trained.model.spec.in_channels
        raise InputError(f"{path}: its latents have {found.channels} channels, the model makes {made}.")
    return replace(trained, autoencoder=found)


def images(pictures: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) uint8 as PIL has them."""
    return [Image.fromarray(picture.permute(1, 2, 0).numpy()) for picture in pictures]


def gather(paths: Sequence[str | Path]) -> list[Path]:
    """Nothing can be asked of it. Raises: InputError."""
    raise InputError("This model makes pictures and tells nothing of them: vitrail sample RUN --grid out.png")


def answer(trained: TrainedGenerator, files: Sequence[Path], asked: Asked) -> Any:
    """As `gather`."""
    return gather(files)
