"""The drawing of a data set: any number of classes, any names, parts without a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.draw.dataset import draw_dataset
from vitrail.draw.style import COLOURS


def share(path: Path, colour: str) -> float:
    """The share of pixels of exactly this colour."""
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    with Image.open(path) as image:
        return float((np.asarray(image.convert("RGB")) == wanted).all(-1).mean())


@pytest.mark.parametrize("many", [1, 12, 300])
def test_bars_have_the_proportions_of_the_parts(tmp_path: Path, many: int) -> None:
    counts = {"training": [30] * many, "held out": [10] * many}
    names = [f"a class of a rather long name, number {k}" for k in range(many)]
    draw_dataset(tmp_path / "d.png", names, counts, {"training": [(30, 20)], "held out": []}, "title")
    left, right = (share(tmp_path / "d.png", colour) for colour in COLOURS[:2])
    assert left / right == pytest.approx(3, rel=0.15)


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    names = ["$x^$", "{", "\\frac\udcff"]
    draw_dataset(tmp_path / "d.png", names, {"training": [1, 0, 2]}, {"training": []}, "$ and $\\frac$\udcff")
    assert share(tmp_path / "d.png", COLOURS[0]) > 0


def test_sizes_are_dots(tmp_path: Path) -> None:
    for pairs, path in (([], tmp_path / "none.png"), ([(100, 50), (20, 80)], tmp_path / "two.png")):
        draw_dataset(path, ["one"], {"training": [0]}, {"training": pairs}, "title")
    with Image.open(tmp_path / "none.png") as none, Image.open(tmp_path / "two.png") as two:
        assert np.asarray(none).tobytes() != np.asarray(two).tobytes()
