"""The pictures of an ablation: one line a variant and an ordering, whatever is known of them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vitrail.draw import ablation
from vitrail.draw.style import RIGHT, WRONG

VARIANTS = [
    {"variant": "$A_1", "values": [70.0, 71.0, 72.0], "mean": 71.0, "low": 68.5, "high": 73.5},
    {"variant": "B", "values": [65.0], "mean": 65.0, "low": None, "high": None},
    {"variant": "C", "values": [], "mean": None, "low": None, "high": None},
]


def drawn(draw, *arguments: object) -> np.ndarray:
    file = io.BytesIO()
    draw(file, *arguments)
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def has(pixels: np.ndarray, colour: str) -> bool:
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    return bool((np.abs(pixels - wanted).max(-1) <= 2).sum() > 50)


def test_means_of_variants_of_which_less_and_less_is_known() -> None:
    three, one = drawn(ablation.draw_means, VARIANTS, "top1, %"), drawn(ablation.draw_means, VARIANTS[:1], "top1, %")
    assert three.shape[0] > one.shape[0]


@pytest.mark.parametrize(
    ("verdict", "colour"), [("confirmed", RIGHT), ("contradicted", WRONG), ("not resolved", ablation.UNDECIDED)]
)
def test_a_verdict_has_its_colour_within_the_axes(verdict: str, colour: str) -> None:
    row = {"ordering": "A > $B", "difference": 1.0, "low": 0.2, "high": 1.8, "printed": 0.3, "verdict": verdict}
    pixels = drawn(ablation.draw_differences, [row], "top1, %")
    above = pixels[: pixels.shape[0] * 2 // 3]  # the legend below has all three
    assert [has(above, each) for each in (RIGHT, WRONG, ablation.UNDECIDED)].count(True) == 1
    assert has(above, colour)


def test_curves_of_runs_that_have_not_come_far() -> None:
    row = {"epoch": 1, "loss": 2.0, "top1": 10.0}
    runs = {
        "A": {"0": [row, {**row, "epoch": 2, "loss": 1.0}], "1": [row]},
        "B": {"0": [{"epoch": 1, "loss": 3.0}]},
        "C": {},
    }
    assert min(drawn(ablation.draw_runs, runs, "top1").shape[:2]) > 300
