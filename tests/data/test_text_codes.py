from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from vitrail.data.text_codes import Bytes, Characters, Tokenizer, dtype_of, from_document, open_tokenizer
from vitrail.errors import InputError
from words import TEXT, tokenizer_json


def test_bytes_there_and_back():
    codes = Bytes()
    tokens = codes.encode(TEXT.encode(), "x")
    assert tokens.tolist() == list(TEXT.encode())
    assert codes.decode(tokens) == codes.decode(torch.from_numpy(tokens.copy()).long()) == TEXT
    assert codes.decode([0xE6, 0x9D]) == "\ufffd"
    assert codes.encode(b"\xff\x00", "x").tolist() == [255, 0]


def test_characters_there_and_back():
    codes = Characters.of(["ba", TEXT])
    assert codes.alphabet == "".join(sorted(set(TEXT + "ab")))
    assert codes.decode(codes.encode(TEXT.encode(), "x")) == TEXT
    assert codes.encode("\ufeffab".encode(), "x").tolist() == [codes.alphabet.index("a"), codes.alphabet.index("b")]
    odd = Characters("zay")  # numbered as given, not sorted
    assert odd.encode(b"yza", "x").tolist() == [2, 0, 1] and odd.decode([2, 0, 1]) == "yza"


def test_a_tokenizer_there_and_back(tmp_path):
    (tmp_path / "t.json").write_text(tokenizer_json(), encoding="utf-8")
    codes = open_tokenizer(tmp_path / "t.json")
    tokens = codes.encode(TEXT.encode(), "x")
    assert codes.decode(tokens) == TEXT and tokens.max() < codes.vocabulary
    assert len(codes.encode(b"lowest newest", "x")) < len("lowest newest")
    assert len(codes.encode(b"", "x")) == 0


@pytest.mark.parametrize("kind", ["bytes", "characters", "tokenizer"])
def test_documents_there_and_back(kind):
    codes = {"bytes": Bytes, "characters": lambda: Characters("zay"), "tokenizer": lambda: Tokenizer(tokenizer_json())}[
        kind
    ]()
    again = from_document(codes.document(), "x")
    assert type(again) is type(codes) and again.vocabulary == codes.vocabulary
    assert again.document() == codes.document()
    assert again.encode(b"az", "x").tolist() == codes.encode(b"az", "x").tolist()


def test_the_narrowest_type():
    assert dtype_of(256) is np.uint16 and dtype_of(2**16) is np.uint16
    assert dtype_of(2**16 + 1) is np.uint32 and dtype_of(2**32) is np.uint32
    with pytest.raises(InputError, match="4294967297 tokens"):
        dtype_of(2**32 + 1)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (lambda: Characters("ab").encode("abé".encode(), "f.txt"), r"character 3, 'é' \(U\+00E9\), is none of the 2"),
        (lambda: Characters("ab").encode(b"ab\xff", "f.txt"), "f.txt: byte 3, 0xff, is no UTF-8; save it so, or"),
        (lambda: Characters(""), "An alphabet of 0 characters"),
        (lambda: Characters("aa"), "An alphabet of 2 characters"),
        (lambda: Tokenizer("{}", "t.json"), "t.json is no file of the tokenizers library"),
        (lambda: from_document({"kind": "words"}, "s"), "s: what it says of its tokens"),
        (lambda: from_document([], "s"), "s: what it says of its tokens"),
        (lambda: from_document({"kind": "characters"}, "s"), "s: what it says of its tokens"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(way, message):
    with pytest.raises(InputError, match=message) as caught:
        way()
    assert "\n" not in str(caught.value)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"needs tokenizers, which is missing: pip install 'vitrail\[text\]'"):
        Tokenizer("{}")
