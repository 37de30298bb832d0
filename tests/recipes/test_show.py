"""The demo in small: all its pictures, and digits to play with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vitrail.recipes import asking, show
from vitrail.recipes.demo import MODELS, side_by_side

SMALL = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2)}


def test_the_demo_leaves_what_it_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = {}
    for name, recipe in side_by_side().items():
        model = replace(recipe.model, overrides={**recipe.model.overrides, **SMALL})
        recipes[name] = replace(recipe, epochs=1, batch=360, model=model)
    monkeypatch.setattr(show, "side_by_side", lambda: recipes)
    (tmp_path / "demo" / "swin_nano").mkdir(parents=True)
    (tmp_path / "demo" / "swin_nano" / "recipe.json").write_text("an earlier demo")
    rows = show.show(tmp_path / "demo", "cpu", seed=3)
    assert [row["model"] for row in rows] == list(MODELS)
    assert {row["seed"] for row in rows} == {3}
    for name in ("curves.png", "confusion.png", "predictions.png", "swin_nano/summary.json"):
        assert (tmp_path / "demo" / name).stat().st_size > 0
    files = asking.gather([tmp_path / "demo" / "digits"])
    assert [file.name for file in files] == [f"{digit}.png" for digit in range(10)]


def test_the_kinds_of_window_are_drawn_as_they_read(monkeypatch, tmp_path) -> None:
    drawn = {}
    monkeypatch.setattr(show, "draw_windows", lambda path, members: drawn.update(members))
    show.draw_kinds(tmp_path / "windows.png", side=4, window=2)
    block, shifted, interleaved = (members.tolist() for members in drawn.values())
    assert block == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    assert shifted == [[0, 1, 1, 2], [3, 4, 4, 5], [3, 4, 4, 5], [6, 7, 7, 8]]
    assert interleaved == [[0, 1, 0, 1], [2, 3, 2, 3], [0, 1, 0, 1], [2, 3, 2, 3]]
