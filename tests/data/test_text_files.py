from __future__ import annotations

from pathlib import Path

import pytest

from vitrail.data.text_codes import Characters
from vitrail.data.text_files import open_held_out, open_texts
from vitrail.errors import InputError
from words import tokenizer_json


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def texts(root: Path, tokens: str = "bytes", **more) -> tuple[str, str]:
    return tuple(part.codes.decode(part.read(0, len(part))) for part in open_texts(root, tokens, **more))


@pytest.mark.parametrize(
    ("files", "training", "held_out"),
    [
        ({"a.txt": "0123456789"}, "012345678", "9"),
        ({"b.txt": "56789", "a.txt": "01234"}, "012345678", "9"),
        ({"a.txt": "abc", "val.txt": "xyz"}, "abc", "xyz"),
        ({"a.txt": "abc", "validation-01.md": "xyz", "sub/b.text": "def"}, "abcdef", "xyz"),
        ({"input.txt": "abcxyz", "train.txt": "abc", "val.txt": "xyz"}, "abc", "xyz"),
        ({"train/1.txt": "abc", "train/2.txt": "def", "val/1.txt": "xyz", "test/1.txt": "uvw"}, "abcdef", "xyz"),
        ({"a.txt": "abc", "valour.txt": "xyz", ".hidden.txt": "q", "b.py": "q", "val_1.txt": "u"}, "abcxyz", "u"),
    ],
)
@pytest.mark.parametrize("tokens", ["bytes", "characters"])
def test_what_is_for_training_and_what_is_held_out(tmp_path, files, training, held_out, tokens):
    assert texts(write(tmp_path, files), tokens) == (training, held_out)


def test_one_file_of_any_name_and_another_share(tmp_path):
    root = write(tmp_path, {"val": "0123456789"}) / "val"
    assert texts(root, held_out=0.3) == ("0123456", "789")


def test_characters_are_those_of_both_parts(tmp_path):
    training, held_out = open_texts(write(tmp_path, {"a.txt": "cab", "val.txt": "dé"}), "characters")
    assert training.codes.alphabet == "abcdé" and held_out.vocabulary == 5
    assert training.read(0, 3).tolist() == [2, 0, 1]


def test_a_tokenizers_file(tmp_path):
    write(tmp_path, {"t.json": tokenizer_json(), "text/a.txt": "low lowest newer " * 9})
    training, held_out = open_texts(tmp_path / "text", str(tmp_path / "t.json"))
    assert training.codes.decode(training.read(0, len(training))).startswith("low lowest newer low")
    assert len(training) + len(held_out) < 17 * 9


def test_measuring_takes_the_models_own_tokens(tmp_path):
    root = write(tmp_path, {"a.txt": "cab", "val.txt": "bb"})
    assert open_held_out(root, Characters("xab")).read(0, 2).tolist() == [2, 2]
    assert open_held_out(root / "a.txt", Characters("cab")).read(0, 3).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"val.txt: character 1, 'b' \(U\+0062\), is none of the 2 of the alphabet"):
        open_held_out(root, Characters("xa"))


def test_tiny_shakespeare(shared_data):
    training, held_out = open_texts(shared_data / "text" / "tinyshakespeare", "characters")
    assert (len(training), len(held_out), training.vocabulary) == (1_003_854, 111_540, 65)
    assert training.codes.decode(training.read(0, 14)) == "First Citizen:"


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ({"a.txt": ""}, {}, "no text in it"),
        ({"a.txt": ""}, {"tokens": "characters"}, "a.txt: no text in it"),
        ({"a.txt": "a"}, {}, "1 tokens are too few to hold 0.1 of them out"),
        ({"a.csv": "a"}, {}, r"no text in it \(.txt, .text, .md\)"),
        ({"val.txt": "a"}, {}, "holds val.txt and nothing to train on"),
        ({"a.txt": "abc", "val.txt": ""}, {}, "no text in it"),
        ({"a.txt": b"ab\xe9c"}, {"tokens": "characters"}, "a.txt: byte 3, 0xe9, is no UTF-8"),
        ({"a.txt": "abc"}, {"tokens": "words"}, "tokens='words': bytes, characters or the path of a tokenizer.json"),
        ({"a.txt": "abc", "t.json": "[]"}, {"tokens": "t.json"}, "t.json is no file of the tokenizers library"),
        ({"a.txt": "abc"}, {"held_out": 1.0}, "held_out=1.0"),
        ({"a.txt": "abc"}, {"root": "b"}, "no such folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, monkeypatch, files, arguments, message):
    monkeypatch.chdir(write(tmp_path, files))
    with pytest.raises(InputError, match=message) as caught:
        open_texts(**{"root": Path(), **arguments})
    assert "\n" not in str(caught.value)
