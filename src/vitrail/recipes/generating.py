"""A run that learns to make pictures of classes: its batches and its task, and what it leaves behind.

curves.png   samples.png: of every class a row, from the weights that are kept
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor, nn

from vitrail.data.generation_batches import FlowBatches, to_bytes
from vitrail.data.generation_settings import GenerationAugment, GenerationPreprocessing
from vitrail.data.latents import Latents
from vitrail.draw.curves import draw_curves
from vitrail.draw.mosaic import mosaic
from vitrail.errors import InputError
from vitrail.flow.objective import Objective
from vitrail.flow.sample import sample
from vitrail.metrics.velocity import Velocities
from vitrail.models.generator import Generator
from vitrail.recipes.job import Ready
from vitrail.recipes.recipe import Recipe
from vitrail.recipes.use_generator import TrainedGenerator, images
from vitrail.tasks.generate import Generate
from vitrail.train.files import replacing
from vitrail.train.loop import Plan
from vitrail.train.record import read, track

PICTURES = ("curves.png", "samples.png")
ROWS, COLUMNS = 20, 8  # classes of samples.png, and samples of each


def check(model: nn.Module, name: str, training: Any, share: int) -> None:
    """Raises: InputError for a model that makes other channels or another grid than the data has."""
    assert isinstance(model, Generator)
    shape = training.shape if isinstance(training, Latents) else (3, *model.size)
    made = (model.spec.in_channels, *model.size)
    if made != shape:
        size = f"model.size={shape[1]}x{shape[2]} model.overrides.in_channels={shape[0]}"
        raise InputError(f"{name} makes {_text(made)}, the data has {_text(shape)}: {size} fits.")


def ready(recipe: Recipe, model: Generator, training: Any, held_out: Any, world: int) -> Ready:
    """The batches of pictures or latents of one size, and rectified flow."""
    settings, augment, size = recipe.preprocessing, recipe.augment, recipe.model.size
    assert isinstance(settings, GenerationPreprocessing) and isinstance(augment, GenerationAugment)
    if len(settings.mean) != model.spec.in_channels:
        raise InputError(
            f"preprocessing.mean has {len(settings.mean)} channels, {recipe.model.name} {model.spec.in_channels}."
        )
    drop = model.spec.label_drop
    aim = Objective(mean=augment.mean, deviation=augment.deviation, direction=augment.direction, label_drop=drop)
    return Ready(
        FlowBatches(training, size, settings, augment.flip, recipe.seed, replace=True),
        FlowBatches(held_out, size, settings, 0.0, recipe.seed),
        Generate(model.null, aim, model.spec.in_channels, size, recipe.seed),
        1,
        max(2 * recipe.batch // recipe.accumulate, 1),
    )


def about(metric: Velocities, held_out: Any) -> dict[str, Any]:
    """Nothing more."""
    return {}


def draw(out: Path, name: str, plan: Plan, metric: Velocities, held_out: Any) -> None:
    """Writes the curves, and samples of every class, or of the first ones of many."""
    draw_curves(out / "curves.png", {name: read(out)}, score="explained")
    batches, model = plan.held_out.batches, plan.model
    assert isinstance(batches, FlowBatches) and isinstance(model, Generator)
    trained = TrainedGenerator(model.eval(), held_out.classes, batches.size, batches.settings)
    shown = range(min(len(held_out.classes), ROWS))
    rows = [(held_out.classes[label], _row(trained, label)) for label in track(shown, len(shown), "samples")]
    with replacing(out / "samples.png") as file:
        mosaic(rows).save(file, "PNG")


def _row(trained: TrainedGenerator, label: int) -> list[Image.Image]:
    """Samples of a class; of latents their first three channels, as grey where there are fewer."""
    numbers = [number_of(label, index, len(trained.classes)) for index in range(COLUMNS)]
    if trained.preprocessing.space == "pixels":
        return images(trained.sample([label] * COLUMNS, numbers=numbers))
    model = trained.model
    shape = (model.spec.in_channels, *trained.size)
    labels = model.trunk.labels.weight.new_full((COLUMNS,), label).long()  # type: ignore[union-attr, operator]
    return images(_channels(sample(model, labels, shape, model.sampling, model.null, numbers, trained.device)))


def _channels(latents: Tensor) -> Tensor:
    """Normalised latents (B, C, h, w) as colours: three channels, two deviations either way; (B, 3, h, w) uint8."""
    some = latents[:, :3] if latents.shape[1] >= 3 else latents[:, :1].expand(-1, 3, -1, -1)
    return to_bytes(some / 4 + 0.5)


def number_of(label: int, index: int, classes: int) -> int:
    """The number of a class's sample, from which its noise follows: the same whatever other classes are asked for."""
    return index * classes + label


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
