"""`vitrail check` of boxes: a table, JSON, a picture, a cleaned copy, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import boxed
import tiny


def test_boxes_are_recognised_and_counted(vitrail, tmp_path: Path) -> None:
    root = boxed.coco(tmp_path / "set", parts=("train",))
    code, text, error = vitrail("check", root, "--size", 8, "--out", tmp_path / "set.png")
    assert (code, error.strip()) == (0, f"drawn in {tmp_path / 'set.png'}")
    assert text.splitlines()[1].split()[:8] == ["train", "3", "1", "3", "2", "1", "–", "2"]
    assert "pictures without a box: 1" in text and (tmp_path / "set.png").stat().st_size > 1000


def test_mistakes_exit_with_1_and_a_clean_copy_does_not(vitrail, tmp_path: Path) -> None:
    root = boxed.coco(tmp_path / "set", lambda said: said["annotations"][0].update(category_id=5), parts=("train",))
    code, text, _ = vitrail("check", root, "--json", "--clean", tmp_path / "clean")
    document = json.loads(text)
    assert code == 1 and document["layout"] == "coco" and document["cleaned"] == 2 and not document["sound"]
    assert document["counts"] == {"train": {"cat": 0, "dog": 2}}
    assert "boxes of an unknown category" in [finding["what"] for finding in document["findings"]]
    (tmp_path / "clean" / "annotations" / "instances_train.json").replace(root / "annotations" / "instances_train.json")
    assert vitrail("check", root)[0] == 0


def test_only_boxes_can_be_cleaned(vitrail, tmp_path: Path) -> None:
    code, _, error = vitrail("check", tiny.folders(tmp_path / "data", training=2), "--clean", tmp_path / "clean")
    assert code == 2 and "--clean writes annotations of boxes" in error


@pytest.mark.parametrize("name", ["detection/bccd", "instances/fruits_nuts"])
def test_real_sets_hold_nothing_that_stops_training(vitrail, name: str, shared_data: Path) -> None:
    code, text, _ = vitrail("check", shared_data / name, "--json")
    assert (code, json.loads(text)["sound"]) == (0, True)
