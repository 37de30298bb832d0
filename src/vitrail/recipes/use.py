"""A trained model in use: opened from a run or a weights file, asked about pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from vitrail import weights
from vitrail.data import folders, images, transforms
from vitrail.data.sample import Batch
from vitrail.data.settings import Preprocessing
from vitrail.data.views import for_views, how_many
from vitrail.draw.grid import Cell
from vitrail.errors import InputError
from vitrail.recipes.start import preprocessing
from vitrail.tasks.classify import Classes, Classify
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

    def features(self, pictures: Picture | Sequence[Picture], batch: int = 32) -> list[Tensor]:
        """The model's maps of the pictures, one tensor per stage, (pictures, C, H, W) on the CPU.

        A mean over the last map's H and W is one vector per picture.
        Raises: InputError naming a file that cannot be read; or where the model has no maps, or none is asked for.
        """
        several = [pictures] if isinstance(pictures, str | Path | Image.Image) else list(pictures)
        if not several or not hasattr(self.model, "features"):
            raise InputError("Features want at least one picture, and a model with features(images).")
        transform, device = self.transform(), next(self.model.parameters()).device
        parts = []
        with torch.no_grad():
            for start in range(0, len(several), batch):
                images = torch.stack([transform(_opened(picture)) for picture in several[start : start + batch]])
                parts.append([part.float().cpu() for part in self.model.features(images.to(device))])  # type: ignore[operator]
        return [torch.cat(stage) for stage in zip(*parts, strict=True)]


def load(path: str | Path, device: torch.device | str = "cpu") -> Trained:
    """The model of a run folder or of a weights file that `train` wrote.

    Raises: InputError where there is none, or it does not say its classes.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "recipe.json").is_file():
            raise InputError(f"{path} is no run: it holds no recipe.json.")
        if not (path / "model.safetensors").is_file():
            raise InputError(f"{path} has not finished; `vitrail train {path} --resume auto` continues it.")
        path = path / "model.safetensors"
    model, document = weights.open_model(path)
    if len(document.get("classes", ())) != model.num_classes or not model.num_classes:
        raise InputError(
            f"{path} does not name the classes of its model, so its answers would be numbers; "
            f"`vitrail convert {path} NAMED.safetensors --classes FILE` writes their names in."
        )
    settings = preprocessing(document, str(path))
    return Trained(model.to(device), tuple(document["classes"]), model.size, settings)


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
        tensors = [transform(_opened(picture)) for picture in pictures[start : start + each]]
        parts.append(task.predict(trained.model, Batch.of(torch.stack(tensors).to(device))).scores.cpu())
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
