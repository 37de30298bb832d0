"""`vitrail eval` and `vitrail predict` of a detector, as a shell calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import boxed
from small_detectors import kept, picture, size_of


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("weights") / "d.safetensors", "mask_rcnn_swin_nano", thresholds=[0.4, 0.5])


def test_predict_tells_and_draws(vitrail, weights: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        picture(seed=seed).save(tmp_path / f"{seed}.png")
    one = tmp_path / "0.png"
    code, text, error = vitrail("predict", weights, one, "--device", "cpu", "--out", tmp_path / "drawn.png")
    assert code == 0 and text.startswith(f"{one}   3 things: 2 dog, 1 cat") and "drawn in" in error
    assert size_of(tmp_path / "drawn.png") == (900, 628)
    code, text, _ = vitrail("predict", weights, tmp_path / "0.png", tmp_path / "1.png", "--json", "--score", 0.5)
    rows = json.loads(text)
    assert [Path(row["file"]).name for row in rows] == ["0.png", "1.png"]
    assert all(thing["score"] >= 0.5 and thing["mask"]["size"] == [37, 53] for row in rows for thing in row["things"])
    choices = ("--tile", 30, "--overlap", 0.3, "--views", "flip", "--sides", "48,64", "--out", tmp_path / "new")
    assert vitrail("predict", weights, one, tmp_path / "1.png", *choices)[0] == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["0.png", "1.png"]


def test_eval_shows_twelve_numbers_and_classes(vitrail, weights: Path, tmp_path: Path) -> None:
    data = boxed.coco(tmp_path / "data")
    arguments = ("eval", weights, "--data", data, "--device", "cpu", "--workers", 0)
    code, text, _ = vitrail(*arguments, "--out", tmp_path / "out")
    assert code == 0 and "masks" in text and "ARl" in text and "of 3 pictures" in text
    document = json.loads(vitrail(*arguments, "--json")[1])
    assert document == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    code, text, _ = vitrail("eval", "--results", tmp_path / "out" / "results.json", "--data", data, "--json")
    assert code == 0 and json.loads(text)["AP50"] == pytest.approx(document["AP50"], abs=1e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict {weights} {image} --top 3", "--top is not for a detector of boxes; it takes --score"),
        ("predict {weights} {image} --sides 12,x", "such as 640,800,1024"),
        ("predict {weights} {image} --views ten", "none of one, flip, scales, all"),
        ("predict {weights} {image} --overlap 0.2", "--tile PIXELS"),
        ("predict {weights} {image} --out {image}/x", "is a file"),
        ("eval {weights}", "--data FOLDER"),
        ("eval", "wanted a RUN or a weights FILE"),
        ("eval {weights} --results none.json", "wanted a RUN or a weights FILE"),
        ("eval --results none.json", "--data FILE.json"),
        ("eval {weights} --data digits --labels subset", "--labels is not for a detector of boxes"),
        ("eval {weights} --data digits --against none", "digits: no such folder"),
        ("eval {weights} --data {data} --batch 4", "--batch is not for a detector of boxes"),
        ("eval {weights} --data {data} --against {data}", "is no run"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(
    vitrail, arguments: str, message: str, weights: Path, tmp_path: Path
) -> None:
    picture().save(tmp_path / "a.png")
    data = boxed.coco(tmp_path / "data")
    given = arguments.format(weights=weights, image=tmp_path / "a.png", data=data)
    code, out, error = vitrail(*given.split(" "))
    assert (code, out) == (2, "")
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "data"]
