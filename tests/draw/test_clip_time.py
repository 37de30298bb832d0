"""Probabilities over time, and bars on frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.draw import clip_bars, clip_time
from vitrail.draw.clip_time import Shown, draw_over_time, how_many_stills

RED, GREEN = (230, 40, 50), (30, 170, 90)
LONG = "putting something similar to other things that are already on the table"


def shown(windows: int = 5, stills: int = 4, wide: int = 60, **more: object) -> Shown:
    frames = [Image.new("RGB", (wide, 40), (50 * number, 90, 200)) for number in range(stills)]
    shares = np.linspace((1.0, 0.0), (0.0, 1.0), windows)
    fields = {
        "caption": "$ a.mp4",
        "end": windows + 1.0,
        "unit": "seconds",
        "middles": np.arange(windows) + 1.0,
        "shares": shares,
        "names": ("running", LONG),
        "colours": (RED, GREEN),
        "stills": frames,
    }
    return Shown(**{**fields, **more})  # type: ignore[arg-type]


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(H, W) bool: which pixels have this colour."""
    return np.abs(pixels.astype(int) - colour).max(-1) < 25


def test_lines_cross_where_the_shares_do(tmp_path: Path) -> None:
    draw_over_time(tmp_path / "a.png", [shown(windows=60)], "one")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    plot = pixels[:, : round(pixels.shape[1] * clip_time.ACROSS / (clip_time.ACROSS + clip_time.BESIDE))]
    for colour, falls in ((RED, True), (GREEN, False)):
        rows, columns = np.nonzero(near(plot, colour))
        assert len(rows) > 300
        left = rows[columns < np.quantile(columns, 0.2)].mean()
        right = rows[columns > np.quantile(columns, 0.8)].mean()
        assert (left < right) == falls  # smaller rows are higher up
    for number in range(4):  # every frame stands above the lines, in its order
        rows, columns = np.nonzero(near(plot, (50 * number, 90, 200)))
        assert rows.max() < np.nonzero(near(plot, RED))[0].min()
        assert abs(columns.mean() / plot.shape[1] - (number + 0.5) / 4) < 0.08


def test_several_videos_of_many_kinds(tmp_path: Path) -> None:
    sizes = {}
    kinds = [shown(), shown(1), shown(90, 12, 20), shown(3, 0), shown(2, 1, names=("\udcff", ""), unit="frames")]
    for count in (1, 3, 5):
        draw_over_time(tmp_path / f"{count}.png", kinds[:count], "several $")
        with Image.open(tmp_path / f"{count}.png") as image:
            sizes[count] = image.size
    assert sizes[1][0] == sizes[5][0] and sizes[1][1] < sizes[3][1] < sizes[5][1]
    with pytest.raises(ValueError, match="at least one video"):
        draw_over_time(tmp_path / "none.png", [], "")
    assert not (tmp_path / "none.png").exists()


def test_upright_videos_have_more_frames_beside_each_other() -> None:
    assert how_many_stills((90, 160)) < how_many_stills((100, 100)) < how_many_stills((160, 90))
    assert [how_many_stills(size) for size in ((1, 900), (900, 1))] == [4, 16]


@pytest.mark.parametrize(
    ("size", "new"),
    [
        ((1080, 1920), (720, 1280)),
        ((1920, 1080), (1280, 720)),
        ((721, 1279), (720, 1278)),
        ((40, 72), (266, 480)),
        ((480, 480), (480, 480)),
        ((1, 2000), (2, 1280)),
    ],
)
def test_annotated_videos_are_even_and_neither_tiny_nor_huge(size: tuple[int, int], new: tuple[int, int]) -> None:
    assert clip_bars.fit(size) == new


def test_bars_are_as_long_as_shares_are_large() -> None:
    frame = np.full((240, 480, 3), 200, dtype=np.uint8)
    lines = [("running", 1.0, RED), (LONG, 0.25, GREEN), ("\udcff", 0.0, (1, 2, 250))]
    made = clip_bars.with_bars(frame, lines, "1.5 s")
    assert made.shape == frame.shape and made.dtype == np.uint8
    assert (frame == 200).all()  # what came is as it was
    assert (made[:120] == 200).all() and (made[120:] != 200).any()
    wide = {colour: np.ptp(np.nonzero(near(made, colour))[1]) + 1 for colour in (RED, GREEN)}
    assert wide[GREEN] / wide[RED] == pytest.approx(0.25, abs=0.04)
    assert not near(made, (1, 2, 250)).any()
    assert np.nonzero(near(made, RED))[0].max() < np.nonzero(near(made, GREEN))[0].min()
    fewer = clip_bars.with_bars(frame, lines[:1])
    assert np.nonzero((fewer != 200).any(-1))[0].min() > np.nonzero((made != 200).any(-1))[0].min()
    columns = [np.nonzero((each != 200).any(-1))[1].max() for each in (made, fewer)]
    assert columns[0] == columns[1]  # the panel does not jump with what it says


@pytest.mark.parametrize("size", [(2, 2), (10, 300), (300, 10), (64, 64)])
def test_frames_without_room_are_left_alone_or_say_less(size: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 7, dtype=np.uint8)
    assert clip_bars.with_bars(frame, [("running", 0.5, RED)] * 30, "frame 3").shape == frame.shape
    assert clip_bars.with_bars(frame, []).shape == frame.shape
