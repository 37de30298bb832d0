"""Maps of reach are drawn with one colour a number, for any number of stages and maps."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from vitrail.draw.reach import BARRED, Map, Shown, draw_reach
from vitrail.draw.style import PALE


def share(path: Path, colour: tuple[int, ...]) -> float:
    """The share of pixels of this colour; pictures and bars round it in different ways."""
    with Image.open(path) as image:
        return float((abs(np.asarray(image.convert("RGB"), dtype=int) - colour) <= 1).all(-1).mean())


def rgb(colour: str | tuple[float, ...]) -> tuple[int, ...]:
    return tuple(round(255 * part) for part in matplotlib.colors.to_rgb(colour))


def shown(first: np.ndarray, at: tuple[int, int] | None = (0, 0)) -> Shown:
    return Shown("stage $x^\n4 x 4", 2, [Map("parallel: centre", first, at)], {"parallel": (0.2, 0.6, 1.0)})


def test_each_number_has_its_own_area(tmp_path: Path) -> None:
    first = np.repeat([1, 2, 2, 2], 4).reshape(4, 4)
    draw_reach(tmp_path / "a.png", [shown(first, None)])
    near, far = (rgb(matplotlib.colormaps["viridis"](place)[:3]) for place in (0.02, 0.98))
    assert share(tmp_path / "a.png", far) / share(tmp_path / "a.png", near) == pytest.approx(3, rel=0.3)


def test_never_is_grey_and_barred_is_white(tmp_path: Path) -> None:
    never, barred, read = (np.full((6, 6), number) for number in (0, BARRED, 1))
    greys = []
    for number, rest in enumerate((never, barred, read)):
        first = np.tril(np.ones((6, 6), dtype=int)) + np.triu(rest, 1)
        draw_reach(tmp_path / f"{number}.png", [shown(first, None)])
        greys.append(share(tmp_path / f"{number}.png", rgb(PALE)))
    assert greys[0] > greys[1] + 0.02 and greys[1] == pytest.approx(greys[2], abs=0.01)


@pytest.mark.parametrize("most", [1, 5, 40])
@pytest.mark.parametrize("rows", [1, 4])
def test_any_number_of_blocks_and_stages(tmp_path: Path, most: int, rows: int) -> None:
    first = np.arange(15).reshape(3, 5) % most + 1
    draw_reach(tmp_path / "a.png", [shown(first)] * rows, "a title with a $")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 700


def test_no_stages(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one stage"):
        draw_reach(tmp_path / "a.png", [])
