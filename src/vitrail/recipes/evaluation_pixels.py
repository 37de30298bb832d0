"""A segmenter measured: IoU and accuracy of every class, alone or beside another; and what is written about it.

evaluation.json   per_class.csv   class_iou.png   confusion.png   worst.png   labels/NAME.png, as ADE20K's server has it
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vitrail.data import label_check, label_layouts, label_results
from vitrail.data.label_batches import PixelBatches
from vitrail.data.label_set import LabelSet
from vitrail.data.loader import Batches, Loader
from vitrail.data.pictures import PictureBatches
from vitrail.errors import InputError
from vitrail.metrics.pixels import Pixels
from vitrail.recipes import asking, segmenting, sources, use
from vitrail.recipes import recipe as recipes
from vitrail.recipes.asking import Asked, stems
from vitrail.recipes.measured import Table, everywhere, percent, write_classes
from vitrail.recipes.segmenting import Worst
from vitrail.recipes.use_pixels import WAYS, WHO, TrainedSegmenter
from vitrail.tasks.segment import Note, Segment
from vitrail.tasks.segment_looks import SegmentLooking
from vitrail.train.loop import Setting, measure
from vitrail.train.record import track, write_text

TAKES = (*WAYS, "against", "out")
NUMBERS = ("mIoU", "mAcc", "aAcc", "boundary_mIoU")


@dataclass(frozen=True, eq=False)
class Side:
    """A segmenter and its numbers.   worst: Its label maps of the pictures on which the first one goes worst."""

    name: str
    metric: Pixels
    worst: dict[str, tuple[float, np.ndarray]]


@dataclass(frozen=True, eq=False)
class PixelEvaluation:
    """sides: The segmenter, and the one it is compared with, if any.     pictures: Those that were asked for.

    unreadable: Why some were left out, a line each.     views: How they were looked at, for `document`.
    """

    sides: tuple[Side, ...]
    pictures: LabelSet
    unreadable: tuple[str, ...]
    views: dict[str, Any]

    @property
    def counted(self) -> int:
        return len(self.pictures) - len(self.unreadable)

    def document(self) -> dict[str, Any]:
        """As JSON has it: numbers in [0, 1], null for what cannot be said."""
        first, *others = self.sides
        said = {**self.views, **numbers(first.metric), "pictures": self.counted, "unreadable": list(self.unreadable)}
        for other in others:
            said["against"] = {"name": other.name, **numbers(other.metric)}
        return said

    def tables(self, worst: int | None = None) -> list[Table]:
        """The means, then the classes; only the `worst` ones, the one of the lowest IoU first."""
        results = [numbers(side.metric) for side in self.sides]
        several = len(results) > 1
        whole = tuple((key.replace("_", " "), *(percent(each[key]) for each in results)) for key in NUMBERS)
        rows = results[0]["per_class"]
        there = sorted((name for name in rows if rows[name]["IoU"] is not None), key=lambda name: rows[name]["IoU"])
        keys = ("IoU",) if several else ("IoU", "acc", "boundary_IoU")
        heads = [f"{side.name} {key}" if several else key for side in self.sides for key in keys]
        each = tuple(
            (
                name,
                *(percent(one["per_class"][name][key]) for one in results for key in keys),
                percent(rows[name]["share"]),
            )
            for name in (there[:worst] if worst else rows)
        )
        titles = Table(("", *(side.name if several else "all pixels" for side in self.sides)), whole)
        return [titles, Table(("class", *(head.replace("_", " ") for head in heads), "of all pixels"), each)]

    def line(self) -> str:
        result = self.sides[0].metric.compute()
        missing = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        said = ", ".join(f"{key} {100 * result[key]:.2f} %" for key in NUMBERS[:3])
        return f"{said} of {self.counted} pictures{missing}"

    def write(self, out: Path, title: str) -> None:
        """Writes all that the head of this file lists, but for the label maps, which are there."""
        out.mkdir(parents=True, exist_ok=True)
        document = self.document()
        write_text(out / "evaluation.json", json.dumps(document) + "\n")
        rows = [{"class": name, **row} for name, row in document["per_class"].items()]
        write_classes(out, rows)
        beside = " | ".join(f"{side.name}: mIoU {100 * side.metric.compute()['mIoU']:.2f} %" for side in self.sides)
        said = f"{beside} of {self.counted} pictures"
        segmenting.draw_measured(out, {side.name: side.metric for side in self.sides}, self.counted)
        segmenting.draw_worst(out / "worst.png", self.pictures, {side.name: side.worst for side in self.sides}, said)


def measured(
    trained: TrainedSegmenter,
    path: Path,
    data: str | None,
    said: recipes.Data | None,
    asked: Asked,
    setting: asking.Setting,
) -> PixelEvaluation:
    """What `vitrail eval` measures of a segmenter; arguments as `evaluations.Evaluate` has them.

    Label maps go into `asked.out` while it measures. A segmenter that is compared with another one looks at the same
    pictures in the same way.
    Raises: InputError for a choice that is not for segmenters, or data or another model that does not fit.
    """
    asked.only(TAKES, WHO)
    trained.look(asked)  # what cannot be is said before anything is opened
    asking.needs(data, said, path)
    other = _other(asked.against, trained, setting) if asked.against else None
    chosen, pictures = _pictures(trained, path, data, said)
    workers = sources.workers(chosen, setting.workers)
    names = _names([path, *([asked.against] if asked.against else [])])
    worst = Worst(len(trained.classes))
    notes: list[Note] = [worst, *([_writing(asked.out / "labels", pictures)] if asked.out else [])]
    metric, skipped = measure_one(trained, pictures, asked, setting, workers, _all(notes))
    if len(skipped) == len(pictures):
        raise InputError(f"None of the {len(skipped)} pictures can be read. The first: {skipped[0]}")
    sides = [Side(names[0], metric, _gathered(worst, setting))]
    if other:
        same = Worst(len(trained.classes), only=frozenset(sides[0].worst))
        metric, _ = measure_one(other, pictures, asked, setting, workers, same)
        sides.append(Side(names[1], metric, _gathered(same, setting)))
    more = {name: getattr(asked, name) for name in WAYS[1:] if getattr(asked, name) is not None}
    return PixelEvaluation(tuple(sides), pictures, skipped, {"views": asked.views or "one"} | more)


def measure_one(
    trained: TrainedSegmenter,
    pictures: LabelSet,
    asked: Asked,
    setting: asking.Setting,
    workers: int = 0,
    note: Note | None = None,
) -> tuple[Pixels, tuple[str, ...]]:
    """The counts over the pictures of all processes, and a line for each that could not be read.

    Pictures are looked at one by one, so that no neighbour's size changes any.
    """
    processes = setting.processes
    batches: Batches
    if any(getattr(asked, name) is not None for name in WAYS):
        task: Segment = SegmentLooking(trained.classes, True, None, note, trained.look(asked))
        batches = PictureBatches(pictures, lambda sample: sample.labels.map)
    else:
        task, batches = (
            Segment(trained.classes, True, None, note),
            PixelBatches(pictures, trained.preprocessing, None, 0),
        )
    pin = setting.device.type == "cuda"
    loader = Loader(batches, processes.world, False, workers, processes.rank, processes.world, pin)
    skipped: list[str] = []
    shows = track(loader.epoch(0), len(loader), "measuring") if processes.first else loader.epoch(0)
    metric = measure(trained.model, task, shows, Setting(setting.device, processes), skipped)
    assert isinstance(metric, Pixels)
    return metric, everywhere(skipped, processes)


def numbers(metric: Pixels) -> dict[str, Any]:
    """The means, and those of each class as `per_class`; None for what cannot be said."""
    means = {key: value if math.isfinite(value) else None for key, value in metric.compute().items()}
    return {**means, "per_class": segmenting.finite(metric.per_class())}


def _pictures(
    trained: TrainedSegmenter, path: Path, data: str | None, said: recipes.Data | None
) -> tuple[recipes.Data, LabelSet]:
    """What is measured on, its label maps looked at. Raises: InputError for data or files that cannot be used."""
    own = said if isinstance(said, recipes.Pixels) else recipes.Pixels()
    chosen = said if data is None else sources.named(data, own)
    if not isinstance(chosen, recipes.Pixels):
        raise InputError(f"{path} gives every pixel a class, and its data has no label maps: --data FOLDER names some.")
    if data is None:
        pictures = sources.open_split(chosen)[1].reindexed(trained.classes)
    else:
        pictures = label_layouts.open_held_out(data, chosen.layout, trained.classes, chosen.reduce)
    label_check.inspect(pictures, track=track)
    return chosen, pictures


def _writing(folder: Path, pictures: LabelSet) -> Note:
    """Writes each picture's label map into the folder, as ADE20K's server wants it: classes from 1."""
    paths = [pictures.path(index) for index in range(len(pictures))]
    names = {pictures.name(index): stem for index, stem in enumerate(stems(paths))}
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, found: Tensor, truth: Tensor) -> None:
        label_results.write(folder / f"{names[name]}.png", found, "ade20k")

    return write


def _all(notes: Sequence[Note]) -> Callable[[str, Tensor, Tensor], None]:
    def each(name: str, found: Tensor, truth: Tensor) -> None:
        for note in notes:
            note(name, found, truth)

    return each


def _gathered(worst: Worst, setting: asking.Setting) -> dict[str, tuple[float, np.ndarray]]:
    """The worst of all processes."""
    for found in setting.processes.others(worst.found):
        worst.found |= found
    worst.cut()
    return worst.found


def _other(path: Path, trained: TrainedSegmenter, setting: asking.Setting) -> TrainedSegmenter:
    """The other model. Raises: InputError where it is no segmenter of the same classes."""
    other = use.load(path, setting.device)
    if not isinstance(other, TrainedSegmenter):
        raise InputError(f"{path} gives no pixel a class, so it cannot be compared with a segmenter.")
    if other.classes != trained.classes:
        raise InputError(
            f"{path} has other classes, {len(other.classes)} from {other.classes[0]} on, where there are "
            f"{len(trained.classes)} from {trained.classes[0]} on; models of the same classes are compared."
        )
    return other


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names of runs or files, longer ones where the short ones are the same."""
    short = [path.resolve().name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]
