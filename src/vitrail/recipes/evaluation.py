"""A trained model measured: on which pictures, by which labels, in how many views; and what is written about it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vitrail.data import imagenet
from vitrail.data.collection import reindex
from vitrail.data.loader import Batches, Loader
from vitrail.data.sample import Pictures
from vitrail.data.views import for_views, how_many
from vitrail.draw.confusion import draw_confusion
from vitrail.draw.reliability import draw_reliability
from vitrail.errors import InputError
from vitrail.metrics.counts import Counts
from vitrail.metrics.several import SeveralRight
from vitrail.recipes import asking, sources
from vitrail.recipes.asking import Asked
from vitrail.recipes.measured import Table, everywhere, percent, write_classes
from vitrail.recipes.recipe import Data, Digits, Folder
from vitrail.recipes.use_classes import WHO, Trained
from vitrail.tasks.classify import Classify
from vitrail.tasks.recognise import Recognise
from vitrail.tasks.several import Several
from vitrail.train.loop import Setting, measure
from vitrail.train.processes import ALONE, Processes
from vitrail.train.record import track, write_text

TAKES = ("labels", "views", "batch", "out")
LABELS = ("auto", "plain", "indices", "subset", "order", "real=FILE")


class Kept(nn.Module):
    """Some outputs of a classifier, in the order given: a softmax over them is over those classes alone."""

    def __init__(self, model: nn.Module, kept: tuple[int, ...]) -> None:
        super().__init__()
        self.model, self.kept, self.training = model, list(kept), model.training

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)[:, self.kept]


class Question(NamedTuple):
    """The model with the outputs that count, the pictures, the task that scores them, and by which labels.

    note: One line for the user, or "".
    """

    trained: Trained
    pictures: Pictures
    task: Classify | Several
    labels: str
    note: str = ""


@dataclass(frozen=True)
class Evaluation:
    """metric: Over all samples of all processes.     classes: Names of its classes.     counted: How many samples were.

    unreadable: Why the others were left out, a line each.     said: How it was measured, for `document`.
    what: The samples are, "pictures" or "videos"; the documents call them so.
    """

    metric: Counts | SeveralRight
    classes: tuple[str, ...]
    counted: int
    unreadable: tuple[str, ...]
    said: dict[str, str] = field(default_factory=dict)
    what: str = "pictures"

    def document(self) -> dict[str, Any]:
        """As JSON has it: the numbers, and class by class where each picture has one class."""
        found = {**self.said, **self.metric.compute(), self.what: self.counted, "unreadable": list(self.unreadable)}
        if isinstance(self.metric, SeveralRight):
            return found
        per_class = {row["class"]: row["top1"] for row in self.rows()}
        return {**found, "per_class": per_class, "confusion": self.metric.confusion.tolist()}

    def rows(self) -> list[dict[str, Any]]:
        """For each class its name, its samples, how many are right by top-1 and top-5, and top-1, or None of none."""
        if isinstance(self.metric, SeveralRight):
            return []
        counts, right = self.metric.confusion.sum(1).tolist(), self.metric.confusion.diagonal().tolist()
        columns = zip(self.classes, counts, right, self.metric.in_top5.tolist(), strict=True)
        return [
            {"class": name, self.what: count, "right": top1, "in_top5": top5, "top1": top1 / count if count else None}
            for name, count, top1, top5 in columns
        ]

    def tables(self, worst: int | None = None) -> list[Table]:
        """The classes, as they are shown; only the `worst` ones, the one least often right first."""
        rows = self.rows()
        if worst:
            rows = sorted((row for row in rows if row[self.what]), key=lambda row: row["top1"])[:worst]
        if not rows:
            return []
        lines = tuple((row["class"], str(row[self.what]), percent(row["top1"], 1)) for row in rows)
        return [Table(("class", self.what, "top-1"), lines)]

    def line(self) -> str:
        """The whole."""
        result = self.metric.compute()
        words = [f"{name} {percent(share)}" for name, share in result.items() if name != "nll"]
        missing = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        return f"{', '.join(words)}, nll {result['nll']:.4f} of {self.counted} {self.what}{missing}"

    def write(self, out: Path, title: str) -> None:
        """Writes what `write` does, with `document` as evaluation.json."""
        write(self, self.document(), out, title)


def measured(
    trained: Trained, path: Path, data: str | None, said: Data | None, asked: Asked, setting: asking.Setting
) -> Evaluation:
    """What `vitrail eval` measures of a classifier.

    Args:
        path: Where it came from.     data: As `--data` has it.     said: What its run was trained on, if it is a run.
    Raises: InputError for a choice that is not for classifiers, or data that does not fit.
    """
    asked.only(TAKES, WHO)
    labels, views = asked.labels or "auto", asked.views or "one"
    how_many(views)  # a wrong name is said before anything is opened
    asking.needs(data, said, path)
    if data is None and labels != "auto":
        raise InputError("The classes of what a run held out are known; --labels goes with --data FOLDER.")
    chosen = said if data is None else sources.named(data, said)
    if not isinstance(chosen, Folder | Digits):
        raise InputError(f"{path} says classes of pictures, and {data or 'its data'} has others.")
    question = ask_of_run(trained, chosen) if data is None else ask(trained, chosen, labels)
    if setting.processes.first and question.note:
        setting.say(question.note)
    found = evaluate(
        question.trained,
        question.pictures,
        setting.device,
        asked.batch or 64,
        sources.workers(chosen, setting.workers),
        views,
        question.task,
        setting.processes,
    )
    return replace(found, said={"views": views, "labels": question.labels})


def ask(trained: Trained, data: Folder | Digits, labels: str = "auto") -> Question:
    """What `labels` says about the pictures of `data`, in words of `trained`.

    plain: Folders are named like the model's classes.
    indices: Folders are named by the class's index, as ImageNet-V2's.
    subset: As plain, and the scores are those of the classes that are there alone, as for ImageNet-A and ImageNet-R.
    order: The i-th folder is class i, for a model whose classes have other names.
    real=FILE: ImageNet validation pictures with the classes of ReaL's real.json, of which any is right.
    auto: indices where the folders' names are whole numbers below K and the model's classes are not; else plain.

    Raises: InputError where the pictures do not fit.
    """
    kind, _, file = labels.partition("=")
    if labels not in LABELS[:-1] and (kind != "real" or not file):
        raise InputError(f"labels {labels!r} is none of {', '.join(LABELS)}.")
    classes, root, note = trained.classes, data.path if isinstance(data, Folder) else None, ""
    whole = Classify(len(classes))
    if kind not in ("auto", "plain") and root is None:
        raise InputError(f"labels {labels!r} speaks of class folders: --data FOLDER.")
    if kind == "auto" and root and Path(root).is_dir() and imagenet.numbered(imagenet.folder_names(root), classes):
        kind, note = "indices", f"{root}: folders named by numbers are taken for indices of the classes."
    if kind == "real":
        real = imagenet.open_real(root or "", file, classes)
        return Question(trained, real, Several(len(classes), real.sets), kind)
    if kind == "indices":
        return Question(trained, imagenet.open_indices(root or "", classes), whole, kind, note)
    if kind == "order":
        return Question(trained, imagenet.open_ordered(root or "", classes), whole, kind)
    if kind == "subset":
        some, kept = imagenet.open_subset(root or "", classes)
        chosen = replace(trained, model=Kept(trained.model, kept), classes=some.classes)
        return Question(chosen, some, Classify(len(kept)), kind)
    pictures = sources.open_held_out(data, classes)
    here = len(set(pictures.targets))
    if kind == "auto" and here < len(classes):
        note = (
            f"{root}: {here} of the model's {len(classes)} classes are here, and all are answers; "
            "--labels subset leaves only these."
        )
    return Question(trained, pictures, whole, "plain", note)


def ask_of_run(trained: Trained, data: Folder | Digits) -> Question:
    """The pictures that a run held out of `data`. Raises: InputError where their classes are not the run's."""
    held_out = sources.open_split(data)[1]
    if held_out.classes != trained.classes:
        held_out = reindex(held_out, trained.classes)
    return Question(trained, held_out, Classify(len(trained.classes)), "plain")


