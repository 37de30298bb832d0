"""Which module measures which kind of trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from vitrail.recipes import (
    evaluation,
    evaluation_boxes,
    evaluation_clips,
    evaluation_generator,
    evaluation_pixels,
    evaluation_texts,
)
from vitrail.recipes.asking import Asked, Setting
from vitrail.recipes.measured import Measured
from vitrail.recipes.recipe import Data
from vitrail.recipes.use_boxes import TrainedDetector
from vitrail.recipes.use_classes import Trained
from vitrail.recipes.use_clips import TrainedClips
from vitrail.recipes.use_generator import TrainedGenerator
from vitrail.recipes.use_pixels import TrainedSegmenter
from vitrail.recipes.use_texts import TrainedText


class Evaluate(Protocol):
    """A module of this room, for one kind of model."""

    def measured(
        self, trained: Any, path: Path, data: str | None, said: Data | None, asked: Asked, setting: Setting
    ) -> Measured:
        """Measures a trained model that came from `path` on `data`, or on what its run, which `said` what it was
        trained on, held out. Raises: InputError for a choice that is not for its kind, or data that does not fit."""
        ...


EVALUATIONS: dict[type, Evaluate] = {
    Trained: evaluation,
    TrainedClips: evaluation_clips,
    TrainedDetector: evaluation_boxes,
    TrainedSegmenter: evaluation_pixels,
    TrainedText: evaluation_texts,
    TrainedGenerator: evaluation_generator,
}


def measured(trained: Any, path: Path, data: str | None, said: Data | None, asked: Asked, setting: Setting) -> Measured:
    """As the model's own module has it."""
    return EVALUATIONS[type(trained)].measured(trained, path, data, said, asked, setting)
