"""The layouts that boxes come in, told apart by looking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from vitrail.data import coco, parts, voc, yolo
from vitrail.data.annotations import Annotations, Record
from vitrail.data.detection_set import DetectionSet
from vitrail.errors import InputError, nearest


class DetectionLayout(Protocol):
    """What the file of a layout has."""

    def looks(self, root: Path) -> bool: ...

    def read_parts(self, root: str | Path) -> dict[str, Annotations]: ...

    def clean(self, annotations: Annotations, records: Sequence[Record], out: Path) -> None: ...


LAYOUTS: dict[str, DetectionLayout] = {"coco": coco, "voc": voc, "yolo": yolo}
SHAPES = {
    "coco": "annotations/instances_train.json with train/",
    "voc": "Annotations/*.xml with JPEGImages/",
    "yolo": "images/train with labels/train",
}


def find(root: str | Path) -> str | None:
    """The name of the layout of boxes under `root`; None where there is none.

    Raises: InputError where several fit, or nothing is there.
    """
    root = parts.existing(root)
    fitting = [name for name, layout in LAYOUTS.items() if layout.looks(root)]
    if len(fitting) > 1:
        raise InputError(f"{root} fits several layouts, {' and '.join(fitting)}; say which: data.layout={fitting[0]}.")
    return fitting[0] if fitting else None


def read_parts(root: str | Path, layout: str = "auto") -> dict[str, Annotations]:
    """Every part by its name, problems and all. Raises: InputError where there are none."""
    if layout == "auto":
        found = find(root)
        if not found:
            shapes = "; ".join(f"{name}: {shape}" for name, shape in SHAPES.items())
            raise InputError(f"{root}: no boxes that vitrail knows; wanted one of {shapes}.")
        layout = found
    if layout not in LAYOUTS:
        raise InputError(f"layout={layout!r} is none of auto, {', '.join(LAYOUTS)}." + nearest(layout, LAYOUTS))
    return LAYOUTS[layout].read_parts(root)


def open_split(
    root: str | Path, layout: str = "auto", held_out: float = 0.2, seed: int = 0
) -> tuple[DetectionSet, DetectionSet]:
    """The training and the held-out pictures.

    Args:
        layout: A name in `LAYOUTS`, or "auto": the one that `find` finds.
        held_out: Share of the pictures that is held out, 0 to 1, where the data has no held-out part of its own.
    Raises: InputError for data that cannot be used.
    """
    found = read_parts(root, layout)
    training, beside = parts.choose(found, root)
    whole = DetectionSet(found[training].usable())
    if beside is None:
        return whole.split(held_out, seed)
    return whole, DetectionSet(found[beside].usable()).reindexed(whole.classes)


def open_held_out(root: str | Path, layout: str, classes: tuple[str, ...]) -> DetectionSet:
    """The pictures a model with these classes is measured on: the held-out part where there is one, else all.

    Raises: InputError for data that cannot be used, or a box of a class that the model lacks.
    """
    found = read_parts(root, layout)
    return DetectionSet(found[parts.measured(found, root)].usable()).reindexed(classes)
