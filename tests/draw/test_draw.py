"""Every drawing is a PNG in which what matters can be found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.draw import style
from vitrail.draw.confusion import draw_confusion
from vitrail.draw.curves import draw_curves
from vitrail.draw.grid import Cell, draw_grid
from vitrail.draw.reliability import draw_reliability
from vitrail.draw.style import COLOURS, RIGHT, WRONG, legible
from vitrail.draw.windows import TINTS, draw_windows


def share(path: Path, colour: str) -> float:
    """The share of pixels of exactly this colour."""
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    with Image.open(path) as image:
        return float((np.asarray(image.convert("RGB")) == wanted).all(-1).mean())


def rows(count: int) -> list[dict[str, float]]:
    return [{"epoch": n + 1, "loss": 1 / (n + 1), "top1": n / count, "lr": 1e-3} for n in range(count)]


def test_each_run_has_its_colour_in_the_curves(tmp_path: Path) -> None:
    draw_curves(tmp_path / "c.png", {"first": rows(5), "second": rows(9)})
    assert share(tmp_path / "c.png", COLOURS[0]) > 0
    assert share(tmp_path / "c.png", COLOURS[1]) > 0
    assert share(tmp_path / "c.png", COLOURS[2]) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_a_run_of_hardly_any_epochs_can_be_drawn(tmp_path: Path, count: int) -> None:
    draw_curves(tmp_path / "c.png", {"short": rows(count)})
    assert (tmp_path / "c.png").is_file()


@pytest.mark.parametrize("classes", [2, 30, 70])
def test_confusion_at_any_number_of_classes(tmp_path: Path, classes: int) -> None:
    counts = np.eye(classes, dtype=int) * 3
    counts[0] = 0  # a class that never came
    draw_confusion(tmp_path / "m.png", counts, [f"class {k}" for k in range(classes)], "title")
    with Image.open(tmp_path / "m.png") as image:
        assert image.width > 500


def test_mistakes_are_framed_in_their_own_colour(tmp_path: Path) -> None:
    image = Image.new("RGB", (30, 20), "white")
    for answers, path in (((True, True), tmp_path / "right.png"), ((True, False), tmp_path / "both.png")):
        draw_grid(path, [Cell(image, "caption", answer) for answer in answers], "title")
        assert share(path, RIGHT) > 0
    assert share(tmp_path / "right.png", WRONG) == 0 < share(tmp_path / "both.png", WRONG)


def test_a_grid_takes_any_number_of_any_shape_but_none(tmp_path: Path) -> None:
    for count in (1, 9, 50):
        draw_grid(tmp_path / "g.png", [Cell(Image.new("L", (500, 3)), "x")] * count, "title")
    with pytest.raises(ValueError, match="at least one"):
        draw_grid(tmp_path / "g.png", [], "title")


def test_any_name_can_be_drawn(tmp_path: Path) -> None:
    """Bytes of a file's name that are no UTF-8, and dollars that would begin a formula."""
    names = ["a\udcff", "$x^$", "\\frac$"]
    draw_confusion(tmp_path / "m.png", np.eye(3, dtype=int), names, names[0])
    draw_curves(tmp_path / "c.png", {name: rows(2) for name in names})
    cells = [Cell(Image.new("RGB", (9, 9)), name, answers=((name, True),)) for name in names]
    draw_grid(tmp_path / "g.png", cells, "\n".join(names))
    draw_reliability(tmp_path / "r.png", np.ones(4), np.ones(4), np.ones(4), names[1])
    draw_windows(tmp_path / "w.png", {name: np.zeros((2, 2), dtype=int) for name in names})
    assert legible("a $1 \udcff") == r"a \$1 ?"


def test_each_window_has_its_tint(tmp_path: Path) -> None:
    grid = np.arange(4).reshape(2, 2)
    draw_windows(tmp_path / "w.png", {"one": np.zeros((2, 2), dtype=int), "four": grid})
    shares = [share(tmp_path / "w.png", tint) for tint in TINTS[:5]]
    assert shares[0] > shares[1] > 0
    assert shares[3] > 0 == shares[4]


def test_captions_fit_their_cell() -> None:
    drawing = style.figure(4, 4)
    assert style.fitted(drawing, "short", 1.0, 8) == ("short", 8)
    long = "a_name_that_is_longer_than_any_picture_is_wide_and_goes_on   90 %"
    text, size = style.fitted(drawing, f"cat\n{long}", 1.0, 8)
    short, cut = text.split("\n")
    assert short == "cat" and size == 5.5
    assert cut.startswith("a_name") and cut.endswith("90 %") and cut.count("…") == 1
    assert 0.8 < style._width(drawing, cut, size) <= 1.0 < style._width(drawing, long, size)
