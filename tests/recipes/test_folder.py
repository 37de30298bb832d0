"""The folder of a run: what is none of ours is not touched, and what a run holds is not lost."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny
from vitrail.errors import InputError
from vitrail.recipes import classifying, evaluation, run, use
from vitrail.recipes.find import of_run
from vitrail.recipes.recipe import Folder
from vitrail.train.files import held
from vitrail.train.record import read

OPTIONS = run.Options("cpu", workers=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folders(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    run.train(tiny.recipe(data, epochs=3), out, OPTIONS)
    return out


def copied(finished: Path, folder: Path) -> Path:
    return Path(shutil.copytree(finished, folder / "run"))


def test_somebody_elses_folder_is_left_alone(data: Path, finished: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "checkpoints").mkdir(parents=True)
    (project / "checkpoints" / "mine.pth").write_text("precious")
    for again, resume in ((False, None), (True, None), (False, "auto")):
        with pytest.raises(InputError, match="not empty and holds no run"):
            run.train(tiny.recipe(data), project, OPTIONS, resume, again)
    assert [path.name for path in project.rglob("*")] == ["checkpoints", "mine.pth"]
    with pytest.raises(InputError, match="is a file, wanted a folder"):
        run.train(tiny.recipe(data), project / "checkpoints" / "mine.pth", OPTIONS)
    slim = copied(finished, tmp_path)
    shutil.rmtree(slim / "checkpoints")
    with pytest.raises(InputError, match="holds a run already"):
        run.train(tiny.recipe(data), slim, OPTIONS)
    (slim / "checkpoints").mkdir()
    (slim / "checkpoints" / "mine.pth").write_text("precious")
    run.train(tiny.recipe(data, epochs=1), slim, OPTIONS, again=True)
    assert (slim / "checkpoints" / "mine.pth").is_file()


def test_a_run_without_its_best_state_can_still_be_finished(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = copied(finished, tmp_path)
    best = run.Checkpoints(out / "checkpoints").best()
    assert best
    for harm in (lambda: best.write_bytes(best.read_bytes()[:-9]), best.unlink):
        before = (out / "best.safetensors").read_bytes()
        harm()
        run.train(of_run(out), out, OPTIONS, resume="auto")
        assert (out / "best.safetensors").read_bytes() == before
        assert all((out / name).is_file() for name in run.OUTCOME + classifying.PICTURES)
    capsys.readouterr()


def test_classes_that_were_renamed_are_not_mixed_up(tmp_path: Path) -> None:
    data, out = tiny.folders(tmp_path / "data"), tmp_path / "run"
    run.train(tiny.recipe(data, epochs=1), out, OPTIONS)
    for part in ("train", "val"):
        (data / part / "red").rename(data / part / "amber")
    with pytest.raises(InputError, match="'amber' is none of the 3 classes"):
        evaluation.ask_of_run(use.load(out), of_run(out).data)
    weights = (out / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"begun with 3 classes, the data has 3 \(amber, red came or went\)"):
        run.train(of_run(out), out, OPTIONS, resume="auto")
    for part in ("train", "val"):
        (data / part / "amber").rename(data / part / "red")
    shutil.copy(data / "train" / "red" / "0.png", data / "train" / "red" / "9.png")
    with pytest.raises(InputError, match="begun with 12 pictures, the data has 13"):
        run.train(of_run(out), out, OPTIONS, resume="auto")
    assert (out / "model.safetensors").read_bytes() == weights


def test_fewer_classes_are_measured_by_name(tmp_path: Path, finished: Path) -> None:
    some = tiny.folders(tmp_path / "some")
    for part in ("train", "val"):
        shutil.rmtree(some / part / "blue")
    asked = evaluation.ask_of_run(use.load(finished), Folder(str(some)))
    assert asked.pictures.classes == ("blue", "green", "red")
    assert set(asked.pictures.targets) == {1, 2}


def test_one_process_at_a_time(data: Path, finished: Path, tmp_path: Path) -> None:
    out = copied(finished, tmp_path)
    before = (out / "metrics.jsonl").read_bytes()
    with held(out), pytest.raises(InputError, match="being trained by another process"):
        run.train(of_run(out), out, OPTIONS, resume="auto")
    assert (out / "metrics.jsonl").read_bytes() == before
    run.train(of_run(out), out, OPTIONS, resume="auto")
    first = tmp_path / "named"
    summaries = [run.train(tiny.recipe(data, epochs=1), first, OPTIONS, fresh=True) for _ in range(2)]
    assert [summary and summary["run"] for summary in summaries] == [str(first), f"{first}-2"]


def test_data_that_was_moved_is_no_other_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = tiny.folders(tmp_path / "data"), tmp_path / "run"
    monkeypatch.chdir(tmp_path)
    run.train(replace(tiny.recipe(data, epochs=1), data=Folder("data")), out, OPTIONS)
    monkeypatch.chdir(data)
    assert evaluation.ask_of_run(use.load(out), of_run(out).data).pictures
    data.rename(tmp_path / "elsewhere")
    moved = replace(of_run(out), data=Folder(str(tmp_path / "elsewhere")))
    assert run.train(moved, out, OPTIONS, resume="auto")
    other = tmp_path / "other"
    (state,) = (out / "checkpoints").glob("*.pt")
    assert run.train(moved, other, OPTIONS, resume=state)
    one, two = (torch.load(next((each / "checkpoints").glob("*.pt")), weights_only=True) for each in (out, out))
    assert one["classes"] == two["classes"] == ["blue", "green", "red"]


def test_lines_that_are_no_metrics_end_the_list(finished: Path, tmp_path: Path) -> None:
    out = copied(finished, tmp_path)
    whole = (out / "metrics.jsonl").read_bytes()
    first = whole.splitlines(keepends=True)[0]
    for stray in (b"5\n", b"{}\n", b"\xff\xfe\n", b'{"epoch": "two"}\n', b"[" * 100_000 + b"\n"):
        (out / "metrics.jsonl").write_bytes(first + stray + whole)
        assert [row["epoch"] for row in read(out)] == [1]
