"""Pictures with boxes: the colours stand where they should, and no name leaves the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.draw.boxes import Row, Things, _font, colour, draw_precision, draw_rows, name_place, with_things

NAMES = ("cat", "dog")
GREY = Image.new("RGB", (300, 200), (128, 128, 128))


def test_a_line_is_drawn_round_the_box_in_the_colour_of_its_class() -> None:
    drawn = np.asarray(with_things(GREY, Things(np.array([[60.0, 80, 200, 150]]), [1]), NAMES, side=300)).astype(int)
    for y, x in ((115, 60), (115, 199), (149, 130)):
        assert np.abs(drawn[y, x] - colour(1)).max() < 60
    assert (drawn[115, 130] == 128).all() and (drawn[170:] == 128).all()


def test_a_mask_tints_what_it_covers_and_nothing_else() -> None:
    mask = np.zeros((200, 300), dtype=bool)
    mask[80:150, 60:200] = True
    drawn = np.asarray(
        with_things(GREY, Things(np.array([[60.0, 80, 200, 150]]), [0], [0.5], iter([mask])), NAMES, 300)
    )
    middle, tint = drawn[115, 130].astype(int), np.array(colour(0))
    assert 0.3 < (middle - 128)[0] / (tint - 128)[0] < 0.6
    assert (drawn[170:] == 128).all() and (drawn[:, 220:] == 128).all()


@pytest.mark.parametrize(
    "box", [[0, 0, 10, 10], [295, 0, 300, 5], [290, 190, 300, 200], [0, 0, 300, 200], [0, 195, 3, 200]]
)
def test_no_name_leaves_the_picture(box: list) -> None:
    font = _font(12)
    for text in ("a", "a rather long name 0.99", "x" * 200):
        left, top, right, bottom = name_place(np.asarray(box, dtype=float), text, font, GREY.size)
        assert 0 <= left < right <= 299 and 0 <= top < bottom <= 199


def test_odd_inputs_are_drawn() -> None:
    nothing = Things(np.zeros((0, 4)), [])
    assert with_things(Image.new("L", (30, 20)), nothing, NAMES).size == (900, 600)
    many = np.array([[i % 20 * 15.0, i // 20 * 13.0, i % 20 * 15.0 + 9, i // 20 * 13.0 + 9] for i in range(300)])
    assert with_things(GREY, Things(many, [i % 2 for i in range(300)], [0.5] * 300), NAMES).size == (900, 600)
    beyond = Things(np.array([[-5.0, -5, 400, 300], [10, 10, 10, 10]]), [0, 1], faint=[True, False])
    assert with_things(GREY, beyond, NAMES).size == (900, 600)
    assert with_things(Image.new("RGB", (2000, 40)), beyond, NAMES).size == (2000, 40)


def test_neighbouring_classes_have_colours_of_their_own() -> None:
    table = np.array([colour(k) for k in range(80)])
    assert len(np.unique(table, axis=0)) == 80
    apart = np.abs(table[:10, None] - table[None, :10]).sum(-1) + 999 * np.eye(10, dtype=int)
    assert apart.min() > 60


def test_the_worst_row_is_on_top(tmp_path: Path) -> None:
    rows = []
    for number, worth in enumerate((0.9, 0.1, 0.5)):
        image = Image.new("RGB", (90, 60), ((255, 0, 0), (0, 255, 0), (0, 0, 255))[number])
        things = Things(np.array([[20.0, 20, 60, 50]]), [0], [worth])
        rows.append(
            Row(image, (("picture", None), ("truth", things), ("a", things), ("b", things)), f"AP {worth}", worth)
        )
    draw_rows(tmp_path / "rows.png", rows, NAMES, "worst first", most=2)
    drawn = np.asarray(Image.open(tmp_path / "rows.png").convert("RGB")).astype(int)
    first = {
        tuple(colour): np.argwhere((drawn == colour).all(-1))[:1] for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    }
    assert len(first[255, 0, 0]) == 0 and first[0, 255, 0][0][0] < first[0, 0, 255][0][0]
    with pytest.raises(ValueError, match="same columns"):
        draw_rows(tmp_path / "no.png", [rows[0], Row(GREY, (("picture", None),), "", 0.0)], NAMES, "")


def test_curves_are_drawn_for_few_classes_many_and_none(tmp_path: Path) -> None:
    falling = np.linspace(1, 0, 101).tolist()
    for name, count in (("few", 2), ("many", 40), ("none", 0)):
        curves = {f"class {k} $x$": falling for k in range(count)} | {"absent": [-1.0] * 101}
        draw_precision(tmp_path / f"{name}.png", curves, dict.fromkeys(curves, 0.5), f"AP50, {name}")
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.width > 600
