"""A run that learns what a video shows: its batches and its task, and what it leaves behind.

curves.png   confusion.png   reliability.png   predictions.png   predictions.jsonl, as a run of pictures does
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from vitrail.data.clip_batches import ClipBatches
from vitrail.data.clip_set import Clips, ClipSample
from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing
from vitrail.errors import InputError
from vitrail.metrics.counts import Counts
from vitrail.models.assemble import Network
from vitrail.recipes import classifying
from vitrail.recipes.job import Ready
from vitrail.recipes.recipe import Recipe
from vitrail.tasks.recognise import Recognise
from vitrail.train.loop import Plan

PICTURES = classifying.PICTURES


def check(model: nn.Module, name: str, training: Clips, share: int) -> None:
    """Raises: InputError for a model of pictures."""
    if not isinstance(model, Network) or len(model.input_size) != 3:
        raise InputError(f"{name} looks at pictures, and the data has videos; video_iwin_nano is a model of clips.")


def ready(recipe: Recipe, model: Network, training: Clips, held_out: Clips, world: int) -> Ready:
    """The batches of clips of one size, and cross entropy.

    Raises: InputError where the model was built for clips of another length.
    """
    settings, augment, size, count = recipe.preprocessing, recipe.augment, recipe.model.size, len(training.classes)
    assert isinstance(settings, ClipPreprocessing) and isinstance(augment, ClipAugment)
    length, built = settings.sampling.length, model.input_size[0]
    if length != built:
        raise InputError(
            f"{recipe.model.name} is built for clips of {built} frames, preprocessing.sampling.length={length}; "
            f"model.overrides.frames={length} builds it for those."
        )
    return Ready(
        ClipBatches(training, size, settings, augment, recipe.seed, replace=True),
        ClipBatches(held_out, size, settings, None, recipe.seed),
        Recognise(count, recipe.smoothing),
        1,
        max(recipe.batch // recipe.accumulate, 1),
    )


def about(metric: Counts, held_out: Any) -> dict[str, Any]:
    """Nothing more."""
    return {}


def draw(out: Path, name: str, plan: Plan, metric: Counts, held_out: Clips) -> None:
    """Writes what a run of pictures does, a video shown by its middle frame."""
    classifying.draw_answers(out, name, plan, metric, held_out, middle, "videos")


def middle(sample: ClipSample) -> Image.Image:
    """The frame in the middle of a video."""
    return Image.fromarray(sample.video.frames([sample.video.count() // 2])[0])
