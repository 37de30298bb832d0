"""`vitrail look`: pictures and their numbers in a folder, one line for every error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import tiny


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return sorted(tiny.folders(tmp_path / "data").rglob("*.png"))[0]


def test_look_writes_pictures_and_numbers(vitrail, picture: Path, tmp_path: Path) -> None:
    usual = ["--size", "32x40", "--model", "swin_nano", "--out", tmp_path / "out", "--device", "cpu"]
    code, text, error = vitrail("look", "iwin_nano", picture, *usual, "--kind", "windows")
    assert (code, error) == (0, "")
    names = ["windows-iwin_nano.png", "windows-swin_nano.png"]
    assert text.splitlines() == [str(tmp_path / "out" / name) for name in names]
    for name in names:
        with Image.open(tmp_path / "out" / name) as image:
            assert image.width > 300
    more = ["--kind", "features", "--block", "2,last", "--json"]
    code, text, _ = vitrail("look", "iwin_nano", picture, *usual, *more)
    (each,) = json.loads(text)["looks"]
    assert [(row["label"], row["block"], row["map"]) for row in each["rows"]] == [
        (name, block, [channels, *grid])
        for name in ("iwin_nano", "swin_nano")
        for block, channels, grid in ((2, 16, (8, 10)), (12, 128, (1, 2)))
    ]
    assert [model["random_weights"] for model in each["models"]] == [True, True]


def test_fields_want_no_picture(vitrail, tmp_path: Path) -> None:
    asked = ["--kind", "field", "--stage", "1,3", "--samples", 1, "--size", 32, "--out", tmp_path, "--json"]
    code, text, _ = vitrail("look", "iwin_nano", *asked)
    rows = json.loads(text)["looks"][0]["rows"]
    assert (code, [row["stage"] for row in rows]) == (0, [1, 3])
    assert [hold["share"] for hold in rows[0]["holds"]] == [0.5, 0.9, 0.95]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["iwin_nono"], "No model is called 'iwin_nono'"),
        (["iwin_nano", "nowhere.png"], "nowhere.png: no such file"),
        (["iwin_nano"], "No pictures were given"),
        (["iwin_nano", "--kind", "heat"], "kind 'heat' is none of"),
        (["iwin_nano", "--kind", "field", "--stage", "0"], "stage '0'"),
        (["iwin_nano", "--kind", "field", "--stage", "9", "--samples", 1], "no stage 9"),
        (["iwin_nano", "--size", "wide"], "size 'wide'"),
        (["dense_iwin_nano", "PICTURE", "--kind", "cam"], "no classes"),
        (["iwin_nano", "PICTURE", "--kind", "cam", "--class", "cat"], "no class 'cat'"),
        (["iwin_nano", "PICTURE", "--kind", "features", "--block", "13"], "blocks 1 to 12, and no block 13"),
    ],
)
def test_look_refuses_in_one_line(vitrail, picture: Path, tmp_path: Path, arguments: list, message: str) -> None:
    given = [picture if each == "PICTURE" else each for each in arguments]
    size = [] if "--size" in given else ["--size", "32"]
    code, out, error = vitrail("look", *given, *size, "--out", tmp_path / "out")
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert message in error
    assert not list(tmp_path.glob("out/*.png"))
