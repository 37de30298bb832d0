"""The nouns of the room: one labelled picture, a collection of them, and a batch ready for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """One picture before any transform: RGB, with the index of its class and the name an error would call it."""

    image: Image.Image
    target: int
    name: str


class Pictures(Protocol):
    """A collection of samples whose `targets` index `classes`. The same index gives the same sample, always."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def targets(self) -> Sequence[int]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Raises: InputError naming a picture that cannot be used."""
        ...

    def name(self, index: int) -> str:
        """What an error or a caption calls a picture."""
        ...

    def content(self, index: int) -> bytes:
        """The picture as it is stored; equal bytes are the same picture."""
        ...


@dataclass(frozen=True)
class Batch:
    """What a task receives.

    images: (B, 3, H, W) float32, normalised.
    target: (B,) int64 class indices; or (B, K) shares of the classes, adding to 1, after mixing.
    names: B names, for errors and captions.
    skipped: Why pictures that belong here are missing, one line each.
    """

    images: Tensor
    target: Tensor
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    @classmethod
    def of(cls, images: Tensor, skipped: tuple[str, ...] = ()) -> Batch:
        """Pictures whose classes nobody knows: no targets, no names."""
        return cls(images, torch.empty(0, dtype=torch.int64), (), skipped)

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device; the copy does not wait where the memory is pinned."""
        images, target = (tensor.to(device, non_blocking=True) for tensor in (self.images, self.target))
        return Batch(images, target, self.names, self.skipped)

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory; the loader calls it where an accelerator follows."""
        return Batch(self.images.pin_memory(), self.target.pin_memory(), self.names, self.skipped)
