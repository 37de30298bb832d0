"""`vitrail check` of label maps: tables, JSON, a picture, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

import boxed
import labelled
import tiny


def test_label_maps_are_recognised_and_counted(vitrail, tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "set")
    code, text, error = vitrail("check", root, "--size", 8, "--out", tmp_path / "set.png")
    assert (code, error.strip()) == (0, f"drawn in {tmp_path / 'set.png'}")
    assert text.splitlines()[1].split()[:2] == ["train", "3"] and (tmp_path / "set.png").stat().st_size > 1000
    document = json.loads(vitrail("check", root, "--size", 8, "--json")[1])
    maps = [labelled.truth(name) for name in "abc"]
    assert document["layout"] == "folders" and document["sound"] and document["classes"] == ["0", "1", "2"]
    assert document["pixels"]["train"] == {str(k): sum(int((one == k).sum()) for one in maps) for k in range(3)}
    assert document["counts"]["train"] == {"0": 3, "1": 3, "2": 3} and document["pictures"]["val"] == 2


def test_mistakes_exit_with_1(vitrail, tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "set")
    Image.new("RGB", (16, 12)).save(root / "annotations" / "train" / "b.png")
    code, text, _ = vitrail("check", root)
    assert code == 1 and "label maps in colour: 1" in text and "b.png: pixels in RGB" in text


def test_zero_can_be_no_class(vitrail, tmp_path: Path) -> None:
    root = labelled.ade20k(tmp_path / "set")
    with_it, without = (
        json.loads(vitrail("check", root, *flags, "--json", "--size", 8)[1]) for flags in (["--reduce"], [])
    )
    assert len(with_it["classes"]) == 150 and len(without["classes"]) == 151
    assert with_it["ignored"]["train"] == without["pixels"]["train"]["other"] > 0
    code, _, error = vitrail("check", tiny.folders(tmp_path / "data", training=2), "--reduce")
    assert code == 2 and "--reduce is for label maps" in error


def test_where_there_are_boxes_too_a_layout_can_be_named(vitrail, tmp_path: Path) -> None:
    root = labelled.coco_stuff(tmp_path / "set", False)
    boxed.coco(root, parts=("train",))
    assert json.loads(vitrail("check", root, "--json")[1])["layout"] == "coco"
    assert json.loads(vitrail("check", root, "--json", "--layout", "coco_stuff")[1])["layout"] == "coco_stuff"
    code, _, error = vitrail("check", root, "--layout", "coco_stuf")
    assert code == 2 and "Nearest: coco_stuff" in error
