"""Pictures with what is in them, in rows; names that do not lie on each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.draw.boxes import Things, with_things
from vitrail.draw.found import Shown, draw_found

GREY = Image.new("RGB", (300, 200), (128, 128, 128))


def things(*boxes: tuple[float, ...]) -> Things:
    return Things(np.asarray(boxes, dtype=float).reshape(-1, 4), [0] * len(boxes), [0.9] * len(boxes))


def test_rows_of_pictures(tmp_path: Path) -> None:
    sizes = {}
    for count in (1, 2, 5, 10):
        shown = [Shown(GREY, things((20, 40, 120, 150)), f"number {number}") for number in range(count)]
        draw_found(tmp_path / f"{count}.png", shown, ["cat"], "some pictures")
        with Image.open(tmp_path / f"{count}.png") as image:
            sizes[count] = image.size
    assert sizes[1][0] < sizes[2][0] < sizes[5][0] < sizes[10][0]
    assert sizes[1][1] == sizes[2][1] < sizes[5][1] < sizes[10][1]
    draw_found(
        tmp_path / "odd.png", [Shown(GREY, things(), "$ nothing"), Shown(GREY.crop((0, 0, 1, 9)), things(), "")], [], ""
    )
    with pytest.raises(ValueError, match="at least one picture"):
        draw_found(tmp_path / "none.png", [], ["cat"], "")
    assert not (tmp_path / "none.png").exists()


def test_a_name_that_would_lie_on_another_is_left_out() -> None:
    one, far = (40.0, 60.0, 140.0, 160.0), (160.0, 100.0, 260.0, 180.0)
    names = ["a name"]
    once, twice = (np.asarray(with_things(GREY, things(*boxes), names)) for boxes in ((one,), (one, one)))
    assert (once == twice).all()  # a name that shines through would be seen twice
    both = np.asarray(with_things(GREY, things(one, far), names))
    alone = np.asarray(with_things(GREY, things(far), names))
    right = slice(3 * 150, None)  # three times enlarged
    assert (both[:, right] == alone[:, right]).all() and (both != once).any()
