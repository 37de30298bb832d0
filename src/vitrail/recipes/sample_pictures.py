"""Samples of a generator: of classes, at several sizes, or on the way from one class to another; written with every
choice that decides them, as JSON beside each file and in each PNG under "vitrail".
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import ValidationError
from torch import Tensor

import vitrail
from vitrail.draw.mosaic import mosaic
from vitrail.errors import InputError, nearest
from vitrail.flow.loss import Velocity
from vitrail.flow.noise import between, noise
from vitrail.flow.sample import follow_noise
from vitrail.flow.sampling import Sampling
from vitrail.models.spec import one_line
from vitrail.recipes.generating import number_of
from vitrail.recipes.use_generator import BATCH, WHO, TrainedGenerator, images, with_autoencoder
from vitrail.recipes.wanted import Wanted
from vitrail.train.files import replacing
from vitrail.train.record import told, write_text

COUNT, WAY = 8, 8  # samples of a class, and pictures from one class to another, where nothing is said
MOST = 16384  # pixels of a side
UNITS = {"pixels": "pixels", "latents": "places of the latents' grid"}  # of --size, by what a model makes
SAMPLER = ("steps", "solver", "scale", "interval", "channels", "shift", "seed")
TAKES = ("classes", "count", "grid", "out", *SAMPLER, "size", "sizes", "interpolate", "vae", "batch")


@dataclass(frozen=True)
class Row:
    """One row of a grid: what it is called, its pictures, and what decided each of them beside the sampler."""

    title: str
    pictures: tuple[Image.Image, ...]
    said: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Pictures:
    """What was made.   about: Every choice that holds for all of them."""

    rows: tuple[Row, ...]
    about: dict[str, Any]
    grid: Path | None
    out: Path | None

    end = "\n"

    def lines(self) -> list[str]:
        """One for each file or folder."""
        count = sum(len(row.pictures) for row in self.rows)
        return [f"{place}: {count} pictures" for place in (self.grid, self.out) if place]

    def document(self) -> dict[str, Any]:
        """As JSON has it: the choices, and for each picture its row, what decides it, and its file, if it has one."""
        names = iter(self.names())
        rows = [{"row": row.title, **said, "file": next(names)} for row in self.rows for said in row.said]
        if self.out is None:
            rows = [{key: value for key, value in row.items() if key != "file"} for row in rows]
        return {**self.about, "pictures": rows}

    def names(self) -> list[str]:
        """The file of each picture in the folder."""
        words = [re.sub(r"[^\w.-]+", "_", row.title).strip("._")[:60] or "row" for row in self.rows]
        if len({word.casefold() for word in words}) < len(words):  # some folders take "Cat" and "cat" for one
            words = [f"{word}-{number}" for number, word in enumerate(words)]
        rows = zip(words, self.rows, strict=True)
        return [f"{word}-{place:04d}.png" for word, row in rows for place in range(len(row.pictures))]

    def write(self) -> None:
        """Writes the grid with GRID.json beside it, and the folder's pictures with samples.json."""
        text = json.dumps(self.document(), indent=1)
        if self.grid:
            _save(mosaic([(row.title, row.pictures) for row in self.rows]), self.grid, text)
            write_text(self.grid.with_suffix(".json"), text + "\n")
        if self.out:
            self.out.mkdir(parents=True, exist_ok=True)
            each = [
                (picture, row, said) for row in self.rows for picture, said in zip(row.pictures, row.said, strict=True)
            ]
            for name, (picture, row, said) in zip(self.names(), each, strict=True):
                _save(picture, self.out / name, json.dumps({**self.about, "row": row.title, **said}))
            write_text(self.out / "samples.json", text + "\n")


