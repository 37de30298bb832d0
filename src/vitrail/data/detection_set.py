"""Pictures with boxes: whatever the layout, the same samples.   n boxes in a picture."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vitrail.data import classes as called
from vitrail.data import images, rle
from vitrail.data.annotations import Annotations, Packed, Record
from vitrail.data.detections import Instances, Rle
from vitrail.data.turning import turn_boxes, turn_masks
from vitrail.errors import InputError, nearest


@dataclass(frozen=True)
class DetectionSample:
    """One picture before any transform, upright RGB, with what is in it; masks, if any, as `Rle`."""

    image: Image.Image
    target: Instances
    name: str


class DetectionSet:
    """Pictures decoded when asked for, with their boxes in the pixels of the upright picture.

    An annotation file may count the pixels as they are stored or as they are shown, where EXIF turns a picture: the
    size that it says decides, and boxes of the stored pixels are turned with the picture. Where it cannot (a half
    turn, a mirror image, a square, no size), boxes are taken as of the picture shown, as drawing tools show it.

    Attributes:
        classes: Names.     ids: The number that the data set gives each.
        masks: Whether the targets have masks: every box of the set has one.
    """

    def __init__(self, annotations: Annotations) -> None:
        called.distinct(annotations.classes, annotations.source)
        self.root, self.source = annotations.root, annotations.source
        self.classes, self.ids = annotations.classes, annotations.ids
        self.masks = has_masks(annotations)
        self.records = Packed(annotations.records)
        self.order = np.arange(len(self.records))
        self.places: np.ndarray | None = None  # of the classes in a reindexed set

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> DetectionSample:
        """The decoded picture with its truth. Raises: InputError naming one that cannot be used."""
        record, name = self.record(index), self.name(index)
        content = images.read_bytes(self.path(index))
        image = images.decode(content, name)
        return DetectionSample(image, truth(record, (image.height, image.width), content, name, self.masks), name)

    def record(self, index: int) -> Record:
        record = self.records[self.order[index]]
        if self.places is not None:
            object.__setattr__(record, "classes", self.places[record.classes])
        return record

    def path(self, index: int) -> Path:
        return self.root / self.records[self.order[index]].file

    def name(self, index: int) -> str:
        """What an error or a caption calls a picture."""
        return images.printable(self.path(index))

    def content(self, index: int) -> bytes:
        """The picture as it is stored. Raises: InputError where it cannot be read."""
        return images.read_bytes(self.path(index))

    def orientation(self, index: int) -> int:
        """1 where the file's boxes are of the upright picture; else the orientation by which they were turned."""
        record = self.record(index)
        if record.size is None or record.relative:
            return 1
        content = self.content(index)
        turned = images.turned(content)
        if turned < 5:
            return 1
        image = images.decode(content, self.name(index))
        return _orientation(record, (image.height, image.width), content, self.name(index))

    def chosen(self, indices: list[int]) -> DetectionSet:
        """Some of the pictures, in the order given."""
        again = copy.copy(self)
        again.order = self.order[np.asarray(indices, dtype=np.int64)]
        return again

    def without_masks(self) -> DetectionSet:
        """The same pictures for a model of boxes, which need no mask unpacked."""
        again = copy.copy(self)
        again.masks = False
        return again

    def with_boxes(self) -> DetectionSet:
        """The pictures that hold something to find; the papers' toolbox trains on these alone."""
        return self.chosen([index for index in range(len(self)) if not self.record(index).crowd.all()])

    def split(self, held_out: float = 0.2, seed: int = 0) -> tuple[DetectionSet, DetectionSet]:
        """Training and held-out pictures, parted by the hash of (seed, file): the same on every machine.

        Args:
            held_out: Share of the pictures that is held out, 0 to 1; at least one of two.
        """
        keys = [f"{seed}:{self.record(index).file}".encode(errors="surrogateescape") for index in range(len(self))]
        ranked = sorted(range(len(self)), key=lambda index: hashlib.blake2b(keys[index]).digest())
        count = max(min(max(round(held_out * len(self)), 1), len(self) - 1), 0)
        return self.chosen(sorted(ranked[count:])), self.chosen(sorted(ranked[:count]))

    def reindexed(self, names: tuple[str, ...]) -> DetectionSet:
        """The same pictures with classes that index `names`, matched by name; their numbers stay the data set's.

        Raises: InputError for a box of a class of another name.
        """
        if self.classes == names:
            return self
        there = {int(target) for index in range(len(self)) for target in self.record(index).classes}
        for target in sorted(there):
            name = self.classes[target]
            if name not in names:
                raise InputError(f"{self.source}: {name!r} is none of the {len(names)} classes." + nearest(name, names))
        again = copy.copy(self)
        again.places = np.asarray([names.index(name) if name in names else -1 for name in self.classes], dtype=np.int64)
        if self.places is not None:
            again.places = again.places[self.places]
        known = dict(zip(self.classes, self.ids, strict=True))
        free = iter(range(max((*self.ids, 0)) + 1, max((*self.ids, 0)) + 1 + len(names)))
        again.classes, again.ids = names, tuple(known[name] if name in known else next(free) for name in names)
        return again


