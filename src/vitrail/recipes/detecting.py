"""A run that learns what is where in a picture: its batches and its task, and what it leaves behind.

curves.png   precision.png   predictions.png   predictions.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vitrail.data import coco_results, rle
from vitrail.data.detection_batches import DetectionBatches
from vitrail.data.detection_set import DetectionSet
from vitrail.data.detections import Detections, Instances, Rle
from vitrail.data.settings import DetectionAugment, DetectionPreprocessing
from vitrail.draw.boxes import Row, Things, draw_precision, draw_rows
from vitrail.draw.curves import draw_curves
from vitrail.errors import InputError
from vitrail.metrics.coco import Coco, Seen, What
from vitrail.models.detectors import Detector
from vitrail.recipes.job import Ready
from vitrail.recipes.recipe import Recipe
from vitrail.tasks.detect import Detect
from vitrail.train.loop import Plan
from vitrail.train.record import read

PICTURES = ("curves.png", "precision.png", "mask_precision.png", "predictions.png", "predictions.json")
SHOWN = 8


def check(model: nn.Module, name: str, training: DetectionSet, share: int) -> None:
    """Raises: InputError for a model that finds no boxes, or one of masks where the data has none."""
    if not isinstance(model, Detector):
        raise InputError(f"{name} finds no boxes, and the data has boxes; retinanet_iwin_nano is a detector.")
    if model.masks and not training.masks:
        other = name.replace("mask_rcnn", "rcnn") if name.startswith("cascade") else name.replace("mask", "faster", 1)
        raise InputError(f"{name} learns masks, and the data has none for some of its boxes; {other} does without.")


def ready(recipe: Recipe, model: Detector, training: DetectionSet, held_out: DetectionSet, world: int) -> Ready:
    """Batches of pictures of several sizes; measured one by one in each process, so that no neighbour changes any."""
    settings, augment = recipe.preprocessing, recipe.augment
    assert isinstance(settings, DetectionPreprocessing) and isinstance(augment, DetectionAugment)
    if not model.masks:
        training, held_out = training.without_masks(), held_out.without_masks()
    return Ready(
        DetectionBatches(training, settings, augment, recipe.seed, replace=True),
        DetectionBatches(held_out, settings, None, recipe.seed),
        Detect(training.classes, model.masks),
        1,
        world,
    )


def about(metric: Coco, held_out: Any) -> dict[str, Any]:
    """The score of each class from which on an answer is most often right: where F1 is highest."""
    return {"thresholds": [round(value, 4) for value in metric.best_scores()]}


def draw(out: Path, name: str, plan: Plan, metric: Coco, held_out: DetectionSet) -> None:
    """Writes the numbers' pictures, every answer in the layout of COCO's server, and the pictures that went worst."""
    numbers = metric.compute()
    draw_curves(out / "curves.png", {name: read(out)}, score="mask_AP50" if metric.masks else "AP50")
    draw_measured(out, name, metric)
    numbered = {held_out.record(index).id: index for index in range(len(held_out))}
    answers = {numbered[number]: answer(seen) for number, seen in sorted(metric.pictures.items())}
    write_answers(out / "predictions.json", held_out, answers)
    shown = sure(answers, metric.best_scores())
    share = f"{name}: AP50 {100 * numbers['AP50']:.1f} % on {len(held_out)} held-out pictures"
    draw_worst(out / "predictions.png", held_out, {name: shown}, share)


def answer(seen: Seen) -> Detections:
    """What a metric was shown of a picture."""
    corners = torch.tensor([row["bbox"] for row in seen.found], dtype=torch.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    masked = [row["segmentation"] for row in seen.found if "segmentation" in row]
    return Detections.of(
        corners.float(),
        torch.tensor([row["score"] for row in seen.found], dtype=torch.float32),
        torch.tensor([row["category_id"] for row in seen.found], dtype=torch.int64),
        seen.size,
        [Rle(tuple(mask["size"]), mask["counts"]) for mask in masked] if masked else None,
    )


def write_answers(path: Path, pictures: DetectionSet, answers: dict[int, Detections]) -> None:
    """Writes the answers, by the picture's index, as COCO's server wants them: boxes and packed masks."""
    rows = [
        row
        for index, found in answers.items()
        for row in coco_results.rows(pictures.record(index).id, found, pictures.ids, pictures.orientation(index))
    ]
    coco_results.write(path, rows, "both")


def draw_measured(out: Path, name: str, metric: Coco) -> None:
    """Writes precision.png, and mask_precision.png where masks are measured."""
    whats: tuple[What, ...] = ("box", "mask") if metric.masks else ("box",)
    for what in whats:
        precision, _ = metric.curves(what)
        curves = dict(zip(metric.classes, precision.tolist(), strict=True))
        areas = {name: row["AP50"] for name, row in metric.per_class(what).items()}
        file = "precision.png" if what == "box" else "mask_precision.png"
        draw_precision(out / file, curves, areas, f"{name}: {what} AP50 by class")


def sure(answers: dict[int, Detections], scores: np.ndarray) -> dict[int, Detections]:
    """The answers that score at least as their class wants."""
    least = torch.from_numpy(scores).float()
    return {index: found[found.scores >= least[found.classes]] for index, found in answers.items()}


def draw_worst(
    path: Path, pictures: DetectionSet, answers: dict[str, dict[int, Detections]], title: str, most: int = SHOWN
) -> None:
    """Writes picture | truth | each model, the pictures on top on which the first model goes worst.

    Args:
        answers: By the model's name, then by the picture's index.
    """
    worth = {}
    for index, found in next(iter(answers.values())).items():
        try:
            worth[index] = agreement(found, pictures[index].target)
        except InputError:  # a picture that cannot be read has no answer either
            continue
    rows = []
    for index in sorted(worth, key=lambda index: worth[index])[:most]:
        sample = pictures[index]
        truth = sample.target
        columns = [
            ("picture", None),
            ("truth", things(truth)),
            *((name, things(of[index])) for name, of in answers.items()),
        ]
        caption = f"{Path(sample.name).name}   {100 * worth[index]:.0f} % found and right, of {len(truth)} there"
        rows.append(Row(sample.image, tuple(columns), caption, worth[index]))
    if rows:
        draw_rows(path, rows, pictures.classes, title, most)


def agreement(found: Detections, truth: Instances, overlap: float = 0.5) -> float:
    """Pairs of the same class that overlap enough, over all that is there or was found; 1 where both are empty.

    Each thing and each answer is in one pair at most, the surest answers first; crowds are left out.
    """
    from torchvision.ops import box_iou

    truth = truth[~truth.crowd]
    if not len(found) or not len(truth):
        return float(len(found) == len(truth))
    fitting = box_iou(found.boxes, truth.boxes) * (found.classes[:, None] == truth.classes)
    pairs = 0
    for row in fitting:
        best = int(row.argmax())
        if row[best] >= overlap:
            pairs += 1
            fitting[:, best] = 0
    return pairs / (len(found) + len(truth) - pairs)


def things(value: Detections | Instances) -> Things:
    """As they are drawn; masks are unpacked one by one."""
    masks = value.masks
    unpacked = None if masks is None else (rle.decode((mask,), value.size)[0].numpy() for mask in masks)
    return Things(
        value.boxes.numpy(),
        value.classes.tolist(),
        value.scores.tolist() if isinstance(value, Detections) else None,
        unpacked,
        value.crowd.tolist() if isinstance(value, Instances) else None,
    )
