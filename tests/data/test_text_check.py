"""Texts looked at before training: what is found in them, and what is not there to be found."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from vitrail.data import text_check, text_overlap
from vitrail.data.check import HELD_OUT, TRAINING
from vitrail.data.text_check import TextReport, report
from vitrail.data.text_codes import Bytes
from vitrail.data.text_files import open_texts
from vitrail.data.text_overlap import Passage, passages
from vitrail.data.text_set import Texts
from vitrail.data.text_shards import write
from vitrail.errors import InputError
from words import TEXT, tokenizer_json

DRAWN = random.Random(0)
LETTERS = "".join(DRAWN.choice("abcdefghij klmn") for _ in range(3000))


def folder(root: Path, **files: str | bytes) -> Path:
    root.mkdir(exist_ok=True)
    for name, content in files.items():
        (root / f"{name}.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def said(found: TextReport) -> dict[str, tuple[str, list[str]]]:
    return {finding.what: (finding.level, [case.line for case in finding.cases]) for finding in found.findings}


@pytest.mark.parametrize("tokens", ["bytes", "characters"])
def test_what_a_sound_text_holds(tmp_path: Path, tokens: str) -> None:
    content = LETTERS + "é€🙂" * 9 + LETTERS[:1000][::-1]
    folder(tmp_path / "t", a=content)
    found = report(tmp_path / "t", tokens, 0.2, 100)
    both = open_texts(tmp_path / "t", tokens, 0.2)
    assert found.sound and found.findings == () and found.copied == 0 and found.kind == tokens
    for part, texts in zip((TRAINING, HELD_OUT), both, strict=True):
        text = texts.codes.decode(texts.read(0, len(texts)))
        part_of = found.parts[part]
        assert (part_of.files, part_of.bytes, part_of.characters) == (1, len(text.encode()), len(text))
        assert part_of.tokens == len(texts)
        assert part_of.counts == tuple(np.bincount(texts.read(0, len(texts)), minlength=texts.vocabulary))


def test_shards_and_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    root = folder(tmp_path / "t", a="low lowest newer " * 9 + TEXT, val="newer low " * 9)
    found = report(root, str(tmp_path / "tokenizer.json"), length=8)
    part = found.parts[TRAINING]
    assert part.characters == 17 * 9 + len(TEXT) and part.bytes == 17 * 9 + len(TEXT.encode())
    both = open_texts(root, str(tmp_path / "tokenizer.json"))
    assert part.tokens == len(both[0]) < 17 * 9
    write(tmp_path / "packed", *both, most=20)
    packed = report(tmp_path / "packed", length=8)
    assert packed.parts[TRAINING].counts == part.counts and packed.parts[TRAINING].characters is None
    assert packed.kind == "tokenizer" and packed.parts[TRAINING].files > 1


def test_each_thing_that_is_wrong_is_named_with_its_file(tmp_path: Path) -> None:
    root = folder(
        tmp_path / "t",
        a=LETTERS,
        b=LETTERS,
        latin=b"caf\xe9",
        nothing="",
        val=LETTERS[500:1000] + "ZZÄ and more, all of it new: " + LETTERS[::-1][:600],
    )
    found = report(root, "characters", length=100)
    findings = said(found)
    assert not found.sound
    assert findings.pop("files that are not UTF-8") == (
        "error",
        [f"{root / 'latin.txt'}: byte 4, 0xe9, is no UTF-8; save it so, or take bytes."],
    )
    assert findings.pop("the same file more than once in a part") == (
        "warning",
        [f"{root / 'a.txt'} = {root / 'b.txt'}"],
    )
    assert findings.pop("files without a character") == ("warning", [str(root / "nothing.txt")])
    level, strangers = findings.pop("characters of the held-out text that the training text lacks")
    assert level == "warning" and strangers[0] == "'Z': 2 times" and "'Ä': 1 times" in strangers
    ((what, (level, lines)),) = findings.items()
    assert what.startswith("passages of the held-out text that stand in the training text") and level == "error"
    assert lines[0].startswith("tokens 0 to 448 = 500 to 948: ")
    assert found.copied == pytest.approx(448 / found.parts[HELD_OUT].tokens)

    as_bytes = said(report(root, "bytes", length=100))
    assert as_bytes["files that are not UTF-8"][0] == "note"  # bytes take any file


def test_a_copied_file_is_an_error(tmp_path: Path) -> None:
    findings = said(report(folder(tmp_path / "t", a=LETTERS, val=LETTERS), length=100))
    assert findings["the same file in both parts"] == (
        "error",
        [f"{tmp_path / 't' / 'a.txt'} = {tmp_path / 't' / 'val.txt'}"],
    )


@pytest.mark.parametrize(
    ("files", "what", "lines"),
    [
        ({"a": LETTERS, "val": "short, but not sweet"}, "parts shorter than a window of 64 tokens", ["held out: 20 "]),
        ({"a": LETTERS[:300], "val": LETTERS[-64:]}, "parts shorter than a window of 64 tokens", ["held out: 64 "]),
        ({"a": "x"}, "parts without text", ["held out"]),
        ({"a": LETTERS, "val": ""}, "parts without text", ["held out"]),
        ({"a": "", "val": LETTERS}, "parts without text", ["training"]),
        ({"a": ""}, "parts without text", ["training", "held out"]),
    ],
)
def test_a_part_that_is_missing_or_too_short(
    tmp_path: Path, files: dict[str, str], what: str, lines: list[str]
) -> None:
    level, cases = said(report(folder(tmp_path / "t", **files), length=64))[what]
    assert level == "error" and len(cases) >= len(lines)
    assert all(case.startswith(line) for case, line in zip(cases[-len(lines) :], lines, strict=True))


def test_a_part_of_one_window_is_enough(tmp_path: Path) -> None:
    root = folder(tmp_path / "t", a=LETTERS[:300], val=LETTERS[-64:])
    assert report(root, length=63).sound and not report(root, length=64).sound


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "t", a=LETTERS, b=LETTERS[:1500])

    def damaged(path: Path) -> bytes:
        if path.name == "b.txt":
            raise InputError(f"{path}: cannot be read (Input/output error).")
        return path.read_bytes()

    monkeypatch.setattr(text_check, "read_bytes", damaged)
    found = report(root, length=100)
    assert said(found) == {
        "files that cannot be read": ("error", [f"{root / 'b.txt'}: cannot be read (Input/output error)."])
    }
    assert found.parts[TRAINING].tokens + found.parts[HELD_OUT].tokens == 3000


def test_what_cannot_be_looked_at_is_one_line(tmp_path: Path) -> None:
    root = folder(tmp_path / "t", a=LETTERS)
    for message, given in (
        ("no text in it", (folder(tmp_path / "empty"),)),
        ("no such folder", (tmp_path / "nowhere",)),
        ("tokens='words'", (root, "words")),
        ("held_out=1", (root, "bytes", 1.0)),
    ):
        with pytest.raises(InputError, match=message):
            report(*given)  # type: ignore[arg-type]


def slow(training: str, held_out: str) -> set[int]:
    """Pieces that stand in the training text, looked for one by one."""
    pieces = range(0, len(held_out) - 63, 64)
    return {
        start
        for start in pieces
        if len(set(held_out[start : start + 64])) > 7 and held_out[start : start + 64] in training
    }


def lines(text: str) -> Texts:
    return Texts([np.frombuffer(text.encode(), np.uint8)], ["t"], Bytes(), "t")


@pytest.mark.parametrize("chunk", [97, 1 << 20])
def test_passages_are_what_a_slow_search_finds(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(text_overlap, "CHUNK", chunk)
    drawn = random.Random(1)
    new = ["".join(drawn.choice("opqrstuvwxyz") for _ in range(n)) for n in (70, 200, 33)]
    held_out = new[0] + LETTERS[100:420] + new[1] + LETTERS[2000:2063] + new[2] + "-" * 200 + LETTERS[-130:]
    training = LETTERS[:1500] + "-" * 300 + LETTERS[1500:]
    found = passages(lines(training), lines(held_out))
    pieces = {start for one in found for start in range(one.start, one.start + one.count, 64)}
    assert pieces == slow(training, held_out) and len(pieces) >= 5
    for one in found:
        assert held_out[one.start : one.start + one.count] == training[one.source : one.source + one.count]
    assert found[0] == Passage(128, 158, 256)
    assert passages(lines(LETTERS[:40]), lines(LETTERS)) == [] == passages(lines(LETTERS), lines(LETTERS[:40]))
