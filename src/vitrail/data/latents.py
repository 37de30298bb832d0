"""Latents of pictures in a folder: safetensors shards, with the statistics of their channels.

FOLDER/*.safetensors             latents (n, C, h, w), latents_flip (n, C, h, w), labels (n,)
FOLDER/statistics.safetensors    mean (C,), std (C,), or (1, C, 1, 1)
FOLDER/latents.json              where it is ours: the classes' names, the autoencoder and how it was asked

Source: LightningDiT's release, whose statistics are a pickle; `vitrail convert` makes the second file of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vitrail.data import collection
from vitrail.data.generation_settings import GenerationPreprocessing
from vitrail.data.images import printable
from vitrail.errors import InputError, first_line

STATISTICS, ABOUT = "statistics.safetensors", "latents.json"
KEYS = {"latents", "latents_flip", "labels"}


@dataclass(frozen=True, eq=False)
class LatentSample:
    """One picture's latent and its mirror image's, (2, C, h, w) float32 as they were stored, with its class."""

    latents: Tensor
    target: int
    name: str


class Latents:
    """Latents that are read when asked for.

    keys: `SHARD:number` of each.     shape: (C, h, w) of one.
    """

    def __init__(
        self, root: str, keys: Sequence[str], targets: Sequence[int], classes: tuple[str, ...], shape: tuple[int, ...]
    ) -> None:
        self.root, self.keys, self.targets, self.classes, self.shape = root, keys, targets, classes, shape

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> LatentSample:
        """Raises: InputError naming a shard that cannot be read."""
        shard, _, number = self.keys[index].rpartition(":")
        path = Path(self.root, shard)
        try:
            file = _opened(str(path))
            pair = [file.get_slice(key)[int(number)] for key in ("latents", "latents_flip")]
        except (SafetensorError, OSError) as error:
            raise InputError(f"{self.name(index)}: cannot be read ({first_line(error)}).") from None
        latents = torch.stack([part.view(self.shape).float() for part in pair])
        if not latents.isfinite().all():
            raise InputError(f"{self.name(index)}: holds values that are no finite numbers.")
        return LatentSample(latents, self.targets[index], self.name(index))

    def name(self, index: int) -> str:
        """What an error or a caption calls a latent."""
        return printable(f"{self.root}/{self.keys[index]}")

    def chosen(self, indices: Sequence[int]) -> Latents:
        """Some of them, in the order given."""
        keys, targets = [self.keys[i] for i in indices], [self.targets[i] for i in indices]
        return Latents(self.root, keys, targets, self.classes, self.shape)


def open_folder(root: str | Path) -> Latents:
    """All latents of a folder, shard by shard.

    Raises: InputError for a folder without shards, or shards that do not fit together.
    """
    root = Path(root)
    shards = sorted(path for path in root.glob("*.safetensors") if path.name != STATISTICS) if root.is_dir() else []
    if not shards:
        raise InputError(f"{root}: no shards of latents (*.safetensors); `vitrail latents` makes some of pictures.")
    keys: list[str] = []
    targets: list[int] = []
    shapes = set()
    for shard in shards:
        count, shape, labels = _header(shard)
        keys += [f"{shard.name}:{number}" for number in range(count)]
        targets += labels
        shapes.add(shape)
    if len(shapes) > 1:
        raise InputError(f"{root}: latents of several shapes, {' and '.join(map(str, sorted(shapes)))}; wanted one.")
    named = tuple(about(root).get("classes", ()))
    classes = named or tuple(map(str, range(max(targets) + 1)))
    if targets and not 0 <= min(targets) <= max(targets) < len(classes):
        raise InputError(f"{root}: labels from {min(targets)} to {max(targets)}, and {len(classes)} classes.")
    return Latents(str(root), keys, targets, classes, shapes.pop())


def open_split(root: str | Path, held_out: float, seed: int) -> tuple[Latents, Latents]:
    """The training and the held-out latents: of each class the share `held_out`, by the hash of (seed, key).

    Raises: InputError for a folder that cannot be used.
    """
    whole = open_folder(root)
    if not held_out:
        raise InputError("data.held_out=0 leaves nothing to measure on; a small share, such as 0.002, will do.")
    inside, outside = collection.part(whole, held_out, seed)  # type: ignore[arg-type]  # it asks for keys and targets
    return whole.chosen(inside.indices), whole.chosen(outside.indices)


def about(root: str | Path) -> dict[str, Any]:
    """What latents.json says; {} where there is none. Raises: InputError for one that is not sound."""
    path = Path(root, ABOUT)
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no sound JSON ({first_line(error)}).") from None
    named = document.get("classes", []) if isinstance(document, dict) else None
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise InputError(f"{path}: wanted an object whose `classes` is a list of names.")
    return document


def statistics(root: str | Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, as the folder says. Raises: InputError where it does not."""
    path = Path(root, STATISTICS)
    if not path.is_file():
        stats = Path(root, "latents_stats.pt")
        advice = f"`vitrail convert {stats} {path}` makes it" if stats.is_file() else "`vitrail latents` writes one"
        raise InputError(f"{path}: no such file, so nothing says the channels' mean and deviation; {advice}.")
    try:
        with safe_open(path, framework="pt") as file:
            mean, std = (file.get_tensor(name).flatten().double() for name in ("mean", "std"))
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a whole file of mean and std: {first_line(error)}.") from None
    if mean.shape != std.shape or not (mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
        raise InputError(f"{path}: wanted a finite mean and a deviation above 0 for each channel.")
    return tuple(mean.tolist()), tuple(std.tolist())


def resolved(settings: GenerationPreprocessing, root: str | Path) -> GenerationPreprocessing:
    """Settings of latents with what their folder says where they say nothing."""
    if not settings.mean:
        mean, std = statistics(root)
        settings = replace(settings, mean=mean, std=std)
    said = about(root).get("autoencoder")
    return settings if settings.autoencoder or not isinstance(said, str) else replace(settings, autoencoder=said)


def _header(shard: Path) -> tuple[int, tuple[int, ...], list[int]]:
    """How many latents, the shape of one, and their labels."""
    try:
        with safe_open(shard, framework="pt") as file:
            names = set(file.keys())
            if not names >= KEYS:
                raise InputError(f"{shard}: no shard of latents; wanted {', '.join(sorted(KEYS))} in it.")
            shape, flipped = (tuple(file.get_slice(name).get_shape()) for name in ("latents", "latents_flip"))
            numbers = file.get_tensor("labels").flatten()
    except (SafetensorError, OSError) as error:
        raise InputError(f"{shard} is not a whole safetensors file: {first_line(error)}.") from None
    labels: list[int] = numbers.long().tolist()
    if numbers.is_floating_point():
        raise InputError(f"{shard}: labels of {numbers.dtype}; wanted whole numbers.")
    if len(shape) != 4 or shape != flipped or shape[0] != len(labels) or not labels:
        raise InputError(f"{shard}: latents {shape}, latents_flip {flipped}, {len(labels)} labels do not fit together.")
    return shape[0], shape[1:], labels


@lru_cache(maxsize=256)
def _opened(path: str) -> Any:
    """A shard, mapped into memory; each process has its own."""
    return safe_open(path, framework="pt").__enter__()
