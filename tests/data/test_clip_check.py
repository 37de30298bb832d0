"""Videos looked at before training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import films
from vitrail.cli.main import app
from vitrail.data import clip_layouts
from vitrail.data.check import HELD_OUT, TRAINING
from vitrail.data.clip_check import ClipReport, looks, report

pytest.importorskip("av", reason="the extra `video` is not installed")


@pytest.fixture(scope="module")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, one video of each kind of flaw."""
    root = tmp_path_factory.mktemp("flawed")
    for number, name in enumerate(("train/a/0.mp4", "train/a/1.mp4", "train/b/2.mp4", "val/a/3.mp4", "val/b/4.mp4")):
        film = films.numbered(70 + number)[:, :, ::-1] if number % 2 else films.numbered(70 + number)
        films.write(root / name, np.ascontiguousarray(film), options={"preset": "ultrafast"}, rate=25 + number % 2 * 5)
    shutil.copy(root / "train/a/0.mp4", root / "val/a/copy.mp4")
    shutil.copy(root / "train/a/1.mp4", root / "train/b/twin.mp4")
    (root / "train/a/torn.mp4").write_bytes((root / "train/a/0.mp4").read_bytes()[:1500])
    films.write(root / "train/b/small.mp4", films.numbered(9, 20, 64)[:, :, :64], options={"preset": "ultrafast"})
    return root


@pytest.fixture(scope="module")
def found(flawed: Path) -> ClipReport:
    training, held_out = clip_layouts.open_split(flawed)
    return report(looks(training, held_out), training.classes)


def test_what_would_spoil_training_is_found(found: ClipReport) -> None:
    cases = {(finding.level, finding.what): [case.line for case in finding.cases] for finding in found.findings}
    assert not found.sound
    assert [list(cases)[place][0] for place in (0, -1)] == ["error", "note"]
    (torn,) = cases["error", "videos that cannot be read"]
    assert "torn.mp4: not a readable video" in torn
    (both,) = cases["error", "the same video in both parts"]
    assert "0.mp4" in both and "copy.mp4" in both
    (twin,) = cases["error", "the same video in two classes"]
    assert "1.mp4 (a)" in twin and "twin.mp4 (b)" in twin
    assert ["small.mp4: 64 x 20" in line for line in cases["warning", "videos with a side shorter than 32 pixels"]] == [
        True
    ]
    assert ["small.mp4: 9" in line for line in cases["note", "videos of fewer than 64 frames"]] == [True]
    assert not any("picture" in what for _, what in cases)


def test_what_they_are_like_is_counted(found: ClipReport) -> None:
    assert found.counts == {TRAINING: (3, 3), HELD_OUT: (2, 1)}
    assert sorted(found.frames[TRAINING]) == [9, 70, 71, 71, 72]
    assert sorted(found.seconds[HELD_OUT]) == pytest.approx(sorted([70 / 25, 73 / 30, 74 / 25]))
    assert found.sizes[HELD_OUT] == ((72, 40),) * 3
    assert found.codecs == {"h264": 8}
    assert found.rates == {25.0: 5, 30.0: 3}


def test_real_clips_are_sound(shared_data: Path) -> None:
    training, held_out = clip_layouts.open_split(shared_data / "video" / "clips11")
    few = report(looks(training.chosen(range(0, 96, 12)), held_out.chosen(range(0, 42, 7))), training.classes)
    assert not any(finding.what == "videos that cannot be read" for finding in few.findings)
    assert set(few.frames[TRAINING]) == {20}


def test_the_command_says_it(flawed: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["check", str(flawed), "--json", "--out", str(tmp_path / "a.png")])
    assert run.exit_code == 1, run.output
    said = json.loads(run.stdout)
    assert (said["layout"], said["sound"], said["codecs"]) == ("videos", False, {"h264": 8})
    assert said["frames"][TRAINING] == {"min": 9, "median": 71, "max": 72}
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.size[0] > 500
    shown = CliRunner().invoke(app, ["check", str(flawed)])
    assert shown.exit_code == 1
    assert "h264: 8; 25 a second: 5, 30 a second: 3" in shown.output
    assert "the same video in both parts: 1" in shown.output


def test_folders_of_frames_are_looked_at_too(tmp_path: Path) -> None:
    lines = []
    for name, target in (("x", 0), ("y", 1), ("z", 0), ("w", 1)):
        (tmp_path / name).mkdir()
        for number in range(1, 4):
            Image.fromarray(films.numbered(90)[ord(name) % 80 + number]).save(tmp_path / name / f"img_{number:05}.png")
        lines.append(f"{name} {4 if name == 'w' else 3} {target}")
    (tmp_path / "train.txt").write_text("\n".join(lines[:2]))
    (tmp_path / "val.txt").write_text("\n".join(lines[2:]))
    training, held_out = clip_layouts.open_split(tmp_path)
    found = report(looks(training, held_out), training.classes, span=3)
    (unread,) = (finding for finding in found.findings if finding.what == "videos that cannot be read")
    assert [Path(case.names[0]).name for case in unread.cases] == ["w"]
    assert "img_00004.png" in unread.cases[0].line
    assert (found.codecs, found.rates) == ({"png": 3}, {})
