"""`vitrail tables`: three formats and a table, what it refuses, speeds beside printed ones."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from pathlib import Path

import pytest

from vitrail.insight import printed_swin, rates, tables
from vitrail.insight.costs import network
from vitrail.insight.printed import Printed

NANO = network("swin_nano", size=(32, 32), num_classes=10)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some small papers."""
    speedy = Printed("iwin", "I", "a: nano [x]", NANO, "0.5", "0.1", "1000")
    monkeypatch.setitem(tables.PAPERS, "iwin", [speedy])
    monkeypatch.setitem(tables.PAPERS, "swin", [row for row in printed_swin.ROWS if row.row == "Swin-T 224"])
    monkeypatch.setitem(tables.PAPERS, "scalablevit", [])


def test_a_table_names_the_paper_the_row_and_both_figures(vitrail) -> None:
    code, text, error = vitrail("tables", "swin")
    assert (code, error) == (0, "")
    lines = [line.split() for line in text.splitlines()]
    assert ["Swin,", "table", "1a"] in lines
    start = ["Swin-T", "224", "swin_tiny", "parameters,", "M"]
    assert [*start, "29", "28.29", "-2.45%", "unexplained"] in lines
    assert ["multiply-adds,", "G", "4.5", "4.491", "-0.21%"] in lines
    assert "1 of 2 figures are within 1 %; beyond: 1 unexplained." in text


def test_a_narrow_terminal_shows_every_figure_whole(vitrail, monkeypatch: pytest.MonkeyPatch) -> None:
    import rich.console

    narrow = partial(rich.console.Console, force_terminal=True, color_system=None)
    monkeypatch.setattr(rich.console, "Console", lambda **more: narrow(**{**more, "width": 100}))
    text = vitrail("tables")[1]
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "a: nano [x]" in text and "-2.45%" in text and "swin_tiny" not in text


def test_formats_on_the_terminal_and_in_a_file(vitrail, tmp_path: Path) -> None:
    rows = json.loads(vitrail("tables", "swin", "--json")[1])["rows"]
    assert [(row["quantity"], row["printed"], row["unit"]) for row in rows] == [
        ("parameters", 29.0, "M"),
        ("multiply-adds", 4.5, "G"),
    ]
    lines = [*csv.DictReader(io.StringIO(vitrail("tables", "swin", "--csv")[1]))]
    assert [line["ours"] for line in lines] == [str(rows[0]["ours"]), str(round(rows[1]["ours"], 6))]
    said = vitrail("tables", "swin", "--markdown")[1]
    assert "| Swin-T 224 | `swin_tiny` | parameters, M | 29 | 28.29 | -2.45% | unexplained |" in said
    for name, flag in (("a.md", []), ("b.txt", ["--markdown"])):
        code, text, error = vitrail("tables", "swin", "--out", tmp_path / name, *flag)
        assert (code, text, error) == (0, "", f"written in {tmp_path / name}\n")
        assert (tmp_path / name).read_text() == said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vit"], "'vit'. There are iwin, swin, scalablevit."),
        (["--json", "--csv"], "--json and --csv: one format at a time"),
        (["--out", "x.pdf"], "x.pdf: .json, .csv or .md is wanted"),
        (["--out", "nowhere/x.md"], "nowhere: no such folder"),
        (["--json", "--out", "."], ". is a folder"),
        (["swin", "--throughput"], "swin's rows have no speeds"),
    ],
)
def test_refusals_in_one_line(vitrail, arguments, message, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    code, text, error = vitrail("tables", *arguments)
    assert (code, text) == (2, "")
    assert message in error and error.count("\n") == 1
    assert not [*tmp_path.iterdir()]


def test_speeds_beside_the_printed_ones(vitrail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "LEAST", 0.0)
    monkeypatch.setattr(rates, "ROUNDS", 1)
    document = json.loads(vitrail("tables", "iwin", "--throughput", "--json")[1])
    speed = document["rows"][-1]
    assert (speed["quantity"], speed["printed"], speed["unit"]) == ("images a second", 1000.0, "img/s")
    assert speed["ours"] > 0 and speed["difference"] is speed["note"] is None
    assert document["measured"]["machine"] and document["measured"]["notes"] == []
    _, text, error = vitrail("tables", "iwin", "--throughput", "--csv")
    assert "Images a second: printed on NVIDIA V100 (iwin); ours on" in error and error.count("\n") == 1
    assert text.count("\n") == 4
    assert "ours on" in vitrail("tables", "iwin", "--throughput")[1]


def test_a_network_that_does_not_run_is_said_and_left_out(vitrail, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object) -> float:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(rates, "_rate", out_of_memory)
    code, text, error = vitrail("tables", "iwin", "--throughput", "--csv")
    assert code == 0
    assert "not measured: swin_nano --size 32x32 --classes 10: out of memory\n" in error
    assert text.splitlines()[-1].split(",")[6] == ""
