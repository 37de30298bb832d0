"""State out and in again; and what is no whole state of this run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from vitrail.errors import InputError
from vitrail.train import checkpoint
from vitrail.train.average import Average
from vitrail.train.checkpoint import Checkpoints, Progress, State


def trained(width: int = 3, steps: int = 2) -> State:
    model = nn.Sequential(nn.Linear(width, 2), nn.BatchNorm1d(2))
    optimizer, average = torch.optim.AdamW(model.parameters(), foreach=False), Average(model, 0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for _ in range(steps):
        scaler.scale(model(torch.randn(4, width)).square().sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        average.update()
    return State(model, optimizer, average, scaler)


def equal(one: State, two: State) -> bool:
    (a, b), (c, d) = ((state.gather(), state.optimizer.state_dict()) for state in (one, two))
    tensors = [(a[kind][name], c[kind][name]) for kind in ("model", "average") for name in a["model"]]
    tensors += [(value, d["state"][key][name]) for key, row in b["state"].items() for name, value in row.items()]
    return all(torch.equal(x, y) for x, y in tensors) and a["scaler"] == c["scaler"]


def test_everything_comes_back(tmp_path: Path) -> None:
    checkpoints, one, other = Checkpoints(tmp_path), trained(), trained(steps=0)
    progress = Progress(epoch=3, step=2, sums=[1.5, 8.0, 1.0], seconds=2.5, best=0.75, best_epoch=2)
    path = checkpoints.save(one.gather(), progress, step=14)
    document = checkpoint.read(path)
    assert not equal(one, other)
    assert checkpoint.resume(other, document, "run") == progress
    assert equal(one, other)


def test_two_are_kept_and_the_best(tmp_path: Path) -> None:
    checkpoints, state = Checkpoints(tmp_path), trained()
    for step in range(1, 7):
        checkpoints.save(state.gather(), Progress(epoch=step, best=0.5), step, best=step in (1, 2))
    assert [path.name for path in checkpoints.found()] == [f"step-{n:08d}.pt" for n in (6, 5, 2)]
    assert checkpoints.best() == tmp_path / "step-00000002.pt"
    assert len(list(tmp_path.iterdir())) == 7  # each with its sum, and best.json
    sums = sorted(path.name for path in tmp_path.glob("*.sha256"))
    assert subprocess.run(["sha256sum", "-c", *sums], cwd=tmp_path, capture_output=True).returncode == 0


def test_the_newest_whole_one_is_taken(tmp_path: Path) -> None:
    checkpoints, state, said = Checkpoints(tmp_path), trained(), []
    assert checkpoints.newest(said.append) is None
    for step in (1, 2):
        checkpoints.save(state.gather(), Progress(epoch=step), step)
    newest = checkpoints.found()[0]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1  # a single bit
    newest.write_bytes(content)
    found = checkpoints.newest(said.append)
    assert found and found["progress"]["epoch"] == 1
    assert len(said) == 1 and "step-00000002.pt: not whole" in said[0]
    for path in checkpoints.found():
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="none of its 2 checkpoints is whole"):
        checkpoints.newest(said.append)


def test_half_written_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".step-00000001.pt.123.tmp").write_bytes(b"x")
    Checkpoints(tmp_path).tidy()
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_resumed_is_one_line(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(InputError, match="no such checkpoint"):
        checkpoint.read(tmp_path / "none.pt")
    document = checkpoint.read(checkpoints.save(trained().gather(), Progress(), 1))
    with pytest.raises(InputError, match=r"run: not a checkpoint of this run") as caught:
        checkpoint.resume(trained(width=4), document, "run")
    assert "\n" not in str(caught.value)
    (path,) = checkpoints.found()
    path.with_name(path.name + ".sha256").unlink()
    with pytest.raises(InputError, match="SHA-256"):
        checkpoint.read(path)


def test_states_of_later_steps_go_when_an_earlier_one_is_gone_on_from(tmp_path: Path) -> None:
    checkpoints, state, said = Checkpoints(tmp_path), trained(), []
    for step in (3, 7, 8):
        checkpoints.save(state.gather(), Progress(epoch=step, best=0.5), step, best=step == 3)
    for step in (7, 8):
        path = tmp_path / f"step-{step:08d}.pt"
        path.write_bytes(path.read_bytes()[:-1])
    document = checkpoints.newest(said.append)
    assert document and document["progress"]["epoch"] == 3 and len(said) == 2
    checkpoints.save(state.gather(), Progress(epoch=4, best=0.5), 4)
    assert [path.name for path in checkpoints.found()] == ["step-00000004.pt", "step-00000003.pt"]


def test_a_full_disk_is_one_line_and_the_older_state_stays(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    checkpoints, state = Checkpoints(tmp_path), trained()
    path = checkpoints.save(state.gather(), Progress(epoch=1), 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2, limits[1]))
    try:
        with pytest.raises(InputError, match=r"step-00000002\.pt cannot be written \(File too large\)"):
            checkpoints.save(state.gather(), Progress(epoch=2), 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [each.name for each in checkpoints.found()] == [path.name]
    assert checkpoint.read(path)["progress"]["epoch"] == 1
    assert not list(tmp_path.glob(".*"))
