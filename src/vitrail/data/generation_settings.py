"""How a picture or a latent becomes what a generator makes, in plain values; a weights file carries them. No torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat
from pydantic.dataclasses import dataclass

from vitrail.data.settings import STRICT, Amount, Part


@dataclass(frozen=True, config=STRICT)
class GenerationPreprocessing:
    """What training and sampling share: channel by channel (value - mean) / std · multiplier, and back.

    space: "pixels": values are colours in [0, 1], and the defaults take them to [-1, 1]. "latents": values are an
        autoencoder's.
    mean, std: Of the channels. Of latents () takes those that their folder says, when the run begins.
    autoencoder: Where the autoencoder lies that made the latents; None: where their folder says.
    Source: LightningDiT's release (multiplier 1).
    """

    space: Literal["pixels", "latents"] = "pixels"
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[PositiveFloat, ...] = (0.5, 0.5, 0.5)
    multiplier: PositiveFloat = 1.0
    autoencoder: str | None = None
    kind: Literal["generation"] = "generation"

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} channels and std {len(self.std)}")
        if self.space == "pixels" and len(self.mean) != 3:
            raise ValueError(f"pictures have three channels, mean has {len(self.mean)}")


@dataclass(frozen=True, config=STRICT)
class GenerationAugment:
    """What only training does.

    flip: Probability of a mirror image; of latents, of that of the mirrored picture.
    mean, deviation: Of the logit of the moments that are trained on.
    direction: Weight of 1 - cosine of the velocity beside its squared error.
    Labels are dropped as often as the model says: `model.overrides.label_drop`.
    Source: LightningDiT (arXiv 2501.01423) section 3.3 and its release.
    """

    flip: Part = 0.5
    mean: float = 0.0
    deviation: Annotated[float, Field(gt=0)] = 1.0
    direction: Amount = 1.0
    kind: Literal["generation"] = "generation"
