"""Pictures of label maps: colours are told apart, what is drawn is where it belongs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.draw.class_bars import draw_classes
from vitrail.draw.labels import Row, borders, coloured, draw_rows, overlay, with_legend
from vitrail.draw.palette import generated, oklab, palette

NAMES = ("sky", "road", "car")


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def halves(height: int = 20, width: int = 30) -> np.ndarray:
    labels = np.zeros((height, width), dtype=np.int64)
    labels[:, width // 2 :], labels[:5, :6] = 1, 255
    return labels


@pytest.mark.parametrize("count", [11, 19, 150, 255])
def test_generated_colours_are_unlike(count: int) -> None:
    colours = generated(count)
    assert len(set(colours)) == count and colours == generated(255)[:count]
    places = oklab(np.asarray(colours, dtype=np.float64))
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(count)
    assert distances.min() > 0.04


def test_oklab_of_known_colours() -> None:
    """White, black and red of Ottosson's own table."""
    found = oklab(np.asarray([[255, 255, 255], [0, 0, 0], [255, 0, 0]], dtype=np.float64))
    assert found == pytest.approx(np.asarray([[1, 0, 0], [0, 0, 0], [0.62796, 0.22486, 0.12585]]), abs=1e-4)


def test_a_given_palette_is_taken_where_it_suffices() -> None:
    given = ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    assert palette(2, given) == given[:2] and palette(4, given) == generated(4) and palette(3) == generated(3)


def test_an_overlay_leaves_what_has_no_class() -> None:
    labels, colours = halves(), palette(3)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8))
    found = np.asarray(overlay(image, labels, colours, 1.0))
    inner = ~borders(labels)
    for k in (0, 1):
        assert (found[(labels == k) & inner] == colours[k]).all()
    assert (found[(labels == 255) & inner] == np.asarray(image)[(labels == 255) & inner]).all()
    assert (found[(labels == 0) & ~inner] < np.asarray(colours[0])).any(1).all()
    assert (np.asarray(coloured(labels, colours))[labels == 255] == 0).all()
    with pytest.raises(ValueError, match="wanted the same"):
        overlay(image, labels.T, colours)


def test_borders_lie_between_unlike_neighbours() -> None:
    assert borders(np.asarray([[0, 0, 1], [0, 2, 1]])).tolist() == [[False, True, False], [True, True, False]]


@pytest.mark.parametrize("size", [(20, 30), (900, 1200), (3, 40)])
def test_a_legend_stands_beside_the_picture(size: tuple[int, int]) -> None:
    image, labels = Image.new("RGB", size[::-1], (9, 9, 9)), halves(*size)
    found = with_legend(image, labels, NAMES, side=200)
    zoom = max(200 / max(size), 1)
    assert found.width > round(size[1] * zoom) and found.height >= round(size[0] * zoom)
    beside = np.asarray(found)[:, round(size[1] * zoom) :].reshape(-1, 3)
    seen = {tuple(colour) for colour in beside.tolist()}
    assert {palette(3)[0], palette(3)[1]} <= seen and palette(3)[2] not in seen


def test_a_legend_of_nothing_and_of_too_much() -> None:
    image = Image.new("RGB", (30, 20))
    assert with_legend(image, np.full((20, 30), 255), NAMES).width > 700
    many = np.arange(600).reshape(20, 30) % 150
    found = with_legend(image, many, tuple(map(str, range(150))))
    assert found.height >= 466 and len(np.unique(np.asarray(found).reshape(-1, 3), axis=0)) > 40


def test_rows_come_with_the_worst_on_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, image = halves(), Image.new("RGB", (30, 20), (200, 100, 50))
    rows = [Row(image, labels, {"ours": labels, "peer": 1 - labels}, f"{worth}", worth) for worth in (0.9, 0.1, 0.5)]
    drawn = []
    monkeypatch.setattr("vitrail.draw.labels.save", lambda drawing, path: drawn.append(drawing))
    draw_rows(tmp_path / "x.png", rows, NAMES, "set", most=2)
    axes = drawn[0].axes
    assert [each.get_xlabel() for each in axes if each.get_xlabel()] == ["0.1", "0.5"]
    assert [each.get_title("left") for each in axes[:4]] == ["picture", "truth", "ours", "peer"] and len(axes) == 8
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["sky", "road"]
    monkeypatch.undo()
    draw_rows(tmp_path / "x.png", [Row(image, None, {"ours": labels}, "", 0.0)], NAMES, "set")
    assert size_of(tmp_path / "x.png")[0] > 500
    for wrong in ([], [rows[0], Row(image, None, {"ours": labels}, "", 0.0)]):
        with pytest.raises(ValueError, match="draw_rows wants rows"):
            draw_rows(tmp_path / "x.png", wrong, NAMES, "set")


def test_bars_leave_out_a_class_that_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {
        "ours": {"sky": 0.9, "road": 0.2, "car": math.nan, "bus": 0.4},
        "peer": {"sky": 0.8, "road": math.nan, "car": math.nan, "bus": 0.5},
    }
    drawn = []
    monkeypatch.setattr("vitrail.draw.class_bars.save", lambda drawing, path: drawn.append(drawing))
    draw_classes(tmp_path / "x.png", table, "IoU")
    (axes,) = drawn[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sky", "bus", "road"]
    assert sorted(text.get_text() for text in axes.texts) == ["0.20", "0.40", "0.50", "0.80", "0.90"]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["ours   mean 0.500", "peer   mean 0.650"]
    monkeypatch.undo()
    draw_classes(tmp_path / "x.png", {"ours": {str(k): k / 150 for k in range(150)}}, "IoU")
    assert size_of(tmp_path / "x.png")[1] > 500
    with pytest.raises(ValueError, match="the same classes in each"):
        draw_classes(tmp_path / "x.png", {"a": {"x": 1.0}, "b": {"y": 1.0}}, "IoU")
