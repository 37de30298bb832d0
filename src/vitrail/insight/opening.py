"""Models to look at: a run's folder, a weights file, weights by name, or an architecture with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitrail import weights
from vitrail.data import images, transforms
from vitrail.data.settings import Preprocessing
from vitrail.errors import InputError
from vitrail.models.assemble import Backbone, Classifier, Network
from vitrail.models.catalogue import WEIGHTS, create_model
from vitrail.models.others import Other
from vitrail.recipes import start, use

SHOWN = 400  # pixels of a drawn picture's longer side, about


@dataclass(frozen=True, eq=False)
class Seen:
    """A model and how it takes pictures.

    label: What pictures call it.     random: Its weights are random.
    classes: Their names, none where nobody knows them.     size: (H, W) of the pictures that it is given.
    """

    label: str
    model: Network
    random: bool
    classes: tuple[str, ...]
    size: tuple[int, int]
    preprocessing: Preprocessing

    def pictures(self, files: Sequence[Path]) -> Tensor:
        """The pictures as the model takes them, (B, 3, H, W). Raises: InputError naming a file that cannot be read."""
        transform = transforms.for_use(self.size, self.preprocessing)
        return torch.stack([transform(images.read(file)) for file in files])

    @property
    def sharpness(self) -> int:
        """Pixels of a drawn picture for each one that the model is given, so that small ones are seen as well."""
        return max(round(SHOWN / max(self.size)), 1)

    def shown(self, files: Sequence[Path]) -> list[np.ndarray]:
        """The same parts of the same pictures to look at, `sharpness` times as large: (H', W', 3) of 0 to 255 each."""
        size = (self.size[0] * self.sharpness, self.size[1] * self.sharpness)
        transform = transforms.for_use(size, self.preprocessing)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (self.preprocessing.mean, self.preprocessing.std))
        return [
            (255 * (transform(images.read(file)) * std + mean)).clamp(0, 255).round().byte().movedim(0, -1).numpy()
            for file in files
        ]

    def class_name(self, number: int) -> str:
        return self.classes[number] if self.classes else f"class {number}"

    def class_number(self, said: str) -> int:
        """The class of a name, or of a number as text. Raises: InputError where the model has none such."""
        if said in self.classes:
            return self.classes.index(said)
        if not self.classes and said.isdecimal() and int(said) < self.model.num_classes:
            return int(said)
        known = f"such as {', '.join(self.classes[:5])}" if self.classes else f"0 to {self.model.num_classes - 1}"
        raise InputError(f"{self.label} has no class {said!r}; its classes are {known}.")


def open_models(names: Sequence[str], size: tuple[int, int] | None, device: torch.device) -> list[Seen]:
    """The models in the order given, each by a label of its own.

    Args:
        size: Of the pictures; by default that which each model was built for.
    Raises: InputError for one that cannot be found, is given twice, or looks at no pictures.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{twice} is given twice.")
    found = [_open(name, size, device) for name in names]
    paths = [name for name, seen in zip(names, found, strict=True) if not seen.random]
    short = {name: Path(name).name if Path(name).is_dir() else Path(name).stem for name in paths if Path(name).exists()}
    unique = len(set(short.values())) == len(short)
    return [
        replace(seen, label=short.get(name, name) if unique else name) for name, seen in zip(names, found, strict=True)
    ]


def _open(name: str, size: tuple[int, int] | None, device: torch.device) -> Seen:
    path = Path(name)
    document: dict[str, Any] = {}
    random = not path.exists() and name not in WEIGHTS
    if random:
        if path.suffix == ".safetensors" or name.startswith((".", "/")):
            raise InputError(f"{name}: no such file or folder.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = create_model(name, size=size)
    else:
        if path.is_dir():
            use.load(path)  # says what is missing of a run
        model, document = weights.open_model(weights.locate(name))
    if not isinstance(model, Classifier | Backbone | Other) or len(model.input_size) != 2:
        raise InputError(f"{name} is no classifier of pictures nor a backbone (dense_...), so look does not know it.")
    if getattr(model.spec, "in_channels", 3) != 3:
        raise InputError(f"{name} takes {model.spec.in_channels} channels, and pictures have 3.")
    if isinstance(model, Other) and size and size != model.size:  # not all of them take another
        model.size = size
        model.try_out()
    named, preprocessing = tuple(document.get("classes", ())), start.preprocessing(document, name)
    return Seen(name, model.to(device), random, named, size or model.size, preprocessing)
