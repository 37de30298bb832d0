"""Three layouts of boxes give the same samples; whatever is wrong with a file is said in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageOps

import boxed
from vitrail.data import coco, detection_layouts, layouts, rle, voc, yolo
from vitrail.data.detection_set import DetectionSet
from vitrail.data.turning import BACK, turn_boxes, turn_masks
from vitrail.errors import InputError

WRITERS = {"coco": boxed.coco, "voc": boxed.voc, "yolo": boxed.yolo}
WANTED = [torch.tensor([thing[1:] for thing in things]).reshape(-1, 4).float() for things in boxed.THINGS.values()]


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_every_layout_gives_the_same_samples(name: str, tmp_path: Path) -> None:
    root = WRITERS[name](tmp_path)
    assert detection_layouts.find(root) == name
    for pictures in detection_layouts.open_split(root):
        assert pictures.classes == boxed.CLASSES and len(pictures) == 3
        for index, things in enumerate(boxed.THINGS.values()):
            sample = pictures[index]
            assert sample.image.size == (boxed.WIDTH, boxed.HEIGHT) and sample.name.endswith(".png")
            assert torch.allclose(sample.target.boxes, WANTED[index], atol=1e-4)
            assert sample.target.classes.tolist() == [target for target, *_ in things]
            assert sample.target.size == (boxed.HEIGHT, boxed.WIDTH) and not sample.target.crowd.any()
            area = (WANTED[index][:, 2] - WANTED[index][:, 0]) * (WANTED[index][:, 3] - WANTED[index][:, 1])
            assert torch.allclose(sample.target.areas, area, atol=1e-3)
        assert [len(pictures.with_boxes()), len(pictures.with_boxes()[1].target)] == [2, 1]


def test_numbers_are_the_data_sets(tmp_path: Path) -> None:
    pictures, _ = detection_layouts.open_split(boxed.coco(tmp_path))
    assert pictures.ids == (3, 7) and pictures[1].target.picture == 11


@pytest.mark.parametrize("name", ["coco", "yolo"])
def test_masks_cover_what_was_painted(name: str, tmp_path: Path) -> None:
    root = boxed.coco(tmp_path) if name == "coco" else boxed.yolo(tmp_path, polygons=True)
    pictures, _ = detection_layouts.open_split(root)
    assert pictures.masks
    for index, things in enumerate(boxed.THINGS.values()):
        truth = pictures[index].target
        masks = rle.decode(truth.masks, truth.size)
        for mask, (_, left, top, right, bottom) in zip(masks, things, strict=True):
            wanted = torch.zeros(truth.size, dtype=torch.bool)
            wanted[top:bottom, left:right] = True
            assert mask.equal(wanted)
    assert pictures[2].target.masks == ()


def test_a_set_with_one_box_without_mask_is_read_as_boxes(tmp_path: Path) -> None:
    root = boxed.coco(tmp_path, lambda said: said["annotations"][0].pop("segmentation"))
    training, held_out = detection_layouts.open_split(root)
    assert not training.masks and training[0].target.masks is None and held_out.masks


def test_crowds_and_difficult_objects_are_marked(tmp_path: Path) -> None:
    def change(said: dict) -> None:
        runs = [0, 100, boxed.WIDTH * boxed.HEIGHT - 100]
        said["annotations"][1] |= {"iscrowd": 1, "segmentation": {"size": [24, 40], "counts": runs}}

    training, _ = detection_layouts.open_split(boxed.coco(tmp_path / "coco", change))
    assert training[0].target.crowd.tolist() == [False, True]
    assert int(rle.areas(training[0].target.masks)[1]) == 100
    root = boxed.voc(tmp_path / "voc")
    file = root / "Annotations" / "b.xml"
    file.write_text(file.read_text().replace("<difficult>0", "<difficult>1"))
    training, _ = detection_layouts.open_split(root)
    assert training[1].target.crowd.tolist() == [True] and len(training.with_boxes()) == 1


def test_one_part_is_split_alike_everywhere(tmp_path: Path) -> None:
    root = boxed.coco(tmp_path, parts=("train",))
    training, held_out = detection_layouts.open_split(root, held_out=0.4)
    names = [[pictures.record(i).file for i in range(len(pictures))] for pictures in (training, held_out)]
    assert sorted(names[0] + names[1]) == sorted(boxed.THINGS) and len(held_out) == 1
    assert names[1] == [detection_layouts.open_split(root, held_out=0.4)[1].record(0).file]


def test_held_out_classes_are_matched_by_name(tmp_path: Path) -> None:
    root = boxed.coco(tmp_path)
    wanted = ("bird", "dog", "cat")
    pictures = detection_layouts.open_held_out(root, "auto", wanted)
    assert pictures.classes == wanted and pictures[0].target.classes.tolist() == [2, 1]
    assert pictures.ids[1:] == (7, 3) and pictures.ids[0] not in (3, 7)
    with pytest.raises(InputError, match=r"'cat' is none of the 2 classes"):
        detection_layouts.open_held_out(root, "auto", ("dog", "cow"))


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "I;16"])
def test_any_picture_becomes_rgb(mode: str, tmp_path: Path) -> None:
    root = boxed.coco(tmp_path)
    suffix = ".jpg" if mode == "CMYK" else ".png"
    image = Image.new("I;16", (40, 24), 30000) if mode == "I;16" else boxed.picture("a.png").convert(mode)
    image.save(root / "train" / f"other{suffix}")
    file = root / "annotations" / "instances_train.json"
    file.write_text(file.read_text().replace("a.png", f"other{suffix}"))
    sample = detection_layouts.open_split(root)[0][0]
    assert sample.image.mode == "RGB" and sample.target.boxes.equal(WANTED[0])


@pytest.mark.parametrize(
    ("orientation", "stored"),
    # the size does not tell stored pixels from shown ones where the turn is not by a quarter
    [*((orientation, False) for orientation in range(1, 9)), *((orientation, True) for orientation in range(5, 9))],
)
def test_boxes_lie_where_the_thing_is_shown(orientation: int, stored: bool, tmp_path: Path) -> None:
    """The file counts stored pixels or shown ones; a mark painted into the picture says where its box must be."""
    upright = boxed.picture("a.png")
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    exif = Image.Exif()
    exif[0x0112] = undo
    pixels = ImageOps.exif_transpose(_with_exif(upright, exif, tmp_path))
    exif[0x0112] = orientation
    root = boxed.coco(tmp_path / "set")
    pixels.save(root / "train" / "a.png", exif=exif)
    if stored:
        pictures = _describe(root, pixels)
    else:
        pictures, _ = detection_layouts.open_split(root)
    sample = pictures[0]
    assert sample.image.tobytes() == upright.tobytes()
    assert sample.target.boxes.equal(WANTED[0]) and sample.target.size == (24, 40)
    masks = rle.decode(sample.target.masks, sample.target.size)
    assert rle.boxes_of(masks).equal(WANTED[0])
    assert pictures.orientation(0) == (orientation if stored else 1)


def _with_exif(image: Image.Image, exif: Image.Exif, folder: Path) -> Image.Image:
    image.save(folder / "turned.png", exif=exif)
    return Image.open(folder / "turned.png")


def _describe(root: Path, pixels: Image.Image) -> DetectionSet:
    """The set whose json says where the colours stand in the stored pixels."""
    file = root / "annotations" / "instances_train.json"
    said = json.loads(file.read_text())
    said["images"][0] |= {"width": pixels.width, "height": pixels.height}
    for row, colour in zip(said["annotations"][:2], ((220, 40, 40), (40, 60, 220)), strict=True):
        marks = [(x, y) for x in range(pixels.width) for y in range(pixels.height) if pixels.getpixel((x, y)) == colour]
        left, top = min(x for x, _ in marks), min(y for _, y in marks)
        right, bottom = max(x for x, _ in marks) + 1, max(y for _, y in marks) + 1
        row |= {"bbox": [left, top, right - left, bottom - top]}
        row |= {"segmentation": [boxed.corners(left, top, right, bottom)]}
    file.write_text(json.dumps(said))
    return detection_layouts.open_split(root)[0]


@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
def test_a_turn_can_be_undone(orientation: int) -> None:
    boxes, size = torch.tensor([[1.0, 2.0, 9.0, 4.0]]), (7, 11)
    upright = size if orientation == 1 else size[::-1]
    assert turn_boxes(turn_boxes(boxes, size, orientation), upright, BACK[orientation]).equal(boxes)
    masks = torch.rand(2, *size) > 0.5
    assert turn_masks(turn_masks(masks, orientation), BACK[orientation]).equal(masks)


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    root = boxed.coco(tmp_path)
    Image.new("RGB", (20, 12)).save(root / "train" / "a.png")
    with pytest.raises(InputError, match=r"a\.png: 20 x 12 pixels, where the annotations say 40 x 24"):
        detection_layouts.open_split(root)[0][0]


def spoil(place: str, **values: object) -> Callable[[dict], None]:
    return lambda said: said[place][0].update(values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (spoil("annotations", category_id=4), "unknown category .*category 4.*--clean OUT"),
        (spoil("annotations", image_id=99), "does not list .*names picture 99"),
        (spoil("annotations", id=2), "listed twice .*annotation 2"),
        (spoil("annotations", bbox=[1, 2, 3]), "cannot be read .*four numbers"),
        (spoil("images", id="x"), "cannot be read .*no whole number"),
        (spoil("images", id=11), "listed twice .*picture 11"),
        (lambda said: said.pop("categories"), "no COCO annotations; wanted lists of"),
        (spoil("categories", id=3), "two categories have one id"),
        (spoil("categories", name="Cat"), "called alike"),
    ],
)
def test_what_is_wrong_with_a_json_is_said(change: Callable, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        detection_layouts.open_split(boxed.coco(tmp_path, change))


@pytest.mark.parametrize(
    ("box", "left"),
    [
        ([4, 2, 0, 8], 0),
        ([4, 2, 10, -1], 0),
        ([50, 2, 10, 8], 0),
        ([-20, 2, 10, 8], 0),
        ([float("nan"), 2, 10, 8], 0),
        ([-4, -2, 10, 8], [0, 0, 6, 6]),
        ([35, 20, 10, 8], [35, 20, 40, 24]),
        ([0, 0, 40, 24], [0, 0, 40, 24]),
    ],
)
def test_boxes_are_cut_at_the_border_and_left_out_beyond(box: list, left: list | int, tmp_path: Path) -> None:
    training, _ = detection_layouts.open_split(boxed.coco(tmp_path, spoil("annotations", bbox=box), masks=False))
    truth = training[0].target
    assert len(truth) == (2 if left else 1)
    if left:
        assert truth.boxes[0].tolist() == left


def test_the_other_shapes_of_each_layout(tmp_path: Path) -> None:
    robo = tmp_path / "robo"
    for part in ("train", "valid"):
        boxed.pictures(robo / part)
        (robo / part / "_annotations.coco.json").write_text(json.dumps(boxed.document()))
    beside = tmp_path / "beside"
    for part in ("train", "val"):
        boxed.voc(beside / "whole" / part)
        (beside / part).mkdir()
        for file in sorted((beside / "whole" / part).rglob("[abc].*")):
            file.rename(beside / part / file.name)
    import shutil

    shutil.rmtree(beside / "whole")
    turned = boxed.yolo(tmp_path / "turned")
    (turned / "data.yaml").unlink()
    (turned / "classes.txt").write_text("cat\ndog\n")
    for part, new in (("train", "train"), ("val", "valid")):
        for kind in ("images", "labels"):
            (turned / new).mkdir(exist_ok=True)
            (turned / kind / part).rename(turned / new / kind)
    shutil.rmtree(turned / "images")
    shutil.rmtree(turned / "labels")
    for root, name in ((robo, "coco"), (beside, "voc"), (turned, "yolo"), (turned.parent / "robo" / "train", "coco")):
        assert detection_layouts.find(root) == name
        training, _ = detection_layouts.open_split(root)
        assert training.classes == boxed.CLASSES
    for root in (robo, beside, turned):
        pair = detection_layouts.open_split(root)
        assert [len(part) for part in pair] == [3, 3]
        assert torch.allclose(pair[1][0].target.boxes, WANTED[0], atol=1e-4)


def test_class_folders_are_no_boxes(tmp_path: Path) -> None:
    boxed.pictures(tmp_path / "train" / "cat")
    assert detection_layouts.find(tmp_path) is None and layouts.find(tmp_path) == "classes"
    with pytest.raises(InputError, match="no boxes that vitrail knows"):
        detection_layouts.open_split(tmp_path)
    with pytest.raises(InputError, match="none of auto, coco, voc, yolo"):
        detection_layouts.open_split(tmp_path, "coko")


def test_odd_files_are_told_in_one_line(tmp_path: Path) -> None:
    root = boxed.voc(tmp_path / "voc")
    (root / "Annotations" / "b.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>')
    with pytest.raises(InputError, match=r"b\.xml declares entities"):
        detection_layouts.open_split(root)
    root = boxed.yolo(tmp_path / "yolo")
    (root / "labels" / "train" / "b.txt").write_text("2 0.5 0.5 0.1 0.1\n")
    with pytest.raises(InputError, match="names class 2, wanted 0 to 1"):
        detection_layouts.open_split(root)
    (root / "data.yaml").write_text("names: [cat, dog]\ntrain: nowhere\n")
    with pytest.raises(InputError, match="neither a folder of pictures nor a list"):
        detection_layouts.open_split(root)
    assert coco.looks(tmp_path) is voc.looks(tmp_path) is yolo.looks(tmp_path) is False
