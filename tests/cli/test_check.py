"""`vitrail check`: a table for people, JSON for programs, a picture, and an exit code that says whether to go on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

import tiny


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny.folders(tmp_path / "data", training=10)


def test_a_sound_set_exits_with_0(vitrail, data: Path) -> None:
    code, text, error = vitrail("check", data, "--size", 16)
    assert (code, error) == (0, "")
    assert "Nothing to put right." in text
    row = ["training", "30", "3", "10 – 10", "16 – 16 (16)", "20 – 20 (20)"]
    assert text.split("\n")[1].split() == " ".join(row).split()


def test_what_would_spoil_training_exits_with_1_and_is_named(vitrail, data: Path) -> None:
    shutil.copy(data / "train" / "red" / "3.png", data / "val" / "red" / "copy.png")
    shutil.copy(data / "train" / "red" / "3.png", data / "train" / "blue" / "wrong.png")
    (data / "train" / "green" / "empty.png").touch()
    code, text, error = vitrail("check", data)
    assert (code, error) == (1, "")
    wanted = ("cannot be read: 1", "empty.png: an empty file", "both parts: 1", "two classes: 1", "wrong.png (blue)")
    assert [words for words in wanted if words not in text] == []
    assert "shorter than 32 pixels: 38" in text and "and 35 more" in text

    code, text, _ = vitrail("check", data, "--json")
    document = json.loads(text)
    assert (code, document["sound"]) == (1, False)
    assert document["counts"]["training"] == {"blue": 11, "green": 11, "red": 10}
    assert document["sizes"]["held out"]["width"] == {"min": 16, "median": 16, "max": 16}
    assert [row["level"] for row in document["findings"]] == ["error"] * 3 + ["warning"]
    assert len(document["findings"][-1]["cases"]) == 38
    assert document["findings"][0]["cases"][0]["names"] == [str(data / "train" / "green" / "empty.png")]


def test_a_picture_of_it(vitrail, data: Path) -> None:
    out = data / "set.png"
    assert vitrail("check", data, "--size", 1, "--out", out)[0] == 0
    with Image.open(out) as image:
        assert image.width > 1000


def test_digits_are_a_data_set_too(vitrail) -> None:
    code, text, _ = vitrail("check", "digits", "--size", 8, "--json")
    assert (code, json.loads(text)["sound"]) == (0, True)


def test_names_that_look_like_markup_are_shown_as_they_are(vitrail, tmp_path: Path) -> None:
    for name in ("[bold]", "$x$y$"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(3):
            Image.effect_noise((30 + number, 20), 90).convert("RGB").save(tmp_path / "set" / name / f"{number}.png")
    code, text, _ = vitrail("check", tmp_path / "set", "--out", tmp_path / "$a$.png")
    assert code == 0
    assert "[bold]: 2" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere", "nowhere: no such"),
        ("bare", "bare"),
        ("digits --out new/set.png", "a .png file in a folder that exists"),
    ],
)
def test_a_set_that_cannot_be_opened_is_one_line(
    vitrail, arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bare").mkdir()
    code, out, error = vitrail("check", *arguments.split(" "))
    assert (code, out) == (2, "")
    assert error.startswith("error: ") and error.count("\n") == 1
    assert message in error