def made(trained: TrainedGenerator, name: Path, wanted: Wanted) -> Pictures:
    """The samples that are wanted; every choice is looked at before anything is computed.

    Raises: InputError for a choice that is not for generators, or that this one cannot follow.
    """
    wanted.only(TAKES, WHO)
    _check(wanted, UNITS[trained.preprocessing.space])
    sampling, sizes = sampling_of(trained, wanted), wanted.sizes or (wanted.size or trained.size,)
    trained = with_autoencoder(trained, wanted.vae)
    _check_pictures(trained, sizes)
    if wanted.interpolate:
        rows = _ways(trained, wanted, sampling, sizes[0])
    else:
        labels = labels_of(wanted.classes or "all", trained.classes)
        rows = _classes(trained, wanted, sampling, sizes, labels)
    about = {
        "model": trained.model.name,
        "from": str(name),
        "vitrail": vitrail.__version__,
        "sampling": dataclasses.asdict(sampling),
        "trained_at": list(trained.size),
        "sizes_in": UNITS[trained.preprocessing.space],
        "device": trained.device.type,
        "torch": torch.__version__,
    }
    if trained.autoencoder:
        about["vae"] = str(wanted.vae or trained.preprocessing.autoencoder)
    return Pictures(rows, about, wanted.grid, wanted.out)


def sampling_of(trained: TrainedGenerator, wanted: Wanted) -> Sampling:
    """The model's own sampler with the choices that were made. Raises: InputError for a value that cannot be."""
    start, end = wanted.interval or (None, None)
    values = {key: getattr(wanted, key) for key in SAMPLER if key != "interval"} | {"start": start, "end": end}
    chosen = {key: value for key, value in values.items() if value is not None}
    try:
        sampling = Sampling(**{**dataclasses.asdict(trained.model.sampling), **chosen})
    except ValidationError as error:
        raise InputError(one_line(error)) from None
    if sampling.scale != 1 and trained.model.null is None:
        raise InputError("Guidance wants a model trained with dropped labels; this one knows no label for none.")
    made = trained.model.spec.in_channels
    if sampling.channels and sampling.channels > made:
        raise InputError(f"channels={sampling.channels} are to be guided, and the model makes {made}.")
    return sampling


def labels_of(text: str, classes: Sequence[str]) -> list[int]:
    """`3,7` or names, parted by commas, or `all`: indices of classes, in the order given.

    A name comes before an index: where classes are called by numbers, it is the name that counts.
    Raises: InputError for what is neither.
    """
    if text == "all" and text not in classes:
        return list(range(len(classes)))
    found = []
    for word in (part.strip() for part in text.split(",")):
        if word in classes:
            found.append(classes.index(word))
        elif word.isdecimal() and int(word) < len(classes):
            found.append(int(word))
        else:
            near = nearest(word, classes) or f" They are {', '.join(classes[:5])} ... of {len(classes)}."
            raise InputError(f"{word!r} is no class of this model, by name or index.{near}")
    return found


def _check(wanted: Wanted, unit: str) -> None:
    """Raises: InputError for choices that do not go together. unit: Of sizes."""
    if not (wanted.grid or wanted.out):
        raise InputError("Where to? --grid out.png draws all in one picture, --out FOLDER writes each.")
    if wanted.grid and (wanted.grid.suffix.lower() != ".png" or not wanted.grid.absolute().parent.is_dir()):
        raise InputError(f"{wanted.grid}: wanted a .png file in a folder that exists.")
    if wanted.out and wanted.out.exists() and not wanted.out.is_dir():
        raise InputError(f"{wanted.out} is a file, wanted a folder.")
    if wanted.out and wanted.out.is_dir() and any(wanted.out.iterdir()):
        raise InputError(f"{wanted.out} is not empty; --out takes a folder of its own.")
    if wanted.interpolate and (wanted.classes or wanted.sizes):
        raise InputError("--interpolate A,B names its classes and has one size: leave --classes and --sizes out.")
    if wanted.size and wanted.sizes:
        raise InputError("--size or --sizes, not both.")
    for size in (*(wanted.sizes or ()), *filter(None, [wanted.size])):
        if not 1 <= min(size) <= max(size) <= MOST:
            raise InputError(f"size {size[0]}x{size[1]}: wanted sides from 1 to {MOST}, in {unit}.")


def _check_pictures(trained: TrainedGenerator, sizes: Sequence[tuple[int, int]]) -> None:
    """Raises: InputError for latents that would be decoded into larger pictures than there can be."""
    side = trained.autoencoder.stride if trained.autoencoder else 1
    for height, width in sizes:
        if max(height, width) * side > MOST:
            raise InputError(
                f"size {height}x{width}: places of the latents' grid, which are decoded into pictures of "
                f"{height * side}x{width * side} pixels; wanted {MOST} at most. Here {trained.size[0]}x"
                f"{trained.size[1]} is what was trained."
            )


