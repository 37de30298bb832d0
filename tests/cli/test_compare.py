"""`vitrail compare`, and what `vitrail eval` says: tables, JSON, one line for every error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import tiny
from vitrail.models.catalogue import create_model
from vitrail.recipes.recipe import to_json
from vitrail.weights import save


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Two runs that have not ended, whose folders are called alike."""
    found = []
    for parent, batch in (("x", 4), ("y", 8)):
        folder = tmp_path / parent / "run"
        folder.mkdir(parents=True)
        (folder / "recipe.json").write_text(to_json(tiny.recipe(tmp_path / "data", batch=batch)))
        row = {"epoch": 1, "loss": 1.5, "top1": 0.25, "lr": 1e-3, "seconds": 90.0}
        (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
        found.append(folder)
    return found


def test_compare_as_a_table_and_as_json(vitrail, two: list[Path], tmp_path: Path) -> None:
    code, text, error = vitrail("compare", *two)
    assert (code, error) == (0, "")
    lines = [line.split() for line in text.splitlines()]
    assert ["x/run", "iwin_nano", "25.00", "%", "25.00", "%", "1", "of", "6", "1.5", "0.005", "4"] in lines
    assert ["batch", "4", "8"] in lines
    code, text, error = vitrail("compare", *two, "--json", "--out", tmp_path / "out")
    document = json.loads(text)
    assert [row["run"] for row in document["runs"]] == ["x/run", "y/run"]
    assert len(document["notes"]) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["compare.json", "curves.png"]


def test_compare_refuses_in_one_line(vitrail, two: list[Path]) -> None:
    for arguments, message in (((two[0], two[0]), "given twice"), (("nowhere",), "nowhere: no such folder")):
        code, out, error = vitrail("compare", *arguments)
        assert (code, out) == (2, "")
        assert message in error
        assert error.count("\n") == 1


def test_eval_with_labels_views_and_pictures(vitrail, tmp_path: Path) -> None:
    data = tiny.folders(tmp_path / "data", training=1)
    torch.manual_seed(0)
    model = create_model("iwin_nano", 3, (32, 32), **tiny.SPEC)
    save(tmp_path / "tiny.safetensors", model, classes=sorted(tiny.COLOURS), preprocessing={})
    broken = data / "val" / "red" / "0.png"
    broken.write_bytes(broken.read_bytes()[:60])
    usual = ["eval", tmp_path / "tiny.safetensors", "--data", data, "--workers", 0, "--device", "cpu"]
    code, text, error = vitrail(*usual, "--views", "ten", "--worst", 2, "--out", tmp_path / "out")
    assert code == 0
    assert "of 5 pictures, 1 unreadable" in text
    assert "ece " in text and "nll " in text
    assert len(text.splitlines()) == 4  # the head, two classes, the whole
    assert "red/0.png" in error
    assert (tmp_path / "out" / "reliability.png").is_file()
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (document["views"], document["labels"], document["pictures"]) == ("ten", "plain", 5)
    assert len(document["unreadable"]) == 1
    (data / "val" / "green").rename(tmp_path / "green")
    code, text, error = vitrail(*usual, "--json")
    assert "2 of the model's 3 classes are here" in error
    code, text, error = vitrail(*usual, "--labels", "subset", "--json")
    assert error == ""
    assert list(json.loads(text)["per_class"]) == ["blue", "red"]
    for more, message in ((["--labels", "no"], "is none of auto"), (["--views", "no"], "none of one")):
        code, text, error = vitrail(*usual, *more)
        assert (code, text, error.count("\n")) == (2, "", 1)
        assert message in error
    code, text, _ = vitrail(
        "predict", tmp_path / "tiny.safetensors", data / "val" / "blue", "--views", "flip", "--json"
    )
    assert sum(row["probability"] for row in json.loads(text)[0]["classes"]) == pytest.approx(1.0)
