"""Result files: written with the data set's own numbers, read by pycocotools and by us."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest
import torch
from pycocotools.coco import COCO

import boxed
from vitrail.data import coco_results, rle
from vitrail.data.detections import Detections
from vitrail.errors import InputError

SIZE, IDS = (boxed.HEIGHT, boxed.WIDTH), (3, 7)
BOXES = torch.tensor([[4.0, 2.0, 14.0, 10.0], [20.0, 6.0, 40.0, 24.0]])


def some(masks: bool = True) -> Detections:
    dense = torch.zeros(2, *SIZE, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(dense, BOXES.int().tolist(), strict=True):
        mask[top:bottom, left:right] = True
    packed = rle.encode(dense) if masks else None
    return Detections.of(BOXES, torch.tensor([0.25, 0.75]), torch.tensor([0, 1]), SIZE, packed)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("what", ["box", "mask", "both"])
def test_a_file_is_read_by_others_and_by_us(what: str, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    coco_results.write(file, coco_results.rows(11, some(), IDS), what)
    rows = json.loads(file.read_text())
    assert [(row["image_id"], row["category_id"], row["score"]) for row in rows] == [(11, 7, 0.75), (11, 3, 0.25)]
    assert all(("bbox" in row) == (what != "mask") and ("segmentation" in row) == (what != "box") for row in rows)
    said = COCO()
    said.dataset = boxed.document()
    with contextlib.redirect_stdout(io.StringIO()):
        said.createIndex()
        theirs = said.loadRes(str(file))
    assert [list(row["bbox"]) for row in theirs.dataset["annotations"]] == [[20, 6, 20, 18], [4, 2, 10, 8]]
    again = coco_results.read(file, {10: SIZE, 11: SIZE}, IDS)
    assert len(again[10]) == 0 and again[11].boxes.equal(some().boxes) and again[11].scores.equal(some().scores)
    assert again[11].classes.tolist() == [1, 0] and again[11].masks == (None if what == "box" else some().masks)


def test_a_thousand_masks_take_little_room(tmp_path: Path) -> None:
    size = (480, 640)
    mask = torch.zeros(1, *size, dtype=torch.bool)
    mask[:, 100:200, 100:300] = True
    many = rle.encode(mask) * 1000
    boxes = rle.boxes(many)
    found = Detections.of(boxes, torch.linspace(0, 1, 1000), torch.zeros(1000, dtype=torch.int64), size, many)
    coco_results.write(tmp_path / "many.json", coco_results.rows(1, found, [1]), "both")
    assert (tmp_path / "many.json").stat().st_size < 2_000_000  # their pixels are 307 million
    assert len(coco_results.read(tmp_path / "many.json", {1: size}, [1])[1]) == 1000


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"a": 1}, "wanted a list"),
        ([{"image_id": 5, "category_id": 3, "score": 0.5, "bbox": [0, 0, 1, 1]}], "row 1, .*no picture or category"),
        ([{"image_id": 11, "category_id": 3, "score": 2, "bbox": [0, 0, 1, 1]}], "has no score"),
        ([{"image_id": 11, "category_id": 3, "score": 0.5}], "cannot be used"),
        ([{"image_id": 11, "category_id": 3, "score": 0.5, "bbox": [0, 0, -1, 1]}], "x1 <= x2"),
        ([{"image_id": 11, "category_id": 3, "score": 0.5, "segmentation": {"size": [1, 1], "counts": [1]}}], "1 x 1"),
    ],
)
def test_a_file_that_does_not_fit_is_told(rows: object, words: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=words):
        coco_results.read(tmp_path / "results.json", {11: SIZE}, IDS)


def test_stored_pixels_are_counted_where_the_data_set_does() -> None:
    """A quarter turn, as EXIF's 6: what is shown at the top right is stored at the top left."""
    shown = Detections.of(torch.tensor([[20.0, 0.0, 24.0, 7.0]]), torch.ones(1), torch.tensor([0]), (40, 24))
    (row,) = coco_results.rows(1, shown, IDS, orientation=6)
    assert row["bbox"] == [0, 0, 7, 4]
