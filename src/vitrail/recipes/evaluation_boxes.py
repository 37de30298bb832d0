"""A detector measured: COCO's numbers of boxes and masks, alone or beside another; and what is written about it.

evaluation.json   per_class.csv   precision.png, mask_precision.png   worst.png   results.json, results_masks.json
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrail.data import coco, coco_results, detection_layouts, parts
from vitrail.data.detection_batches import DetectionBatches
from vitrail.data.detection_set import DetectionSet
from vitrail.data.detections import Detections
from vitrail.data.loader import Batches, Loader
from vitrail.data.pictures import PictureBatches
from vitrail.errors import InputError
from vitrail.metrics.coco import NAMES, Coco, of_files
from vitrail.recipes import asking, detecting, sources, use
from vitrail.recipes.asking import Asked
from vitrail.recipes.measured import Table, everywhere, percent, write_classes
from vitrail.recipes.recipe import Boxes, Data
from vitrail.recipes.use_boxes import WAYS, WHO, TrainedDetector
from vitrail.tasks.detect import Detect
from vitrail.tasks.detect_looks import DetectLooking
from vitrail.train.loop import Setting, measure
from vitrail.train.record import track, write_text

TAKES = (*WAYS, "against", "out")


@dataclass(frozen=True, eq=False)
class Side:
    """A detector and its numbers.   found: What it finds, by the picture's index."""

    name: str
    trained: TrainedDetector
    metric: Coco
    found: dict[int, Detections]


@dataclass(frozen=True, eq=False)
class BoxEvaluation:
    """sides: The detector, and the one it is compared with, if any.     pictures: Those that were asked for.

    unreadable: Why some were left out, a line each.     views: How they were looked at, for `document`.
    """

    sides: tuple[Side, ...]
    pictures: DetectionSet
    unreadable: tuple[str, ...]
    views: dict[str, Any]

    @property
    def counted(self) -> int:
        return len(self.pictures) - len(self.unreadable)

    def document(self) -> dict[str, Any]:
        """As JSON has it: COCO's numbers in [0, 1], -1 where there is nothing of a kind to find."""
        first, *others = self.sides
        said = {**self.views, **numbers(first.metric), "pictures": self.counted, "unreadable": list(self.unreadable)}
        for other in others:
            said["against"] = {"name": other.name, **numbers(other.metric)}
        return said

    def tables(self, worst: int | None = None) -> list[Table]:
        """COCO's numbers, then the classes; only the `worst` ones, the one of the lowest AP first."""
        return tables([(side.name, side.metric) for side in self.sides], worst)

    def line(self) -> str:
        missing = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        return f"{line(self.sides[0].metric)} of {self.counted} pictures{missing}"

    def write(self, out: Path, title: str) -> None:
        """Writes all that the head of this file lists."""
        first, name = self.sides[0], self.sides[0].name
        write_numbers(out, first.metric, self.document(), name)
        rows = [
            row
            for index, found in first.found.items()
            for row in coco_results.rows(
                self.pictures.record(index).id, found, self.pictures.ids, self.pictures.orientation(index)
            )
        ]
        coco_results.write(out / "results.json", rows, "box")
        if first.metric.masks:
            coco_results.write(out / "results_masks.json", rows, "mask")
        sure = {
            side.name: {index: side.trained.sure(found) for index, found in side.found.items()} for side in self.sides
        }
        beside = " | ".join(f"{side.name}: AP50 {percent(side.metric.compute()['AP50'], 1)}" for side in self.sides)
        detecting.draw_worst(out / "worst.png", self.pictures, sure, f"{beside} of {self.counted} pictures")