def _classes(
    trained: TrainedGenerator,
    wanted: Wanted,
    sampling: Sampling,
    sizes: Sequence[tuple[int, int]],
    labels: Sequence[int],
) -> tuple[Row, ...]:
    """A row of each class; of several sizes a row of each size, with the classes one after another."""
    count = wanted.count or COUNT
    pairs = [(label, index) for label in labels for index in range(count)]
    numbers = [number_of(label, index, len(trained.classes)) for label, index in pairs]
    found: list[list[Image.Image]] = []
    with told(len(sizes) * len(pairs), "sampling") as tell:
        for size in sizes:
            batch = wanted.batch or BATCH
            asked = [label for label, _ in pairs]
            found.append(images(trained.sample(asked, sampling, numbers, size, batch, tell)))

    def said(place: int, size: tuple[int, int]) -> dict[str, Any]:
        label = pairs[place][0]
        return {"class": trained.classes[label], "label": label, "number": numbers[place], "size": list(size)}

    if len(sizes) > 1:
        everything = range(len(pairs))
        return tuple(
            Row(f"{size[0]} x {size[1]}", tuple(made), tuple(said(place, size) for place in everything))
            for size, made in zip(sizes, found, strict=True)
        )
    rows = []
    for number, label in enumerate(labels):
        places = range(number * count, (number + 1) * count)
        pictures = tuple(found[0][place] for place in places)
        rows.append(Row(trained.classes[label], pictures, tuple(said(place, sizes[0]) for place in places)))
    return tuple(rows)


def _ways(trained: TrainedGenerator, wanted: Wanted, sampling: Sampling, size: tuple[int, int]) -> tuple[Row, ...]:
    """Three rows: in each of two classes from one noise to another, and with one noise from one class to the other."""
    pair = labels_of(wanted.interpolate or "", trained.classes)
    if len(pair) != 2:
        raise InputError(f"--interpolate {wanted.interpolate}: wanted two classes, such as 3,7.")
    first, last = pair
    names, count = [trained.classes[label] for label in pair], wanted.count or WAY
    shape = (trained.model.spec.in_channels, *size)
    ends = noise(sampling.seed, [0, 1], shape).to(trained.device)
    noises = between(ends[0], ends[1], count)
    shares = torch.linspace(0, 1, count).tolist()
    with told(3 * count, "sampling") as tell:
        rows = []
        for label, name in zip(pair, names, strict=True):
            labels = torch.full((count,), label, device=trained.device)
            made = follow_noise(trained.model, noises, labels, sampling, trained.model.null, _each(tell, count))
            said = tuple({"label": label, "noise": share, "size": list(size)} for share in shares)
            rows.append(Row(f"{name}: noise", tuple(images(trained.pictures(made))), said))
        mixed = []
        for share in shares:  # one by one: each is followed by a velocity of its own
            one = torch.tensor([first], device=trained.device)
            field = _between(trained.model, last, share, trained.model.null)
            mixed.append(follow_noise(field, ends[:1], one, sampling, trained.model.null, _each(tell, 1)))
        said = tuple({"labels": pair, "share": share, "number": 0, "size": list(size)} for share in shares)
        rows.append(Row(f"{names[0]} to {names[1]}", tuple(images(trained.pictures(torch.cat(mixed)))), said))
    return tuple(rows)


def _each(tell: Callable[[int, float], None], count: int) -> Callable[[float], None]:
    return lambda moment: tell(count, moment)


def _between(model: Velocity, other: int, share: float, null: int | None) -> Velocity:
    """The velocity with a label, on the way to that with another one; without a label as it is."""

    def velocity(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        others = torch.full_like(labels, other)
        others = others if null is None else torch.where(labels == null, labels, others)
        if share in (0.0, 1.0):
            return model(x, t, others if share else labels)
        return torch.lerp(model(x, t, labels), model(x, t, others), share)

    return velocity


def _save(picture: Image.Image, path: Path, text: str) -> None:
    """As PNG with its choices inside, whole or not at all."""
    inside = PngInfo()
    inside.add_text("vitrail", text)
    with replacing(path) as file:
        picture.save(file, "PNG", pnginfo=inside)
