"""A trained model in use: opened from a run or a weights file as what it is, asked about pictures and videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from vitrail import weights
from vitrail.errors import InputError
from vitrail.models.detectors import Detector
from vitrail.models.generator import Generator
from vitrail.models.iwin_lm import LanguageModel
from vitrail.models.segmenters import Segmenter
from vitrail.recipes import use_boxes, use_classes, use_clips, use_generator, use_pixels, use_texts
from vitrail.recipes.asking import Asked
from vitrail.recipes.use_boxes import TrainedDetector
from vitrail.recipes.use_classes import Trained
from vitrail.recipes.use_clips import TrainedClips
from vitrail.recipes.use_generator import TrainedGenerator
from vitrail.recipes.use_pixels import TrainedSegmenter
from vitrail.recipes.use_texts import TrainedText

Opened = Trained | TrainedClips | TrainedDetector | TrainedGenerator | TrainedSegmenter | TrainedText


class Answers(Protocol):
    """What a model says of files."""

    def lines(self) -> list[str]:
        """One for each file."""
        ...

    def document(self) -> list[dict[str, Any]]:
        """As JSON has it."""
        ...

    def draw(self, out: Path, name: str) -> None:
        """Writes the pictures with what `name` says of them."""
        ...


class Use(Protocol):
    """A module of this room, for one kind of model."""

    def of(self, model: Any, document: dict[str, Any], path: Path) -> Any:
        """The model of a weights file, with what its document says."""
        ...

    def gather(self, paths: Sequence[str | Path]) -> list[Path]:
        """The files named, and those in the folders named, that it can be asked about.

        Raises: InputError for a path that is not there, or holds nothing of its kind."""
        ...

    def answer(self, trained: Any, files: Sequence[Path], asked: Asked) -> Answers:
        """What it says of files. Raises: InputError for a choice that is not for its kind."""
        ...


USES: tuple[tuple[Callable[[nn.Module], bool], Use], ...] = (  # the first that fits
    (lambda model: isinstance(model, Detector), use_boxes),
    (lambda model: isinstance(model, Segmenter), use_pixels),
    (lambda model: isinstance(model, Generator), use_generator),
    (lambda model: isinstance(model, LanguageModel), use_texts),
    (use_clips.fits, use_clips),
    (lambda model: True, use_classes),
)


def use_of(model: nn.Module) -> Use:
    return next(use for fits, use in USES if fits(model))


def load(path: str | Path, device: torch.device | str = "cpu") -> Opened:
    """The model of a run folder or of a weights file that `train` wrote, with what its use needs.

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
    return use_of(model).of(model.to(device), document, path)


def gather(trained: Opened, paths: Sequence[str | Path]) -> list[Path]:
    """The files named, and those in the folders named: pictures, or for a model of clips videos.

    Raises: InputError for a path that is not there, or holds nothing of its kind.
    """
    return use_of(trained.model).gather(paths)


def answer(trained: Opened, files: Sequence[Path], asked: Asked) -> Answers:
    """What a model says of files. Raises: InputError for a choice that is not for its kind, or an unreadable file."""
    return use_of(trained.model).answer(trained, files, asked)
