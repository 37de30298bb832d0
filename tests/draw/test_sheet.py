"""Sheets of panels, and numbers as colours over a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.draw.heat import as_rgb, coloured, enlarged, heated, scaled, tinted
from vitrail.draw.sheet import DPI, Panel, Scale, draw_sheet

RED, BLUE = (np.full((8, 12, 3), colour, dtype=np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))


def test_a_sheet_has_its_panels_at_one_size_and_leaves_places_empty(tmp_path: Path) -> None:
    rows = [[Panel(RED, "one\ntwo"), None], [Panel(RED), Panel(BLUE, "a name $x^ that is far longer than a panel")]]
    draw_sheet(tmp_path / "s.png", rows, ["first", "second"], ["up", "down"], "A title", Scale("turbo", "low", "high"))
    with Image.open(tmp_path / "s.png") as image:
        assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
        pixels = np.asarray(image.convert("RGB"))
    red, blue = ((pixels == colour).all(-1) for colour in ((255, 0, 0), (0, 0, 255)))
    assert red.sum() / blue.sum() == pytest.approx(2, rel=0.03)
    assert not blue[: len(blue) // 3].any()


def test_a_sheet_of_one_narrow_column_keeps_its_title_inside(tmp_path: Path) -> None:
    draw_sheet(tmp_path / "s.png", [[Panel(RED)]], [""], (), "A title that is much longer than one panel is wide")
    with Image.open(tmp_path / "s.png") as image:
        edge = np.asarray(image.convert("L"))[:, -4:]
    assert (edge == 255).all()
    with pytest.raises(ValueError, match="at least one panel"):
        draw_sheet(tmp_path / "s.png", [[None]], [""])


def test_numbers_become_colours() -> None:
    assert scaled(np.array([[1.0, 2.0], [3.0, 5.0]]), 1, 3).tolist() == [[0, 0.5], [1, 1]]
    assert scaled(np.ones((2, 2))).tolist() == [[0, 0], [0, 0]]
    assert coloured(np.eye(2), "gray", 0, 1)[..., 0].tolist() == [[255, 0], [0, 255]]
    hot = heated(BLUE, np.ones((8, 12)))
    cold = heated(BLUE, np.zeros((8, 12)))
    assert hot.shape == BLUE.shape and hot[0, 0, 0] > cold[0, 0, 0]
    middle = as_rgb(np.stack([np.array([[-1.0, 1.0]]), np.zeros((1, 2)), np.array([[2.0, -2.0]])]))
    assert middle.tolist() == [[[0, 128, 255], [255, 128, 0]]]


def test_positions_become_blocks_of_pixels() -> None:
    small = np.arange(6).reshape(2, 3)
    assert enlarged(small, (4, 6)).tolist() == np.kron(small, np.ones((2, 2), int)).tolist()
    assert enlarged(small, (3, 5), 2).tolist() == np.kron(small, np.ones((2, 2), int))[:3, :5].tolist()


def test_the_chosen_window_keeps_the_picture_inside_an_edge() -> None:
    members = np.zeros((12, 12), int)
    members[4:9, 4:9] = 1
    picture = np.full((12, 12, 3), 7, dtype=np.uint8)
    drawn = tinted(picture, members, 1)
    assert (drawn[5:8, 5:8] == 7).all()
    assert (drawn[4, 4:9] == 255).all() and (drawn[4:9, 8] == 255).all()
    assert (drawn[members == 0] == drawn[0, 0]).all() and (drawn[0, 0] != 7).any()
    assert (tinted(picture, np.zeros((12, 12), int), 0) == 7).all()  # one window has no edge
