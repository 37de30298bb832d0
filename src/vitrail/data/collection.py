"""Encoded pictures with their classes, wherever they are stored; and the part of them that is held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from vitrail.data import images
from vitrail.data.sample import Sample


class Collection:
    """Pictures that are decoded when asked for. A layout says where the bytes of each are: it defines `content`.

    Args:
        root: What an error calls the whole.
        keys: One name for each picture, without repeats, the same wherever the collection lies.
        targets: Index of the class of each.
    """

    def __init__(self, root: str, keys: Sequence[str], targets: Sequence[int], classes: tuple[str, ...]) -> None:
        self.root, self.keys, self.targets, self.classes = root, keys, targets, classes

    def __len__(self) -> int:
        return len(self.keys)

    def content(self, index: int) -> bytes:
        """The bytes of a picture as they are stored. Raises: InputError where they cannot be read."""
        raise NotImplementedError

    def name(self, index: int) -> str:
        """What an error or a caption calls a picture."""
        return f"{self.root}/{self.keys[index]}"

    def __getitem__(self, index: int) -> Sample:
        """The decoded picture. Raises: InputError naming one that cannot be used."""
        name = self.name(index)
        return Sample(images.decode(self.content(index), name), self.targets[index], name)


class Part(Collection):
    """Some pictures of a collection, in the order given."""

    def __init__(self, whole: Collection, indices: Sequence[int]) -> None:
        keys, targets = ([values[i] for i in indices] for values in (whole.keys, whole.targets))
        super().__init__(whole.root, keys, targets, whole.classes)  # type: ignore[arg-type]
        self.whole, self.indices = whole, indices

    def content(self, index: int) -> bytes:
        return self.whole.content(self.indices[index])

    def name(self, index: int) -> str:
        return self.whole.name(self.indices[index])


def part(whole: Collection, held_out: float, seed: int) -> tuple[Part, Part]:
    """The training and the held-out pictures, parted by the hash of (seed, key): the same on every machine.

    Args:
        held_out: Share of each class that is held out, 0 to 1; at least one picture of a class that has two.
    """
    inside: list[int] = []
    outside: list[int] = []
    members: list[list[int]] = [[] for _ in whole.classes]
    for index, target in enumerate(whole.targets):
        members[target].append(index)
    for indices in members:
        ranked = sorted(indices, key=lambda index: _hash(seed, whole.keys[index]))
        count = max(min(max(round(held_out * len(indices)), 1), len(indices) - 1), 0)
        outside += sorted(ranked[:count])
        inside += sorted(ranked[count:])
    return Part(whole, inside), Part(whole, outside)


def _hash(seed: int, key: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{key}".encode()).digest()
