"""Pictures with label maps, written down in each layout, and what any reader should find in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 12, 16
PARTS = {"train": ("a", "b", "c"), "val": ("d", "e")}


def truth(name: str, classes: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
    """(H, W) uint8: blocks of the classes, some without any (255); of each picture its own."""
    random = np.random.default_rng(ord(name[-1]))
    blocks = random.choice([*classes, 255], (3, 4))
    blocks[0, : len(classes)] = classes
    blocks[2, 3] = 255
    return blocks.repeat(4, 0).repeat(4, 1).astype(np.uint8)


def written(values: np.ndarray, path: Path, mapped: dict[int, int] | None = None) -> None:
    """A label map as a grey PNG; `mapped` says what stands in the file for a class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.arange(256)
    for key, value in (mapped or {}).items():
        table[key] = value
    Image.fromarray(table[values].astype(np.uint8)).save(path)


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def folders(root: Path, form: str = "inside", mapped: dict[int, int] | None = None) -> Path:
    """`inside`: images/train; `outside`: train/images; `segnet`: train with trainannot; `flat`: images alone."""
    for part, names in PARTS.items():
        pictures, labels = {
            "inside": (f"images/{part}", f"annotations/{part}"),
            "outside": (f"{part}/images", f"{part}/masks"),
            "segnet": (part, f"{part}annot"),
            "flat": ("images", "labels"),
        }[form]
        for name in names:
            picture(root / pictures / f"{name}.png", ord(name))
            written(truth(name), root / labels / f"{name}{'_L' if form == 'flat' else ''}.png", mapped)
    return root


def ade20k(root: Path) -> Path:
    for (part, names), folder in zip(PARTS.items(), ("training", "validation"), strict=True):
        for name in names:
            file = f"ADE_{part}_0000000{name}"
            picture(root / "images" / folder / f"{file}.jpg", ord(name))
            written(truth(name), root / "annotations" / folder / f"{file}.png", {0: 1, 1: 2, 2: 3, 255: 0})
    return root


def cityscapes(root: Path, training_ids: bool) -> Path:
    ids = {0: 7, 1: 8, 2: 11, 255: 4}
    for part, names in PARTS.items():
        for name in names:
            picture(root / "leftImg8bit" / part / "ulm" / f"ulm_{name}_leftImg8bit.png", ord(name))
            folder = root / "gtFine" / part / "ulm"
            written(truth(name), folder / f"ulm_{name}_gtFine_labelIds.png", ids)
            Image.new("RGB", (WIDTH, HEIGHT)).save(folder / f"ulm_{name}_gtFine_color.png")
            if training_ids:
                written(truth(name), folder / f"ulm_{name}_gtFine_labelTrainIds.png")
    return root


COCO_CLASSES = (0, 11, 170)  # person, stop sign, wood


def coco_stuff(root: Path, training_ids: bool) -> Path:
    for part, names in PARTS.items():
        for name in names:
            picture(root / "images" / f"{part}2017" / f"00{name}.jpg", ord(name))
            values = truth(name, COCO_CLASSES)
            if training_ids:
                written(values, root / "annotations" / f"{part}2017" / f"00{name}_labelTrainIds.png")
            else:
                raw = {11: 12, 170: 181}
                written(values, root / "stuffthingmaps" / f"{part}2017" / f"00{name}.png", raw)
    return root