def has_masks(annotations: Annotations) -> bool:
    """Whether every box has a mask, and there is one."""
    some = False
    for record in annotations.records:
        if any(segment is None for segment in record.segments):
            return False
        some = some or bool(record.segments)
    return some


def truth(record: Record, upright: tuple[int, int], content: bytes, name: str, with_masks: bool) -> Instances:
    """What a record says, in the pixels of the upright picture.

    Args:
        upright: (H, W) of the decoded picture.     content: The file, whose EXIF is read where the sizes differ.
    Raises: InputError where its size is another picture's, or a mask is damaged.
    """
    orientation = _orientation(record, upright, content, name)
    frame = upright if orientation == 1 else (upright[1], upright[0])
    height, width = frame
    sides = np.asarray([width, height, width, height], dtype=np.float64)
    corners = np.clip(record.boxes * sides if record.relative else record.boxes, 0, sides)
    boxes = turn_boxes(torch.from_numpy(corners), frame, orientation).float()
    packed = _masks(record, frame, orientation, name) if with_masks else None
    areas = torch.from_numpy(record.areas).float()
    measured = rle.areas(packed) if packed is not None else (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return Instances(
        boxes,
        torch.from_numpy(record.classes),
        upright,
        packed,
        torch.from_numpy(record.crowd),
        torch.where(areas.isnan(), measured, areas),
        record.id,
    )


def _orientation(record: Record, upright: tuple[int, int], content: bytes, name: str) -> int:
    if record.size is None or tuple(record.size) == upright:
        return 1
    turned = images.turned(content)
    if turned >= 5 and tuple(record.size) == upright[::-1]:
        return turned
    raise InputError(
        f"{name}: {upright[1]} x {upright[0]} pixels, where the annotations say {record.size[1]} x {record.size[0]}."
    )


def _masks(record: Record, frame: tuple[int, int], orientation: int, name: str) -> tuple[Rle, ...]:
    try:
        segments = [relative(segment, frame) for segment in record.segments] if record.relative else record.segments
        packed = tuple(rle.read(segment, frame) for segment in segments)
    except ValueError as error:
        raise InputError(f"{name}: a damaged mask ({error}).") from error
    if orientation == 1:
        return packed
    return rle.encode(turn_masks(rle.decode(packed, frame), orientation))


def relative(segment: list[list[float]], frame: tuple[int, int]) -> list[list[float]]:
    """Polygons in shares of width and height -> in pixels of a picture (H, W)."""
    height, width = frame
    return [[value * (height if place % 2 else width) for place, value in enumerate(polygon)] for polygon in segment]
