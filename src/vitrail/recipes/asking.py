"""What a trained model is asked about, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from PIL import Image

from vitrail.data import folders, images
from vitrail.data.video import SUFFIXES
from vitrail.errors import InputError
from vitrail.recipes.recipe import Data
from vitrail.train.processes import ALONE, Processes

Picture = str | Path | Image.Image


@dataclass(frozen=True)
class Asked:
    """The choices of `vitrail eval` and `vitrail predict`; None: as usual. Each kind of model takes some of them.

    labels: How folders name classes.     batch: Views at a time.     top: Classes told of a picture.
    views: In how many ways a picture is looked at.     sides: Shorter sides that it is resized to, pixels.
    slide: Side and step of windows that a resized picture is looked at in, pixels.
    tile: Pixels of the side of the parts that a picture is looked at in.     overlap: Share of it that two parts share.
    score: The least that counts.     against: Another trained model.     out: Where pictures and files go.
    length: Tokens of the windows that a text is read in.
    features, inception: A classifier, or weights of Inception, to see samples with.     reference: Statistics of real
    pictures that Inception saw.     count: Samples of a generator.
    sampling: Choices of its sampler, as `name=value,name=value`.     vae: The autoencoder that decodes its latents.
    """

    labels: str | None = None
    views: str | None = None
    sides: tuple[int, ...] | None = None
    slide: tuple[int, int] | None = None
    tile: int | None = None
    overlap: float | None = None
    batch: int | None = None
    top: int | None = None
    score: float | None = None
    against: Path | None = None
    out: Path | None = None
    length: tuple[int, ...] | None = None
    features: Path | None = None
    inception: Path | None = None
    reference: Path | None = None
    count: int | None = None
    sampling: str | None = None
    vae: Path | None = None

    def only(self, taken: Sequence[str], who: str) -> None:
        """Raises: InputError for a choice that is none of `taken`, calling the model `who`."""
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        for name in given:
            if name not in taken:
                fitting = ", ".join(f"--{each}" for each in taken)
                raise InputError(f"--{name} is not for {who}; it takes {fitting}.")


@dataclass(frozen=True)
class Setting:
    """Where a model is measured, and who is told of what: `say` gets lines for the user."""

    device: torch.device
    say: Callable[[str], None]
    processes: Processes = ALONE
    workers: int | None = None


def opened(picture: Picture) -> Image.Image:
    """The picture, upright RGB. Raises: InputError naming a file that cannot be read."""
    return picture.convert("RGB") if isinstance(picture, Image.Image) else images.read(picture)


def several(pictures: Picture | Sequence[Picture]) -> list[Picture]:
    """One or several, as a list."""
    return [pictures] if isinstance(pictures, str | Path | Image.Image) else list(pictures)


def gather(paths: Sequence[str | Path]) -> list[Path]:
    """The files named, and every picture in the folders named.

    Raises: InputError for a path that is not there, a video, or a folder without pictures.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        inside = folders.picture_files(path) if path.is_dir() else [path]
        if not inside or not path.exists():
            raise InputError(f"{path}: " + ("no pictures in it." if path.is_dir() else "no such file."))
        if not path.is_dir() and path.name.lower().endswith(SUFFIXES):
            raise InputError(
                f"{path} is a video, and this model looks at pictures; video_iwin_nano is a model of clips."
            )
        found += inside
    return found


def stems(files: Sequence[Path]) -> list[str]:
    """A name for each file without its suffix; of one name the second gets -2, the third -3, ..."""
    names: dict[str, None] = {}
    for file in files:
        name, number = file.stem, 1
        while name in names:
            number += 1
            name = f"{file.stem}-{number}"
        names[name] = None
    return list(names)


def needs(data: str | None, said: Data | None, trained: Path) -> None:
    """Raises: InputError where nothing says what a model is measured on."""
    if data is None and said is None:
        raise InputError(f"{trained} is a file, so it does not say what to measure it on: --data FOLDER.")
