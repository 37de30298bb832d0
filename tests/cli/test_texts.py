"""`vitrail sample` and `eval` of a model of language, and what `models` and `info` say of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vitrail.data.text_files import open_texts
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


def test_the_likeliest_and_the_same_for_a_seed(vitrail, trained: Path) -> None:
    """Whatever bytes a model writes, they come as text; a seed repeats them, another one does not."""
    given = ("sample", str(trained), "--count", "60", "--temperature", "3")
    first, again, other = (vitrail(*given, "--seed", seed)[1] for seed in ("1", "1", "2"))
    assert first == again != other and "\ufffd" in first
    narrow, least = vitrail(*given, "--top-p", "0.0001")[1], vitrail(*given, "--temperature", "0")[1]
    assert narrow == least != first
    document = json.loads(vitrail(*given, "--top-p", "0.5", "--top-k", "4", "--json")[1])
    assert (document["top_p"], document["top_k"], document["temperature"]) == (0.5, 4, 3.0)
    code, _, error = vitrail(*given, "--top-p", "0")
    assert code == 2 and error == "error: top_p=0.0: a share above 0, 1 at most, is wanted.\n"


def test_commands_for_pictures_say_what_takes_a_model_of_language(vitrail, trained: Path) -> None:
    run = str(trained)
    for given, wanted in (
        (("predict", run, str(trained / "curves.png")), "vitrail sample"),
        (("export", run, "--to", "onnx"), f"vitrail sample {run} --prompt"),
        (("export", "iwin_lm_nano", "--to", "onnx"), "vitrail train train_text model.name=iwin_lm_nano"),
        (("bench", "iwin_lm_nano@compiled"), "vitrail train train_text model.name=iwin_lm_nano"),
        (("bench", run), f"vitrail eval {run}"),
        (("compare", run), f"vitrail eval {run}"),
        (("train", "finetune", "--data", "digits", f"weights={run}"), "train train_text --data FILE weights="),
    ):
        code, out, error = vitrail(*given)
        assert (code, out) == (2, "") and error.startswith("error: ") and error.count("\n") == 1, given
        assert wanted in error, error


def test_check_of_texts(vitrail, tmp_path: Path) -> None:
    letters = "".join(chr(97 + number * number * 7 % 23) for number in range(300)) + " end. "
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "book.txt").write_text(letters * 3 + "é")
    (tmp_path / "t" / "val.md").write_text("Q and nothing more")
    code, text, error = vitrail("check", tmp_path / "t", "--tokens", "characters", "--length", "8")
    assert (code, error) == (0, "")
    assert text.split("\n")[1].split()[:5] == ["training", "1", "920", "919", "919"]
    assert "training text lacks: 4" in text and "'Q': 1 times" in text
    out = tmp_path / "set.png"
    code, text, _ = vitrail("check", tmp_path / "t", "--length", "64", "--json", "--out", out)
    document = json.loads(text)
    assert (code, document["sound"], document["vocabulary"], document["layout"]) == (1, False, 256, "texts")
    assert document["parts"]["held out"]["frequent"][0][1] == 3
    assert document["findings"][0]["what"] == "parts shorter than a window of 64 tokens"
    with Image.open(out) as image:
        assert image.width > 1000
    (tmp_path / "t" / "notes.text").write_bytes(b"\xff\xfe")
    assert vitrail("check", tmp_path / "t" / "book.txt", "--length", "8")[0] == 1  # what repeats is in both parts
    code, text, _ = vitrail("check", tmp_path / "t", "--tokens", "characters")
    assert code == 1 and "byte 1, 0xff, is no UTF-8" in text


def test_what_check_cannot_take_is_one_line(vitrail, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    for given, wanted in (
        (("check", tmp_path / "a.txt", "--tokens", "words"), "tokens='words'"),
        (("check", tmp_path / "a.txt", "--reduce"), "--reduce is for label maps"),
        (("check", tmp_path / "a.txt", "--clean", tmp_path / "new"), "--clean writes annotations"),
        (("check", "digits", "--length", "8"), "--length is for texts"),
        (("check", tmp_path / "b.txt"), "no such folder"),
    ):
        code, out, error = vitrail(*given)
        assert (code, out) == (2, "") and wanted in error and error.count("\n") == 1, given


def test_texts_are_packed_whole_or_not_at_all(vitrail, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("to be or not to be " * 40)
    packed = tmp_path / "packed"
    code, text, _ = vitrail("pack", tmp_path / "a.txt", packed, "--tokens", "characters", "--shard", "300")
    assert code == 0 and text == f"{packed}: 684 tokens to train on and 76 held out, of 7, in 4 files\n"
    for one, other in zip(open_texts(packed), open_texts(tmp_path / "a.txt", "characters"), strict=True):
        assert one.codes.document() == other.codes.document()
        assert one.read(0, len(one)).tolist() == other.read(0, len(other)).tolist()
    assert vitrail("check", packed, "--length", "64", "--json")[1].startswith('{\n "data"')
    (tmp_path / "b.txt").write_bytes(b"caf\xe9 " * 9)
    for given, wanted in (
        ((tmp_path / "a.txt", packed), "holds shards already"),
        ((packed, tmp_path / "new"), "wanted a text file"),
        ((tmp_path / "b.txt", tmp_path / "new", "--tokens", "characters"), "byte 4, 0xe9, is no UTF-8"),
        ((tmp_path / "a.txt", tmp_path / "new", "--held-out", "0"), "held_out=0.0"),
        ((tmp_path / "c.txt", tmp_path / "new"), "no such folder"),
    ):
        code, out, error = vitrail("pack", *given)
        assert (code, out) == (2, "") and wanted in error and error.count("\n") == 1, given
    assert not (tmp_path / "new").exists()


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
