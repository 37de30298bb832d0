"""Boxes looked at: each thing that may be wrong is found and named, nothing else; the cleaned copy is without it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import boxed
from vitrail.data import detection_check, detection_layouts
from vitrail.errors import InputError

WRITERS = {"coco": boxed.coco, "voc": boxed.voc, "yolo": boxed.yolo}
USUAL = {"the same picture in both parts", "perhaps nearly the same picture in both parts"}


def checked(root: Path):
    """The parts, the looks, and {what: lines} without what holds for every set of `boxed`."""
    parts = detection_layouts.read_parts(root)
    seen = list(detection_check.looks(parts))
    report = detection_check.report(parts, seen, smallest=8)
    found = {one.what: [case.line for case in one.cases] for one in report.findings if one.what not in USUAL}
    for what in ("classes of fewer than 10 boxes, train", "pictures without a box"):
        found.pop(what, None)
    return parts, seen, report, found


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_sound_set_is_counted_and_left_alone(name: str, tmp_path: Path) -> None:
    root = WRITERS[name](tmp_path / "set")
    if name != "voc":  # other pictures in the held-out part
        for file in (root / "val", root / "images" / "val"):
            for path in sorted(file.glob("*.png")):
                image = Image.open(path).convert("RGB")
                image.putpixel((39, 0), (1, 2, ord(path.stem)))
                image.save(path)
    parts, seen, report, found = checked(root)
    assert report.pictures == {"train": 3, "val": 3} and report.empty == {"train": 1, "val": 1}
    assert report.counts == {"train": (1, 2), "val": (1, 2)} and report.classes == boxed.CLASSES
    assert report.sound == (name != "voc") and found == {} and report.modes == {"RGB": 6}
    assert detection_check.write_clean(root, name, parts, seen, tmp_path / "clean") == 6
    again = {path.relative_to(tmp_path / "clean") for path in (tmp_path / "clean").rglob("*") if path.is_file()}
    assert again and all((root / path).is_file() for path in again)
    if name == "coco":
        for path in again:
            assert json.loads((tmp_path / "clean" / path).read_text()) == json.loads((root / path).read_text())


def spoil(said: dict) -> None:
    """Into the training part every kind of mistake, beside two sound boxes."""
    rows = said["annotations"]
    base = {"image_id": 10, "category_id": 3, "iscrowd": 0, "area": 4, "segmentation": [boxed.corners(1, 1, 5, 5)]}
    damaged = {"size": [24, 40], "counts": "0"}
    wrong = [
        {"bbox": [4, 4, 0, 5]},
        {"bbox": [100, 100, 5, 5]},
        {"bbox": [36, 2, 10, 5]},
        {"bbox": [1, 1, 4, 4], "category_id": 9},
        {"bbox": [1, 1, 4, 4], "image_id": 77},
        {"bbox": [1, 1, 4, 4], "segmentation": damaged},
        {"bbox": "none"},
        {"bbox": [2, 2, 9, 9], "image_id": 20},
        {"bbox": [2, 2, 9, 9], "image_id": 21},
        {"bbox": [2, 2, 9, 9], "image_id": 22},
    ]
    for number, row in enumerate(wrong):
        rows.append({**base, "id": 100 + number, **row})
    rows.append({**rows[0], "id": 1})
    rows.append({**rows[2], "id": 500})
    sizes = {"width": boxed.WIDTH, "height": boxed.HEIGHT}
    said["images"] += [
        {"id": 20, "file_name": "absent.png", **sizes},
        {"id": 21, "file_name": "broken.png", **sizes},
        {"id": 22, "file_name": "small.png", **sizes},
        {"id": 10, "file_name": "b.png", **sizes},
    ]
    said["categories"].append({"id": 12, "name": "cow"})


def test_each_mistake_is_named_and_cleaned(tmp_path: Path) -> None:
    root = boxed.coco(tmp_path / "set", spoil)
    (root / "train" / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (20, 12), "red").save(root / "train" / "small.png")
    parts, seen, report, found = checked(root)
    lines = {what: " | ".join(lines) for what, lines in found.items()}
    assert not report.sound
    assert lines.pop("boxes of an unknown category").endswith("annotation 103 names category 9")
    assert lines.pop("annotations without their picture") == "annotation 104 names picture 77"
    double = lines.pop("entries that are there twice")
    assert "picture 10 is listed twice, again as b.png" in double and "annotation 1 was there before" in double
    assert "annotation 106 has no bbox" in lines.pop("entries that cannot be read")
    empty = lines.pop("boxes without size or outside their picture")
    assert "[4, 4, 4, 9] has no size" in empty and "lies outside the picture of 40 x 24" in empty
    assert "[36, 2, 46, 7] reaches beyond the picture of 40 x 24" in lines.pop("boxes that reach beyond their picture")
    assert lines.pop("pictures that are missing").endswith("absent.png: no such file.")
    unusable = lines.pop("pictures that cannot be used")
    assert "broken.png: not a readable picture" in unusable and "small.png: 20 x 12 pixels, where" in unusable
    assert "run lengths that do not add up" in lines.pop("masks that cannot be read")
    assert "b.png: 1 box of the place and class" in lines.pop("the same box twice in a picture")
    assert lines.pop("classes without a box, train") == "cow"
    assert "2 of 9 boxes" in lines.pop("boxes with a side shorter than 8 pixels")
    assert lines == {}

    out = tmp_path / "clean"
    assert detection_check.write_clean(root, "coco", parts, seen, out) == 5 + 3
    with pytest.raises(InputError, match="is there already"):
        detection_check.write_clean(root, "coco", parts, seen, out)
    said = json.loads((out / "annotations" / "instances_train.json").read_text())
    assert [one["id"] for one in said["images"]] == [10, 11, 12] and said["images"][0]["file_name"] == "a.png"
    assert sorted(one["id"] for one in said["annotations"]) == [1, 2, 3, 102, 500]
    assert next(one["bbox"] for one in said["annotations"] if one["id"] == 102) == [36, 2, 4, 5]
    for file in sorted((out / "annotations").iterdir()):
        file.replace(root / "annotations" / file.name)
    training, _ = detection_layouts.open_split(root)
    assert [len(training[index].target) for index in range(3)] == [3, 2, 0]
    assert set(checked(root)[3]) == {
        "the same box twice in a picture",
        "classes without a box, train",
        "boxes with a side shorter than 8 pixels",
    }


def test_voc_and_yolo_are_cleaned_in_their_own_layout(tmp_path: Path) -> None:
    root = boxed.voc(tmp_path / "voc")
    file = root / "Annotations" / "a.xml"
    box = "<xmin>{}</xmin><ymin>3</ymin><xmax>{}</xmax><ymax>9</ymax>"
    thing = "<object><name>cat</name><bndbox>" + box + "</bndbox></object>"
    file.write_text(
        file.read_text().replace("</annotation>", thing.format(30, 60) + thing.format(9, 4) + "</annotation>")
    )
    (root / "JPEGImages" / "b.png").unlink()
    parts, seen, _, found = checked(root)
    assert len(found["boxes without size or outside their picture"]) == len(found["pictures that are missing"]) == 2
    assert detection_check.write_clean(root, "voc", parts, seen, tmp_path / "out") == 6
    for path in sorted((tmp_path / "out" / "Annotations").iterdir()):
        path.replace(root / "Annotations" / path.name)
    training, _ = detection_layouts.open_split(root)
    assert training[0].target.boxes[2].tolist() == [29, 2, 40, 9] and len(training[0].target) == 3

    root = boxed.yolo(tmp_path / "yolo")
    label = root / "labels" / "train" / "a.txt"
    label.write_text(label.read_text() + "5 0.5 0.5 0.1 0.1\n0 0.95 0.5 0.2 0.5\n0 0.5 0.5 0 0.1\n0 x\n")
    (root / "labels" / "train" / "lonely.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    parts, seen, _, found = checked(root)
    assert found["boxes of an unknown category"] == ["images/train/a.png: line 3 names class 5, wanted 0 to 1"]
    assert found["annotations without their picture"] == ["labels/train/lonely.txt has no picture"]
    assert len(found["entries that cannot be read"]) == len(found["boxes that reach beyond their picture"]) == 1
    assert detection_check.write_clean(root, "yolo", parts, seen, tmp_path / "texts") == 7
    lines = (tmp_path / "texts" / "labels" / "train" / "a.txt").read_text().splitlines()
    assert len(lines) == 3 and np.allclose([float(word) for word in lines[2].split()], [0, 0.925, 0.5, 0.15, 0.5])


def test_classes_of_the_held_out_part_alone_are_an_error(tmp_path: Path) -> None:
    root = boxed.coco(tmp_path, lambda said: said["categories"][0].update(name="wolf"))
    _, _, report, found = checked(root)
    assert found["classes with boxes that train does not know"] == ["dog, in val"]
    assert report.classes == ("cat", "wolf", "dog")
