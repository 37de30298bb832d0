"""Runs beside each other: what they did, what differs, and the pictures that were hardest for all of them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from PIL import Image

import tiny
from vitrail.errors import InputError
from vitrail.insight.compare import compare, hardest, labels, read_results
from vitrail.recipes import sources
from vitrail.recipes.classifying import Answer
from vitrail.recipes.recipe import AdamW, Recipe, to_json


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folders(tmp_path_factory.mktemp("data"))


def row(epoch: int, top1: float) -> dict[str, float]:
    return {"epoch": epoch, "loss": 1 / epoch, "top1": top1, "lr": 1e-3, "seconds": 30.0}


def run(folder: Path, recipe: Recipe, shares: list[float] | None, top1: tuple[float, ...] = (0.25, 0.75, 0.5)) -> Path:
    """A run's folder; `shares` are what it gave the truth of each held-out picture, None where it has not ended."""
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(to_json(recipe))
    rows = [row(epoch, share) for epoch, share in enumerate(top1, start=1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    if shares is not None:
        held_out = sources.open_split(recipe.data)[1]
        (folder / "summary.json").write_text(json.dumps({"parameters": 1234}))
        lines = []
        for index, share in enumerate(shares):
            truth = held_out.classes[held_out.targets[index]]
            answer = truth if share > 0.5 else next(name for name in held_out.classes if name != truth)
            lines.append(json.dumps(asdict(Answer(held_out.name(index), truth, answer, share))) + "\n")
        (folder / "predictions.jsonl").write_text("".join(lines))
    return folder


def test_numbers_and_differences_of_runs(data: Path, tmp_path: Path) -> None:
    recipe = tiny.recipe(data, epochs=3)
    other = replace(recipe, optimizer=AdamW(lr=1e-4), epochs=9, clip=2.0)
    folders = [run(tmp_path / "a", recipe, [0.9] * 6), run(tmp_path / "b", other, None, ())]
    document = compare(folders, tmp_path / "out")
    first, second = document["runs"]
    assert first["run"] == "a"
    assert (first["parameters"], first["top1"], first["best_top1"]) == (1234, 0.5, 0.75)
    assert (first["epochs"], first["epochs_planned"], first["minutes"], first["lr"], first["batch"]) == (
        3,
        3,
        1.5,
        5e-3,
        4,
    )
    assert (second["parameters"], second["top1"], second["epochs"], second["epochs_planned"]) == (None, None, 0, 9)
    assert document["differences"] == {
        "optimizer.lr": {"a": 5e-3, "b": 1e-4},
        "epochs": {"a": 3, "b": 9},
        "clip": {"a": None, "b": 2.0},
    }
    assert document["notes"] == ["b has no predictions.jsonl: its answers are missing."]
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == document
    for name in ("curves", "predictions"):
        with Image.open(tmp_path / "out" / f"{name}.png") as image:
            assert min(image.size) > 200


def test_the_hardest_come_first_with_every_answer(data: Path, tmp_path: Path) -> None:
    recipe = tiny.recipe(data)
    folders = [
        run(tmp_path / "a", recipe, [0.9, 0.2, 0.8, 0.6, 0.1, 0.9]),
        run(tmp_path / "b", recipe, [0.9, 0.1, 0.1, 0.7, 0.6, 0.8]),
    ]
    cells, notes = hardest(read_results(folders), count=4)
    assert not notes
    held_out = sources.open_split(recipe.data)[1]
    order = [1, 4, 2, 3]  # means 0.15, 0.35, 0.45, 0.65
    assert [cell.caption for cell in cells] == [held_out.classes[held_out.targets[index]] for index in order]
    for cell, index in zip(cells, order, strict=True):
        assert cell.image.tobytes() == held_out[index].image.tobytes()
    assert [[good for _, good in cell.answers] for cell in cells] == [
        [False, False],
        [False, True],
        [True, False],
        [True, True],
    ]
    assert [cell.right for cell in cells] == [False, None, None, True]
    assert cells[1].answers == (("1: blue   10 %", False), ("2: red   60 %", True))


def test_without_common_pictures_there_is_no_grid(data: Path, tmp_path: Path) -> None:
    other = tiny.folders(tmp_path / "other")
    folders = [
        run(tmp_path / "a", tiny.recipe(data), [0.5] * 6),
        run(tmp_path / "b", tiny.recipe(other), [0.5] * 6),
    ]
    assert compare(folders, tmp_path / "out")["notes"] == [
        "The runs held out different pictures, so none are drawn beside each other."
    ]
    assert not (tmp_path / "out" / "predictions.png").exists()
    (other / "val").rename(tmp_path / "gone")
    (note,) = compare(folders[1:], tmp_path / "out")["notes"]
    assert note.startswith("No pictures are drawn: ")
    assert "\n" not in note


def test_labels_are_the_shortest_that_differ(tmp_path: Path) -> None:
    assert labels([Path("/x/a"), Path("/y/b")]) == ["a", "b"]
    assert labels([Path("/x/1/run"), Path("/y/1/run"), Path("/y/2/run")]) == ["x/1/run", "y/1/run", "y/2/run"]
    with pytest.raises(InputError, match="given twice"):
        labels([tmp_path / "a", tmp_path / "b" / ".." / "a"])


def test_what_is_no_run_is_one_line(data: Path, tmp_path: Path) -> None:
    good = run(tmp_path / "a", tiny.recipe(data), [0.5] * 6)
    (tmp_path / "empty").mkdir()
    for wrong, message in ((tmp_path / "none", "no such folder"), (tmp_path / "empty", "holds it")):
        with pytest.raises(InputError, match=message):
            compare([good, wrong])
    with pytest.raises(InputError, match="is a file"):
        compare([good], good / "recipe.json")
    for name, text, message in (
        ("metrics.jsonl", '{"epoch": 1}\n', "line 1 has no number for loss"),
        ("predictions.jsonl", '{"name": "x"}\n', "line 1 is no answer"),
        ("summary.json", "{", "not JSON"),
    ):
        before = (good / name).read_text()
        (good / name).write_text(text)
        with pytest.raises(InputError, match=message):
            compare([good])
        (good / name).write_text(before)
