"""A run that learns which class each pixel has: its batches and its task, and what it leaves behind.

curves.png   class_iou.png   confusion.png   predictions.png   per_class.json
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from vitrail.data import label_check
from vitrail.data.label_batches import PixelBatches
from vitrail.data.label_set import LabelSet
from vitrail.data.loader import Loader
from vitrail.data.pixel_settings import PixelAugment, PixelPreprocessing
from vitrail.draw.class_bars import draw_classes
from vitrail.draw.confusion import draw_confusion
from vitrail.draw.curves import draw_curves
from vitrail.draw.labels import Row, draw_rows
from vitrail.errors import InputError
from vitrail.metrics.pixels import Pixels
from vitrail.models.segmenters import Segmenter, UperNet
from vitrail.recipes.job import Ready
from vitrail.recipes.recipe import Recipe
from vitrail.tasks.segment import Segment
from vitrail.train.loop import Plan, measure
from vitrail.train.record import read, track, write_text

PICTURES = ("curves.png", "class_iou.png", "confusion.png", "predictions.png", "per_class.json")
SHOWN = 6


def check(model: nn.Module, name: str, training: LabelSet, share: int) -> None:
    """Raises: InputError for a model that gives no pixel a class, or one that cannot learn from `share` pictures."""
    if not isinstance(model, Segmenter):
        raise InputError(f"{name} gives no pixel a class, and the data has label maps; upernet_iwin_nano does.")
    if isinstance(model, UperNet) and share < 2:
        raise InputError(
            f"{name} normalises over the pictures that a process has at a time, and {max(share, 1)} is too few: wanted "
            "2 or more of batch / processes / accumulate."
        )


def ready(recipe: Recipe, model: nn.Module, training: LabelSet, held_out: LabelSet, world: int) -> Ready:
    """Crops of one size; held-out pictures one by one in each process, so that no neighbour's size changes any.

    Raises: InputError naming the label maps that cannot be used.
    """
    settings, augment = recipe.preprocessing, recipe.augment
    assert isinstance(settings, PixelPreprocessing)
    assert isinstance(augment, PixelAugment)
    label_check.inspect(training, held_out, track=track)
    return Ready(
        PixelBatches(training, settings, augment, recipe.seed, replace=True),
        PixelBatches(held_out, settings, None, recipe.seed),
        Segment(training.classes, palette=training.palette),
        1,
        world,
    )


def about(metric: Pixels, held_out: Any) -> dict[str, Any]:
    """The data's colours of the classes, where it has some."""
    return {"palette": [list(colour) for colour in metric.palette]} if metric.palette else {}


def draw(out: Path, name: str, plan: Plan, metric: Pixels, held_out: LabelSet) -> None:
    """Writes the numbers, each class's, and the held-out pictures on which the model goes worst."""
    said = f"{name}: mIoU {100 * metric.compute()['mIoU']:.2f} % of {len(held_out)} held-out pictures"
    write_text(out / "per_class.json", json.dumps(finite(metric.per_class())) + "\n")
    draw_curves(out / "curves.png", {name: read(out)}, score="mIoU")
    draw_measured(out, {name: metric}, len(held_out))
    noted = Worst(len(held_out.classes))
    loader = Loader(plan.held_out.batches, 1, shuffle=False)
    task = Segment(held_out.classes, note=noted)
    measure(plan.model, task, track(loader.epoch(0), len(loader), "pictures"), plan.setting)
    draw_worst(out / "predictions.png", held_out, {name: noted.found}, said)


def draw_measured(out: Path, metrics: Mapping[str, Pixels], pictures: int) -> None:
    """Writes class_iou.png of all models, and of the first confusion.png: shares of the true pixels of each class."""
    ious = {name: {key: row["IoU"] for key, row in metric.per_class().items()} for name, metric in metrics.items()}
    draw_classes(out / "class_iou.png", ious, f"IoU of each class, {pictures} pictures")
    name, first = next(iter(metrics.items()))
    counts = first.confusion[:, : len(first.classes)].numpy()
    shares = np.rint(100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)).astype(np.int64)
    draw_confusion(out / "confusion.png", shares, first.classes, f"{name}\n% of the true pixels of each class")


@dataclass(eq=False)
class Worst:
    """The label maps that a model gives the pictures on which it goes worst: a `tasks.segment.Note`.

    classes: K.     most: Pictures that are kept.     only: Names of those that are kept in their place.
    found: By the picture's name its `agreement`, and the map (H, W).
    """

    classes: int
    most: int = SHOWN
    only: frozenset[str] | None = None
    found: dict[str, tuple[float, np.ndarray]] = field(default_factory=dict)

    def __call__(self, name: str, said: Tensor, truth: Tensor) -> None:
        if self.only is not None and name not in self.only:
            return
        worth = agreement(said, truth, self.classes)
        if self.only is None and math.isnan(worth):
            return
        self.found[name] = (worth, said.cpu().numpy())
        self.cut()

    def cut(self) -> None:
        """Lets go of the better ones."""
        while self.only is None and len(self.found) > self.most:
            del self.found[max(self.found, key=lambda name: self.found[name][0])]


def agreement(said: Tensor, truth: Tensor, classes: int) -> float:
    """The mean IoU of the classes that are said or true in one picture; NaN where no pixel has one."""
    metric = Pixels(tuple(map(str, range(classes))))
    metric.update([said], [truth])
    return metric.compute()["mIoU"]


def draw_worst(
    path: Path, pictures: LabelSet, found: Mapping[str, Mapping[str, tuple[float, np.ndarray]]], title: str
) -> None:
    """Writes picture | truth | each model, the picture on which the first model goes worst on top.

    Args:
        found: By the model's name, then the picture's, as `Worst` has it; the pictures are those of the first.
    """
    places = {pictures.name(index): index for index in range(len(pictures))}
    first = next(iter(found.values()))
    rows = []
    for name, (worth, _) in first.items():
        sample = pictures[places[name]]
        said = {model: maps[name][1] for model, maps in found.items() if name in maps}
        caption = f"{Path(name).name}   mIoU {100 * worth:.1f} %"
        if len(said) == len(found):
            rows.append(Row(sample.image, sample.labels.map.numpy(), said, caption, worth))
    if rows:
        draw_rows(path, rows, pictures.classes, title, pictures.palette, SHOWN)


def finite(table: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    """The numbers of each class as JSON has them: None for what cannot be said."""
    return {
        name: {key: value if math.isfinite(value) else None for key, value in row.items()}
        for name, row in table.items()
    }