@dataclass(frozen=True, eq=False)
class ResultsEvaluation:
    """A result file measured, without a model."""

    name: str
    metric: Coco
    unreadable: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        return {"results": self.name, **numbers(self.metric), "pictures": len(self.metric.pictures)}

    def tables(self, worst: int | None = None) -> list[Table]:
        return tables([(self.name, self.metric)], worst)

    def line(self) -> str:
        return f"{line(self.metric)} of {len(self.metric.pictures)} pictures"

    def write(self, out: Path, title: str) -> None:
        """Writes evaluation.json, per_class.csv and the curves of precision."""
        write_numbers(out, self.metric, self.document(), title)


def measured(
    trained: TrainedDetector, path: Path, data: str | None, said: Data | None, asked: Asked, setting: asking.Setting
) -> BoxEvaluation:
    """What `vitrail eval` measures of a detector; arguments as `evaluations.Evaluate` has them.

    A detector that is compared with another one looks at the same pictures in the same way.
    Raises: InputError for a choice that is not for detectors, or data or another model that does not fit.
    """
    asked.only(TAKES, WHO)
    trained.look(asked)  # what cannot be is said before anything is opened
    asking.needs(data, said, path)
    chosen = said if data is None else sources.named(data, said if isinstance(said, Boxes) else Boxes())
    if not isinstance(chosen, Boxes):
        raise InputError(f"{path} finds boxes, and its data has none: --data FOLDER names some.")
    if data is None:
        pictures = sources.open_split(chosen)[1].reindexed(trained.classes)
    else:
        pictures = detection_layouts.open_held_out(data, chosen.layout, trained.classes)
    named = [(path, trained)]
    if asked.against:
        named.append((asked.against, _other(asked.against, trained, setting)))
    sides: list[Side] = []
    skipped: tuple[str, ...] = ()
    workers = sources.workers(chosen, setting.workers)
    for name, other in zip(_names([path for path, _ in named]), [each for _, each in named], strict=True):
        metric, skipped = measure_one(other, pictures, asked, setting, workers)
        sides.append(Side(name, other, metric, found_in(metric, pictures)))
    if len(skipped) == len(pictures):
        raise InputError(f"None of the {len(skipped)} pictures can be read. The first: {skipped[0]}")
    views = {"views": asked.views or ("scales" if asked.sides else "one")}
    more = {name: getattr(asked, name) for name in WAYS[1:] if getattr(asked, name) is not None}
    return BoxEvaluation(tuple(sides), pictures, skipped, views | more)


def measure_one(
    trained: TrainedDetector, pictures: DetectionSet, asked: Asked, setting: asking.Setting, workers: int = 0
) -> tuple[Coco, tuple[str, ...]]:
    """COCO's numbers over the pictures of all processes, and a line for each that could not be read.

    Masks are measured where the model and the data have them. Pictures are looked at one by one.
    """
    processes = setting.processes
    masks = trained.model.masks and pictures.masks
    shown = pictures if masks else pictures.without_masks()
    if any(getattr(asked, name) is not None for name in WAYS):
        task: Detect = DetectLooking(trained.classes, masks, trained.look(asked))
        batches: Batches = PictureBatches(shown, lambda sample: sample.target)
    else:
        task, batches = Detect(trained.classes, masks), DetectionBatches(shown, trained.preprocessing, None, 0)
    pin = setting.device.type == "cuda"
    loader = Loader(batches, processes.world, False, workers, processes.rank, processes.world, pin)
    skipped: list[str] = []
    shows = track(loader.epoch(0), len(loader), "measuring") if processes.first else loader.epoch(0)
    metric = measure(trained.model, task, shows, Setting(setting.device, processes), skipped)
    assert isinstance(metric, Coco)
    return metric, everywhere(skipped, processes)


