"""`vitrail sample` and `eval` of a model of language, and what `models` and `info` say of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitrail.data.text_settings import TextPreprocessing
from vitrail.recipes import run
from vitrail.recipes.find import find
from vitrail.recipes.recipe import Model, Recipe, Text


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    (folder / "text.txt").write_text("the sea is all, and all the sea is near. " * 40)
    chosen: Recipe = find("train_text")
    recipe = Recipe(
        model=Model("iwin_lm_nano", overrides={"dim": 8, "depth": 1, "heads": 1, "stride": 4}),
        data=Text(str(folder / "text.txt")),
        optimizer=chosen.optimizer,
        epochs=1,
        batch=8,
        preprocessing=TextPreprocessing(length=16),
        augment=chosen.augment,
    )
    run.train(recipe, folder / "run", run.Options("cpu"))
    return folder / "run"


def test_a_text_goes_on(vitrail, trained: Path) -> None:
    given = ("sample", str(trained), "--prompt", "the ", "--count", "12", "--top-k", "3", "--seed", "1")
    code, text, _ = vitrail(*given)
    document = json.loads(vitrail(*given, "--json")[1])
    assert code == 0 and text == f"the {document['text']}\n" and len(document["tokens"]) == 12
    code, _, error = vitrail("sample", str(trained), "--classes", "all")
    assert code == 2 and "--classes is not for a model of language" in error
    code, _, error = vitrail("predict", str(trained), str(trained / "sample.txt"))
    assert code == 2 and "vitrail sample" in error


def test_eval_at_several_lengths(vitrail, trained: Path, tmp_path: Path) -> None:
    code, text, _ = vitrail("eval", str(trained), "--length", "16,64", "--out", str(tmp_path / "out"))
    assert code == 0 and "bits a byte" in text and "trained at 16" in text
    rows = json.loads((tmp_path / "out" / "evaluation.json").read_text())["lengths"]
    assert [row["length"] for row in rows] == [16, 64] and rows[0]["tokens"] == rows[1]["tokens"] == 128
    assert (tmp_path / "out" / "lengths.png").is_file()
    (tmp_path / "other.txt").write_bytes(b"another text, longer than one window \xff")
    found = json.loads(vitrail("eval", str(trained), "--data", str(tmp_path / "other.txt"), "--json")[1])
    assert [row["tokens"] for row in found["lengths"]] == [32, 32]
    for given, said in (("--length", "0"), "wanted tokens"), (("--views", "flip"), "--views is not for a model"):
        code, _, error = vitrail("eval", str(trained), *given)
        assert code == 2 and said in error


def test_models_and_info_of_language_and_of_generators(vitrail) -> None:
    assert "a line of 1024 tokens" in vitrail("models", "iwin_lm_n*")[1]
    code, text, _ = vitrail("info", "iwin_lm_nano", "length=512", "--classes", "65")
    assert code == 0 and text.startswith("iwin_lm_nano: ") and "for a line of 512 tokens" in text
    code, text, _ = vitrail("info", "flashdit_nano_1")
    assert code == 0 and "flashdit_nano_1 at 16 x 16" in text
    code, _, error = vitrail("info", "iwin_lm_nano", "--size", "32")
    assert code == 2 and "leave size" in error