def evaluate(
    trained: Trained,
    pictures: Pictures,
    device: torch.device,
    batch: int = 64,
    workers: int = 0,
    views: str = "one",
    task: Classify | Several | None = None,
    processes: Processes = ALONE,
) -> Evaluation:
    """Counts every picture that can be read once, whatever the number of processes, with a progress bar.

    Args:
        batch: Views at a time, over all processes: of ten views each, 64 are six pictures.
        views: How often a picture is looked at: one, flip or ten, as `data.views` has it.
        task: By default each picture has one class of the model's.
    Raises: InputError where no picture can be read.
    """
    transform = for_views(views, trained.size, trained.preprocessing)
    each = max(batch // how_many(views), 1)
    pin = device.type == "cuda"
    loader = Loader(Batches(pictures, transform, seed=0), each, False, workers, processes.rank, processes.world, pin)
    return count(trained.model, task or Classify(len(trained.classes)), trained.classes, loader, device, processes)


def count(
    model: nn.Module,
    task: Classify | Several | Recognise,
    classes: tuple[str, ...],
    loader: Loader,
    device: torch.device,
    processes: Processes,
    what: str = "pictures",
) -> Evaluation:
    """Counts what the loader gives, with a progress bar.

    Args:
        what: The samples are.
    Raises: InputError where none can be read.
    """
    skipped: list[str] = []
    batches = track(loader.epoch(0), len(loader), "measuring") if processes.first else loader.epoch(0)
    metric = measure(model, task, batches, Setting(device, processes), skipped)
    assert isinstance(metric, Counts | SeveralRight)
    unreadable = everywhere(skipped, processes)
    counted = int(metric.calibration.count.sum())
    if not counted:
        raise InputError(f"None of the {len(unreadable)} {what} can be read. The first: {unreadable[0]}")
    return Evaluation(metric, classes, counted, unreadable, what=what)


def write(evaluation: Evaluation, document: dict[str, Any], out: Path, title: str) -> None:
    """Writes evaluation.json, reliability.png, and where each picture has one class per_class.csv and confusion.png.

    Args:
        document: What evaluation.json says.
    """
    out.mkdir(parents=True, exist_ok=True)
    metric = evaluation.metric
    share = f"{title}: {100 * metric.compute()['top1']:.2f} % right of {evaluation.counted} {evaluation.what}"
    write_text(out / "evaluation.json", json.dumps(document) + "\n")
    states = metric.calibration
    count, confidence, right = (part.numpy() for part in (states.count, states.confidence, states.right))
    draw_reliability(out / "reliability.png", count, confidence, right, share)
    if isinstance(metric, Counts):
        draw_confusion(out / "confusion.png", metric.confusion.numpy(), evaluation.classes, share)
        rows = evaluation.rows()
        write_classes(out, rows)
