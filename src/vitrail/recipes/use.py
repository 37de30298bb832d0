"""A trained model in use: opened from a run or a weights file, measured on pictures, asked about pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from torch import nn

from vitrail import weights
from vitrail.data import folders, images, transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.sample import Pictures
from vitrail.data.settings import Preprocessing
from vitrail.draw.grid import Cell
from vitrail.errors import InputError
from vitrail.metrics.counts import Counts
from vitrail.recipes.recipe import one_line
from vitrail.tasks.classify import Classes, Classify
from vitrail.train.loop import Setting, measure
from vitrail.train.record import track

Picture = str | Path | Image.Image


@dataclass(frozen=True)
class Trained:
    """A model in eval mode, its classes' names, the (H, W) it was built for, and what it wants done to a picture."""

    model: nn.Module
    classes: tuple[str, ...]
    size: tuple[int, int]
    preprocessing: Preprocessing

    def transform(self) -> transforms.Transform:
        return transforms.for_use(self.size, self.preprocessing)

    def predict(self, pictures: Picture | Sequence[Picture], top: int = 5) -> list[list[tuple[str, float]]]:
        """For each picture the `top` likeliest classes and their probabilities, the likeliest first.

        Args:
            pictures: Files or PIL images, one or several.
        Raises: InputError naming a file that cannot be read.
        """
        several = [pictures] if isinstance(pictures, str | Path | Image.Image) else list(pictures)
        if not several:
            return []
        shares, best = predict(self, several, next(self.model.parameters()).device, progress=False).top(top)
        return [
            [(self.classes[index], share) for share, index in zip(*row, strict=True)]
            for row in zip(shares.tolist(), best.tolist(), strict=True)
        ]


def load(path: str | Path, device: torch.device | str = "cpu") -> Trained:
    """The model of a run folder or of a weights file that `train` wrote.

    Raises: InputError where there is none, or it does not say its classes.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "recipe.json").is_file():
            raise InputError(f"{path} is no run: it holds no recipe.json.")
        if not (path / "model.safetensors").is_file():
            raise InputError(f"{path} has not finished; `vitrail train {path} --resume` continues it.")
        path = path / "model.safetensors"
    model, document = weights.open_model(path)
    if len(document.get("classes", ())) != model.num_classes or not model.num_classes:
        raise InputError(f"{path} does not name the classes of its model, so its answers would be numbers.")
    try:
        said: Any = document.get("preprocessing", {})
        settings = TypeAdapter(Preprocessing).validate_python(said, strict=False)
    except ValidationError as error:
        raise InputError(f"{path}: preprocessing: {one_line(error)}") from error
    return Trained(model.to(device), tuple(document["classes"]), model.size, settings)


def evaluate(trained: Trained, pictures: Pictures, device: torch.device, batch: int = 64, workers: int = 0) -> Counts:
    """Counts every picture once, with a progress bar."""
    loader = Loader(Batches(pictures, trained.transform(), seed=0), batch, shuffle=False, workers=workers)
    batches = track(loader.epoch(0), len(loader), "measuring")
    metric = measure(trained.model, Classify(len(trained.classes)), batches, Setting(device))
    assert isinstance(metric, Counts)
    return metric


def gather(paths: Sequence[str | Path]) -> list[Path]:
    """The files named, and every picture in the folders named.

    Raises: InputError for a path that is not there, or a folder without pictures.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        inside = folders.picture_files(path) if path.is_dir() else [path]
        if not inside or not path.exists():
            raise InputError(f"{path}: " + ("no pictures in it." if path.is_dir() else "no such file."))
        found += inside
    return found


def predict(
    trained: Trained, pictures: Sequence[Picture], device: torch.device, batch: int = 32, progress: bool = True
) -> Classes:
    """The probabilities of every class for every picture, (pictures, K), with a progress bar.

    Raises: InputError naming a file that cannot be read, before the rest is looked at.
    """
    transform, task, parts = trained.transform(), Classify(len(trained.classes)), []
    starts = range(0, len(pictures), batch)
    for start in track(starts, len(starts), "predicting") if progress else starts:
        chosen = (
            p.convert("RGB") if isinstance(p, Image.Image) else images.read(p) for p in pictures[start : start + batch]
        )
        tensors = [transform(picture) for picture in chosen]
        parts.append(task.predict(trained.model, torch.stack(tensors).to(device)).scores.cpu())
    return Classes(torch.cat(parts))


def _opened(picture: Picture) -> Image.Image:
    return picture.convert("RGB") if isinstance(picture, Image.Image) else images.read(picture)


def cells(trained: Trained, files: Sequence[Path], prediction: Classes) -> list[Cell]:
    """Each file with its likeliest class, for a grid."""
    shares, best = prediction.top(1)
    found = []
    for file, share, index in zip(files, shares[:, 0].tolist(), best[:, 0].tolist(), strict=True):
        image: Image.Image = images.read(file)
        found.append(Cell(image, f"{trained.classes[index]}   {100 * share:.0f} %\n{file.name[:24]}"))
    return found
