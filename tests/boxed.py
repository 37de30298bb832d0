"""Three pictures with boxes and polygons, written down in each layout, and what any reader should find in them."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

CLASSES = ("cat", "dog")
WIDTH, HEIGHT = 40, 24
# of each picture (class, x1, y1, x2, y2); the third holds nothing
THINGS = {
    "a.png": [(0, 4, 2, 14, 10), (1, 20, 6, 40, 24)],
    "b.png": [(1, 0, 0, 12, 8)],
    "c.png": [],
}


def picture(name: str) -> Image.Image:
    """Grey, with each thing as a plain rectangle."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90))
    for target, left, top, right, bottom in THINGS[name]:
        image.paste(((220, 40, 40), (40, 60, 220))[target], (left, top, right, bottom))
    return image


def pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in THINGS:
        picture(name).save(folder / name)


def corners(left: float, top: float, right: float, bottom: float) -> list[float]:
    """The polygon of a box."""
    return [left, top, right, top, right, bottom, left, bottom]


def document(masks: bool = True) -> dict:
    """COCO's json, with category numbers that leave gaps and are out of order."""
    rows = []
    for number, things in enumerate(THINGS.values()):
        for target, left, top, right, bottom in things:
            row = {
                "id": len(rows) + 1,
                "image_id": 10 + number,
                "category_id": (3, 7)[target],
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": 0,
            }
            rows.append(row | ({"segmentation": [corners(left, top, right, bottom)]} if masks else {}))
    return {
        "images": [
            {"id": 10 + number, "file_name": name, "width": WIDTH, "height": HEIGHT}
            for number, name in enumerate(THINGS)
        ],
        "annotations": rows,
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
    }


def coco(root: Path, change=None, masks: bool = True, parts: tuple[str, ...] = ("train", "val")) -> Path:
    """`change` may spoil the document of the first part."""
    for part in parts:
        pictures(root / part)
        (root / "annotations").mkdir(exist_ok=True)
        said = document(masks)
        if change and part == parts[0]:
            change(said)
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(said))
    return root


def voc(root: Path) -> Path:
    pictures(root / "JPEGImages")
    (root / "Annotations").mkdir()
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for name, things in THINGS.items():
        objects = "".join(
            f"<object><name>{CLASSES[target]}</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin>"
            f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for target, left, top, right, bottom in things
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        (root / "Annotations" / f"{name[0]}.xml").write_text(
            f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"
        )
    for part in ("train", "val"):
        (root / "ImageSets" / "Main" / f"{part}.txt").write_text("a\nb\nc\n")
    return root


def yolo(root: Path, polygons: bool = False) -> Path:
    for part in ("train", "val"):
        pictures(root / "images" / part)
        (root / "labels" / part).mkdir(parents=True)
        for name, things in THINGS.items():
            lines = []
            for target, left, top, right, bottom in things:
                numbers = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
                numbers = corners(left, top, right, bottom) if polygons else numbers
                shares = [value / (HEIGHT if place % 2 else WIDTH) for place, value in enumerate(numbers)]
                lines.append(" ".join([str(target), *(f"{share:.8f}" for share in shares)]) + "\n")
            if lines:
                (root / "labels" / part / f"{name[0]}.txt").write_text("".join(lines))
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nval: images/val\nnames: {0: cat, 1: dog}\n")
    return root
