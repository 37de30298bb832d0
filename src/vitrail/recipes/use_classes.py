"""A classifier of pictures in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from vitrail.data import images, transforms
from vitrail.data.sample import Batch
from vitrail.data.settings import Preprocessing
from vitrail.data.views import for_views, how_many
from vitrail.draw.grid import Cell, draw_grid
from vitrail.errors import InputError
from vitrail.recipes import asking
from vitrail.recipes.asking import Asked, Picture, opened, several
from vitrail.recipes.start import preprocessing
from vitrail.tasks.classify import Classes, Classify
from vitrail.train.record import track

WHO = "a classifier of pictures"
TAKES = ("top", "views", "out")
gather = asking.gather  # pictures


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
        asked = several(pictures)
        if not asked:
            return []
        shares, best = predict(self, asked, next(self.model.parameters()).device, progress=False).top(top)
        return [
            [(self.classes[index], share) for share, index in zip(*row, strict=True)]
            for row in zip(shares.tolist(), best.tolist(), strict=True)
        ]

    def features(self, pictures: Picture | Sequence[Picture], batch: int = 32) -> list[Tensor]:
        """The model's maps of the pictures, one tensor per stage, (pictures, C, H, W) on the CPU.

        A mean over the last map's H and W is one vector per picture.
        Raises: InputError naming a file that cannot be read; or where the model has no maps, or none is asked for.
        """
        asked = several(pictures)
        if not asked or not hasattr(self.model, "features"):
            raise InputError("Features want at least one picture, and a model with features(images).")
        transform, device = self.transform(), next(self.model.parameters()).device
        parts = []
        with torch.no_grad():
            for start in range(0, len(asked), batch):
                images = torch.stack([transform(opened(picture)) for picture in asked[start : start + batch]])
                parts.append([part.float().cpu() for part in self.model.features(images.to(device))])  # type: ignore[operator]
        return [torch.cat(stage) for stage in zip(*parts, strict=True)]


def of(model: nn.Module, document: dict[str, Any], path: Path) -> Trained:
    """The model of a weights file, with what its document says. Raises: InputError where that is not sound."""
    size: tuple[int, int] = model.size  # type: ignore[assignment]
    return Trained(model, tuple(document["classes"]), size, preprocessing(document, str(path)))


def predict(
    trained: Trained,
    pictures: Sequence[Picture],
    device: torch.device,
    batch: int = 32,
    progress: bool = True,
    views: str = "one",
) -> Classes:
    """The probabilities of every class for every picture, (pictures, K), with a progress bar.

    Args:
        batch: Views at a time.
        views: How often a picture is looked at: one, flip or ten, as `data.views` has it.
    Raises: InputError naming a file that cannot be read, before the rest is looked at.
    """
    transform, task = for_views(views, trained.size, trained.preprocessing), Classify(len(trained.classes))
    parts, each = [], max(batch // how_many(views), 1)
    starts = range(0, len(pictures), each)
    for start in track(starts, len(starts), "predicting") if progress else starts:
        tensors = [transform(opened(picture)) for picture in pictures[start : start + each]]
        parts.append(task.predict(trained.model, Batch.of(torch.stack(tensors).to(device))).scores.cpu())
    return Classes(torch.cat(parts))


def cells(trained: Trained, files: Sequence[Path], prediction: Classes) -> list[Cell]:
    """Each file with its likeliest class, for a grid."""
    shares, best = prediction.top(1)
    found = []
    for file, share, index in zip(files, shares[:, 0].tolist(), best[:, 0].tolist(), strict=True):
        image: Image.Image = images.read(file)
        found.append(Cell(image, f"{trained.classes[index]}   {100 * share:.0f} %\n{file.name[:24]}"))
    return found


@dataclass(frozen=True)
class Answers:
    """What a classifier says of files: the probabilities of every class, and how many of them are told."""

    trained: Trained
    files: tuple[Path, ...]
    prediction: Classes
    top: int

    def told(self) -> list[list[tuple[str, float]]]:
        """Of each file the likeliest classes with their probabilities."""
        rows = zip(*(part.tolist() for part in self.prediction.top(self.top)), strict=True)
        return [[(self.trained.classes[at], share) for share, at in zip(*row, strict=True)] for row in rows]

    def lines(self) -> list[str]:
        """One for each file."""
        told = ("   ".join(f"{name} {100 * share:.1f} %" for name, share in row) for row in self.told())
        return [f"{file}   {said}" for file, said in zip(self.files, told, strict=True)]

    def document(self) -> list[dict[str, Any]]:
        """As JSON has it."""
        return [
            {"file": str(file), "classes": [{"name": name, "probability": share} for name, share in row]}
            for file, row in zip(self.files, self.told(), strict=True)
        ]

    def draw(self, out: Path, name: str) -> None:
        """Writes all the files with their likeliest class into one PNG."""
        title = f"{len(self.files)} pictures and what {name} sees in them"
        draw_grid(out, cells(self.trained, self.files, self.prediction), title)


def answer(trained: Trained, files: Sequence[Path], asked: Asked) -> Answers:
    """What the classifier says of the files.

    Raises: InputError for a choice that is not for classifiers, or a file that cannot be read.
    """
    asked.only(TAKES, WHO)
    out = asked.out
    if out and (out.suffix.lower() != ".png" or not out.parent.is_dir()):
        raise InputError(f"{out}: wanted a .png file in a folder that exists.")
    device = next(trained.model.parameters()).device
    prediction = predict(trained, files, device, views=asked.views or "one")
    return Answers(trained, tuple(files), prediction, 3 if asked.top is None else asked.top)