def of_results(results: str | Path, data: str | None, layout: str = "auto") -> ResultsEvaluation:
    """A result file of COCO's layout measured against annotations of COCO's layout; pictures are not looked at.

    Args:
        data: A COCO json, or a folder that holds one; its held-out part is measured.
    Raises: InputError for other files, or results of other pictures or categories.
    """
    if data is None:
        raise InputError(f"{results} is measured against annotations: --data FOLDER or --data FILE.json.")
    found = detection_layouts.read_parts(data, layout)
    annotations = found[parts.measured(found, data)]
    if annotations.source.suffix.lower() != ".json":
        raise InputError(f"{data}: result files name the pictures and categories of a COCO json, and this is none.")
    truth, rows = coco.read_json(annotations.source), coco.read_json(Path(results))
    sizes = {row["id"]: (row.get("height"), row.get("width")) for row in truth["images"]}
    if not all(isinstance(side, int) and side > 0 for size in sizes.values() for side in size):
        raise InputError(f"{annotations.source}: pictures without height and width.")
    coco_results.read(results, sizes, annotations.ids)  # refuses what cannot be used
    masked = bool(rows) and all("segmentation" in row for row in rows)
    return ResultsEvaluation(Path(results).name, of_files(truth, rows, masked))


def found_in(metric: Coco, pictures: DetectionSet) -> dict[int, Detections]:
    """What a metric was shown, by the picture's index."""
    places = {pictures.record(index).id: index for index in range(len(pictures))}
    return {places[number]: detecting.answer(seen) for number, seen in sorted(metric.pictures.items())}


def numbers(metric: Coco) -> dict[str, Any]:
    """All of them, and those of each class as `per_class`."""
    rows = {name: dict(row) for name, row in metric.per_class("box").items()}
    if metric.masks:
        for name, row in metric.per_class("mask").items():
            rows[name] |= {f"mask_{key}": value for key, value in row.items()}
    return {**metric.compute(), "per_class": rows}


def tables(named: Sequence[tuple[str, Coco]], worst: int | None = None) -> list[Table]:
    """COCO's numbers, a column for boxes and for masks of each, and AP and AP50 of each class."""
    both = any(metric.masks for _, metric in named)
    columns = [
        (what if len(named) == 1 else f"{name} {what}" if both else name, metric, "mask_" if what == "masks" else "")
        for name, metric in named
        for what in (("boxes", "masks") if metric.masks else ("boxes",))
    ]
    results = [(numbers(metric), prefix) for _, metric, prefix in columns]
    whole = tuple((key, *(percent(row[prefix + key]) for row, prefix in results)) for key in NAMES)
    titles = tuple(title for title, _, _ in columns)
    rows = results[0][0]["per_class"]
    there = sorted((name for name in rows if rows[name]["AP"] >= 0), key=lambda name: rows[name]["AP"])
    classes = there[:worst] if worst else list(rows)
    each = tuple(
        (name, *(percent(row["per_class"][name][prefix + key]) for row, prefix in results for key in ("AP", "AP50")))
        for name in classes
    )
    heads = tuple(f"{title} {key}" if len(titles) > 1 else key for title in titles for key in ("AP", "AP50"))
    return [Table(("", *titles), whole), Table(("class", *heads), each)]


def line(metric: Coco) -> str:
    result = metric.compute()
    keys = ("AP", "AP50", *(("mask_AP", "mask_AP50") if metric.masks else ()))
    return ", ".join(f"{key.replace('_', ' ')} {percent(result[key]) or 'none'}" for key in keys)


def write_numbers(out: Path, metric: Coco, document: dict[str, Any], title: str) -> None:
    """Writes evaluation.json, per_class.csv and the curves of precision."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "evaluation.json", json.dumps(document) + "\n")
    rows = [{"class": name, **row} for name, row in document["per_class"].items()]
    write_classes(out, rows)
    detecting.draw_measured(out, title, metric)


def _other(path: Path, trained: TrainedDetector, setting: asking.Setting) -> TrainedDetector:
    """The other model. Raises: InputError where it is no detector of the same classes."""
    other = use.load(path, setting.device)
    if not isinstance(other, TrainedDetector):
        raise InputError(f"{path} finds no boxes, so it cannot be compared with a detector.")
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
