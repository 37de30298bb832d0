"""`vitrail bench`: tables for people, JSON for programs, one line for every error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitrail.cli import bench
from vitrail.export import ways

QUICK = ["--size", 32, "--batch", 1, "--dtype", "float32", "--rounds", 5, "--least", 0, "--device", "cpu"]


def test_bench_as_tables_and_as_json(vitrail, tmp_path: Path) -> None:
    code, text, error = vitrail("bench", "iwin_nano", "--against", "swin_nano", *QUICK)
    assert (code, error) == (0, "")
    assert "infer, float32, batch 1, 32 x 32" in text
    assert "ratio: to swin_nano" in text
    names = [line.split()[0] for line in text.splitlines()[4:]]
    assert names == ["model", "iwin_nano", "swin_nano"]
    more = ["--out", tmp_path / "out", "--json"]
    code, text, error = vitrail("bench", "--against", "swin_nano", "iwin_nano", *QUICK, *more)
    document = json.loads(text)
    assert (code, document["peer"], len(document["rows"])) == (0, "swin_nano", 2)
    assert document["command"] == " ".join(map(str, ["vitrail bench --against swin_nano iwin_nano", *QUICK, "--json"]))
    assert json.loads((tmp_path / "out" / "bench.json").read_text()) == document


def test_growth_as_a_table(vitrail) -> None:
    usual = [*QUICK, "--growth", "--size", "32,32x64,64"]
    code, text, _ = vitrail("bench", "iwin_nano", "--against", "iwin_nano", *usual)
    assert code == 0
    last = text.splitlines()[-1].split()
    assert last[:5] == ["iwin_nano", "infer,", "float32,", "batch", "1"]
    assert [float(each) for each in last[5:]]


def test_what_was_typed_is_kept_without_the_folder() -> None:
    assert bench.typed(["bench", "a", "--out", "/some/where", "--json"]) == "vitrail bench a --json"
    assert bench.typed(["bench", "--out=/some/where", "a"]) == "vitrail bench a"


def test_a_missing_way_is_said_on_the_side(vitrail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "missing", lambda way, example: None if way == "eager" else f"{way} is not here")
    code, text, error = vitrail("bench", "swin_nano@all", "--against", "swin_nano", *QUICK)
    assert code == 0
    assert [line.split(": ")[1] for line in error.splitlines()] == ["swin_nano@compiled", "swin_nano@openvino"]
    assert "swin_nano" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["iwin_nono"], "No model is called 'iwin_nono'"),
        (["iwin_nano@fast"], "'fast' is none of"),
        (["iwin_nano@openvino", "--mode", "infer,train"], "openvino does not train"),
        (["--against", "iwin_nano@all"], "one way is wanted"),
        (["--rounds", "3"], "5 or more"),
        (["--dtype", "int8"], "dtype 'int8' is none of"),
        (["--mode", "export"], "mode 'export' is none of"),
        (["--batch", "1,two"], "batch 'two'"),
        (["--size", "wide"], "size 'wide'"),
        (["--growth", "--size", "32,64"], "3 sizes or more"),
    ],
)
def test_bench_refuses_in_one_line(vitrail, arguments: list[str], message: str) -> None:
    against = [] if "--against" in arguments else ["--against", "iwin_nano"]
    code, out, error = vitrail("bench", *QUICK, *against, *arguments)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert message in error


def test_bench_writes_over_no_file(vitrail, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, error = vitrail("bench", "iwin_nano", "--out", tmp_path / "file", *QUICK)
    assert (code, "is a file, wanted a folder" in error) == (2, True)
