"""What a run writes down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitrail.train import record
from vitrail.train.record import Record


def test_lines_and_the_summary_come_back(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    book = Record(tmp_path)
    for epoch in (1, 2, 3):
        book.add({"epoch": epoch, "loss": 1 / epoch})
    book.say("[3/3] a line that is not wrapped however long it becomes " + 20 * "........")
    book.close({"top1": 0.5})
    assert [row["epoch"] for row in record.read(tmp_path)] == [1, 2, 3]
    assert json.loads((tmp_path / "summary.json").read_text()) == {"top1": 0.5}
    assert capsys.readouterr().out.count("\n") == 1


def test_resuming_drops_what_runs_again_and_a_line_cut_off(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    book = Record(tmp_path, finished=1)
    book.add({"epoch": 2, "again": True})
    assert record.read(tmp_path) == [{"epoch": 1}, {"epoch": 2, "again": True}]
    Record(tmp_path)
    assert record.read(tmp_path) == []


def test_other_processes_write_and_say_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    book = Record(tmp_path, first=False)
    book.add({"epoch": 1})
    book.say("line")
    book.close({})
    assert not list(tmp_path.iterdir())
    assert not capsys.readouterr().out


def test_tracking_gives_the_items(tmp_path: Path) -> None:
    assert list(record.track(iter("abc"), 3, "letters")) == ["a", "b", "c"]
