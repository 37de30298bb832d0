"""A run that learns which class a picture is of: its batches and its task, and what it leaves behind.

curves.png   confusion.png   reliability.png   predictions.png   predictions.jsonl
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from vitrail.data import transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.sample import Pictures
from vitrail.data.settings import Augment, Preprocessing
from vitrail.draw.confusion import draw_confusion
from vitrail.draw.curves import draw_curves
from vitrail.draw.grid import Cell, draw_grid
from vitrail.draw.reliability import draw_reliability
from vitrail.errors import InputError
from vitrail.metrics.counts import Counts
from vitrail.models.assembled import Assembled
from vitrail.models.others import Other
from vitrail.recipes.job import Ready
from vitrail.recipes.recipe import Recipe
from vitrail.tasks.classify import Classify
from vitrail.train.loop import Plan
from vitrail.train.record import read, track, write_text

SHOWN = 40
PICTURES = ("curves.png", "confusion.png", "predictions.png", "reliability.png", "predictions.jsonl")


def check(model: nn.Module, name: str, training: Pictures, share: int) -> None:
    """Raises: InputError for a model without classes, or one that cannot take `share` of the training pictures."""
    if getattr(model, "num_classes", None) != len(training.classes) or isinstance(model, Assembled):
        raise InputError(f"{name} is a backbone without classes; {name.removeprefix('dense_')} is its classifier.")
    if isinstance(model, Other):
        model.try_out(max(share, 1), training=True)


def ready(recipe: Recipe, model: nn.Module, training: Pictures, held_out: Pictures, world: int) -> Ready:
    """The batches of pictures of one size, and cross entropy."""
    settings, augment, size, count = recipe.preprocessing, recipe.augment, recipe.model.size, len(training.classes)
    assert isinstance(settings, Preprocessing) and isinstance(augment, Augment)
    changing, mixing = transforms.for_training(size, settings, augment), transforms.mixing(augment, count)
    return Ready(
        Batches(training, changing, recipe.seed, mixing, replace=True),
        Batches(held_out, transforms.for_use(size, settings), recipe.seed),
        Classify(count, recipe.smoothing),
        augment.repeats,
        max(2 * recipe.batch // recipe.accumulate, 1),
    )


def about(metric: Counts, held_out: Any) -> dict[str, Any]:
    """Nothing more."""
    return {}


@dataclass(frozen=True)
class Answer:
    """What a model said of one held-out picture: names of the true and the likeliest class, and p(truth)."""

    name: str
    target: str
    answer: str
    probability: float


def draw(out: Path, name: str, plan: Plan, metric: Counts, held_out: Pictures) -> None:
    """Writes the numbers' pictures, every answer, and predictions.png with the held-out pictures that went worst."""
    draw_answers(out, name, plan, metric, held_out, lambda sample: sample.image, "pictures")


def draw_answers(
    out: Path, name: str, plan: Plan, metric: Counts, held_out: Any, seen: Callable[[Any], Image.Image], what: str
) -> None:
    """What `draw` does.

    Args:
        seen: A sample -> the picture that shows it.     what: The samples are.
    """
    share = f"{100 * metric.compute()['top1']:.2f} % right of {int(metric.confusion.sum())} held-out {what}"
    draw_curves(out / "curves.png", {name: read(out)})
    draw_confusion(out / "confusion.png", metric.confusion.numpy(), held_out.classes, f"{name}: {share}")
    states = metric.calibration
    count, confidence, right = (part.numpy() for part in (states.count, states.confidence, states.right))
    draw_reliability(out / "reliability.png", count, confidence, right, f"{name}: {share}")
    answers = answer_all(plan, held_out)
    write_text(out / "predictions.jsonl", "".join(json.dumps(asdict(each)) + "\n" for each in answers))
    cells = worst(answers, held_out, seen)
    draw_grid(
        out / "predictions.png",
        cells,
        f"{name}: {share}\nThe {len(cells)} hardest, and the probability their true class was given",
    )


def answer_all(plan: Plan, pictures: Any) -> list[Answer]:
    """The model's answer to each sample that can be read, in order."""
    loader = Loader(plan.held_out.batches, plan.held_out.batch, shuffle=False)
    found: list[Answer] = []
    plan.model.eval()
    for batch in track(loader.epoch(0), len(loader), "pictures"):
        if not len(batch):
            continue
        with plan.setting.autocast():
            scores = plan.task.predict(plan.model, batch.to(plan.setting.device)).scores.cpu()
        truth = scores.gather(1, batch.target[:, None])[:, 0]
        rows = zip(batch.names, batch.target.tolist(), scores.argmax(1).tolist(), truth.tolist(), strict=True)
        found += [Answer(name, pictures.classes[t], pictures.classes[best], share) for name, t, best, share in rows]
    return found


def read_answers(path: Path) -> list[Answer]:
    """What `draw_run` wrote. Raises: InputError for a line of anything else."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            found.append(Answer(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: line {number} is no answer of a run.") from error
    return found


def worst(answers: list[Answer], pictures: Any, seen: Callable[[Any], Image.Image], count: int = SHOWN) -> list[Cell]:
    """The samples to whose true class the model gives the lowest probability, the lowest first."""
    places = {pictures.name(index): index for index in range(len(pictures))}
    cells = []
    for answer in sorted(answers, key=lambda answer: answer.probability)[:count]:
        right = answer.answer == answer.target
        mistake = "" if right else f"\ntaken for {answer.answer}"
        caption = f"{answer.target}   {100 * answer.probability:.0f} %{mistake}"
        cells.append(Cell(seen(pictures[places[answer.name]]), caption, right))
    return cells
