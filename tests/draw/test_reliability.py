"""The reliability diagram shows a gap where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vitrail.draw.curves import draw_curves
from vitrail.draw.grid import Cell, draw_grid
from vitrail.draw.reliability import draw_reliability
from vitrail.draw.style import COLOURS, RIGHT, WRONG


def share(path: Path, colour: str) -> float:
    """The share of pixels of exactly this colour."""
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    with Image.open(path) as image:
        return float((np.asarray(image.convert("RGB")) == wanted).all(-1).mean())


def test_bars_are_as_high_as_what_was_right(tmp_path: Path) -> None:
    count = np.array([0, 0, 10, 10])
    confidence = count * np.array([0.0, 0.0, 0.6, 0.9])
    shares = {}
    for name, right in (("none", [0, 0, 0, 0]), ("some", [0, 0, 5, 5]), ("as sure", [0, 0, 6, 9])):
        draw_reliability(tmp_path / f"{name}.png", count, confidence, np.array(right), "title")
        shares[name] = share(tmp_path / f"{name}.png", COLOURS[0])
    assert shares["as sure"] > 1.4 * shares["some"]
    assert shares["some"] > 5 * shares["none"]


def test_nothing_counted_can_be_drawn(tmp_path: Path) -> None:
    nothing = np.zeros(15)
    draw_reliability(tmp_path / "r.png", nothing, nothing, nothing, "title")
    assert (tmp_path / "r.png").is_file()


def test_each_answer_has_the_colour_of_whether_it_is_right(tmp_path: Path) -> None:
    image = Image.new("RGB", (30, 20), "white")
    for answers, path in ((((("1  cat", True),)), "right.png"), ((("1  cat", True), ("2  dog", False)), "both.png")):
        draw_grid(tmp_path / path, [Cell(image, "cat", None, answers)] * 3, "title")
        assert share(tmp_path / path, RIGHT) > 0
    assert share(tmp_path / "right.png", WRONG) == 0 < share(tmp_path / "both.png", WRONG)


def test_curves_over_time_are_a_fourth_panel(tmp_path: Path) -> None:
    rows = [{"epoch": n + 1, "loss": 1.0, "top1": n / 5, "lr": 1e-3, "seconds": 60.0} for n in range(5)]
    for minutes in (False, True):
        draw_curves(tmp_path / f"{minutes}.png", {"one": rows, "none": []}, minutes)
    with Image.open(tmp_path / "False.png") as three, Image.open(tmp_path / "True.png") as four:
        assert four.height > 1.5 * three.height
