"""`vitrail eval` and `vitrail predict` of a model of clips, as a shell calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("av", reason="the extra `video` is not installed")

from small_clips import film, folder, kept


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("weights") / "c.safetensors")


def test_predict_tells_and_draws(vitrail, weights: Path, tmp_path: Path) -> None:
    one, frames = film(tmp_path / "in" / "a.mp4", 20), folder(tmp_path / "in" / "frames")
    code, text, error = vitrail("predict", weights, one, "--device", "cpu", "--top", 1, "--out", tmp_path / "a.png")
    assert code == 0 and text.startswith(f"{one}   ") and text.count("%") == 1 and "drawn in" in error
    code, text, _ = vitrail("predict", weights, one, frames, "--json", "--views", "2x3", "--out", tmp_path / "new")
    rows = json.loads(text)
    assert code == 0 and [row["frames"] for row in rows] == [20, 12]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.mp4", "a.png", "frames.mp4", "frames.png"]
    code, text, _ = vitrail("predict", weights, tmp_path / "in", "--json")
    assert [row["file"] for row in json.loads(text)] == [str(one)]


def test_eval_measures_and_writes(vitrail, weights: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("falling", "jumping", "running")):
        film(tmp_path / "data" / name / "x.mp4", 10, seed=number)
    arguments = ("eval", weights, "--data", tmp_path / "data", "--device", "cpu", "--workers", 0, "--views", "2x1")
    code, text, error = vitrail(*arguments, "--out", tmp_path / "out")
    assert code == 0 and "of 3 videos" in text and "written in" in error
    document = json.loads(vitrail(*arguments, "--json")[1])
    assert document == json.loads((tmp_path / "out" / "evaluation.json").read_text()) and document["views"] == "2x1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict {weights} {image}", "is a picture, and this model looks at videos"),
        ("predict {weights} {words}", "not a readable video"),
        ("predict {weights} {words} --json --out {here}/x.png", "not a readable video"),
        ("predict {weights} {words} --views ten", "wanted clips x crops"),
        ("predict {weights} {words} --tile 30", "--tile is not for a classifier of videos; it takes --top"),
        ("predict {weights} {words} --out {words}", "wanted a .mp4 file|is a video that is asked about"),
        ("predict {weights} {here}/none.mp4", "no such file"),
        ("predict {weights} {here}/empty", "no videos in it"),
        ("eval {weights}", "--data FOLDER"),
        ("eval {weights} --data {here}/empty", "no videos that vitrail knows"),
        ("eval {weights} --data {here}/empty --labels plain", "--labels is not for a classifier of videos"),
        ("eval {weights} --data moving", "this model has others"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(
    vitrail, arguments: str, message: str, weights: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "words.mp4").write_text("no video")
    (tmp_path / "empty").mkdir()
    given = arguments.format(weights=weights, image=tmp_path / "a.png", words=tmp_path / "words.mp4", here=tmp_path)
    code, out, error = vitrail(*given.split(" "))
    assert (code, out) == (2, "")
    assert any(each in error for each in message.split("|")), error
    assert error.startswith("error: ") and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "empty", "words.mp4"]
