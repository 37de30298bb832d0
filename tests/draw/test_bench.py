"""Speeds and growth are drawn for any number of contenders, with and without ratios and memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.draw.bench import PEER, draw_growth, draw_rates
from vitrail.draw.style import COLOURS


def share(path: Path, colour: str) -> float:
    """The share of pixels of exactly this colour."""
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    with Image.open(path) as image:
        return float((np.asarray(image.convert("RGB")) == wanted).all(-1).mean())


def document(names: list[str], **fields: object) -> dict:
    """Each contender is twice as fast as the one before; the first is the peer."""
    row = {"way": "eager", "mode": "infer", "dtype": "float32", "batch": 1, "size": [224, 224], "memory": None}
    rows = [
        {
            **row,
            "model": name,
            "images_per_second": 2.0**n,
            "spread": [2.0**n, 2.0**n],
            "ratio": 2.0**n,
            "ratio_spread": [2.0**n, 2.0**n],
            **fields,
        }
        for n, name in enumerate(names)
    ]
    facts = {"machine": "a machine", "date": "2000-01-01", "rounds": 5, "command": "vitrail bench $x^ {"}
    return {**facts, "versions": {"torch": "9"}, "peer": names[0], "rows": rows, "growth": []}


def test_bars_have_the_proportions_of_the_rates(tmp_path: Path) -> None:
    draw_rates(tmp_path / "r.png", document(["peer", "ours"]))
    assert share(tmp_path / "r.png", COLOURS[0]) / share(tmp_path / "r.png", PEER) == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("many", [1, 3, 20])
def test_any_number_of_contenders_and_settings(tmp_path: Path, many: int) -> None:
    whole = document([f"timm/a_model_of_a_rather_long_name_{n}" for n in range(many)])
    whole["rows"] = [{**row, "images_per_second": 1.0, "spread": [0.9, 1.2], "ratio": None} for row in whole["rows"]]
    whole["rows"] += [{**row, "batch": batch, "mode": "train"} for row in whole["rows"] for batch in (1, 2, 3, 4, 5)]
    draw_rates(tmp_path / "r.png", whole)
    assert share(tmp_path / "r.png", PEER) > 0


@pytest.mark.parametrize("memory", [None, 5_000_000])
def test_growth_with_and_without_memory(tmp_path: Path, memory: int | None) -> None:
    whole = document(["peer", "ours"], memory=memory)
    whole["rows"] = [{**row, "size": [side, side]} for row in whole["rows"] for side in (32, 64, 128)]
    slope = None if memory is None else 2.5
    fit = {"factor": 1e-6, "exponent": 1.0, "error": 0.01, "megabytes_per_megapixel": slope}
    base = {"way": "eager", "mode": "infer", "dtype": "float32", "batch": 1, "pixels": [1024, 4096, 16384]}
    whole["growth"] = [{**base, **fit, "model": name, "seconds": [1e-3, 4e-3, 16e-3]} for name in ("peer", "ours")]
    draw_growth(tmp_path / "g.png", whole)
    with Image.open(tmp_path / "g.png") as image:
        assert image.width > (1200 if memory else 600)
    assert share(tmp_path / "g.png", COLOURS[0]) > 0
