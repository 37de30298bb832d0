"""`vitrail ablate`: its tables, its JSON, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from vitrail.insight import ablate as room
from vitrail.insight.ablation_plan import One, from_dict, sha256, to_dict

PLAN = {"recipe": "demo", "variants": {"A": [], "B": ["optimizer.lr=1e-4"]}, "seeds": [0], "orderings": ["A > B"]}


def folder(path: Path) -> Path:
    """A plan, and an ablation of it in which nothing has ended."""
    (path / "plan.json").write_text(json.dumps(PLAN))
    (path / "out").mkdir()
    plan = from_dict(PLAN)
    begun = {"sha256": sha256(plan), "at": "now", "plan": to_dict(plan)}
    (path / "out" / room.BEGUN).write_text(json.dumps(begun))
    return path


def test_the_report_alone(vitrail, tmp_path: Path) -> None:
    folder(tmp_path)
    asked = ("ablate", tmp_path / "plan.json", "--out", tmp_path / "out", "--report")
    code, text, error = vitrail(*asked)
    assert (code, error) == (0, f"{tmp_path / 'out/report.html'}: the report, its pictures inside\n")
    assert ["A", ">", "B", "not", "resolved", "not", "resolved"] in [line.split() for line in text.splitlines()]
    assert "0 of 2 runs have ended; all of this is provisional." in text
    code, text, _ = vitrail(*asked, "--json")
    assert code == 0 and json.loads(text) == json.loads((tmp_path / "out" / "report.json").read_text())


def test_a_failed_run_is_exit_code_1_and_the_report_is_written(vitrail, tmp_path: Path, monkeypatch) -> None:
    folder(tmp_path)
    outcome = room.Outcome(failed={One("A", 0): "no room"})
    given = []
    monkeypatch.setattr(room, "ablate", lambda *arguments: given.append(arguments) or outcome)
    options = ("--data", "digits", "--jobs", 2, "--only", "A", "--only", "B", "--workers", 0)
    code, _, _ = vitrail("ablate", tmp_path / "plan.json", "--out", tmp_path / "out", *options)
    assert code == 1 and (tmp_path / "out" / "report.html").is_file()
    assert given[0][2] == room.Options("digits", 2, 0, "auto", ("A", "B"))


def test_what_cannot_be_is_one_line(vitrail, tmp_path: Path) -> None:
    code, _, error = vitrail("ablate", "iwin_table", "--out", tmp_path / "out")
    assert code == 2 and error.count("\n") == 1 and "Nearest: iwin_table_7" in error
    code, _, error = vitrail("ablate", "iwin_table_7", "--out", tmp_path / "out")
    assert code == 2 and error.count("\n") == 1 and "--data" in error
    assert not (tmp_path / "out").exists()
