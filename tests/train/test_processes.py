"""One process or two: the same losses and the same sums."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import tiny
from vitrail.errors import InputError
from vitrail.recipes import run
from vitrail.recipes.recipe import to_json
from vitrail.train.processes import Processes, find_device, joined
from vitrail.train.record import read


def test_alone_there_is_nothing_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    module, sums = nn.Linear(1, 1), torch.tensor([2.0])
    with joined(torch.device("cpu")) as processes:
        assert processes == Processes()
        assert processes.first
        assert processes.wrap(module) is module
        processes.add([sums])
    assert sums.item() == 2.0


def test_devices_by_name() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(InputError, match="none of auto"):
        find_device("tpu")


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    recipe = tiny.recipe(tiny.folders(tmp_path / "data", held_out=3), epochs=2)
    run.train(recipe, tmp_path / "one", "cpu", workers=0)
    (tmp_path / "recipe.json").write_text(to_json(recipe))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "vitrail.cli.main",
        "train",
        str(tmp_path / "recipe.json"),
        "--out",
        str(tmp_path / "two"),
        "--device",
        "cpu",
        "--workers",
        "0",
    ]
    source = str(Path(run.__file__).parents[2])
    started = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": source,
            },
        )
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert said[0][0].count("epoch ") == 2
    assert not said[1][0]
    one, two = (read(tmp_path / name) for name in ("one", "two"))
    assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], rel=1e-5)
    assert [row["top1"] for row in two] == [row["top1"] for row in one]
    assert json.loads((tmp_path / "two" / "summary.json").read_text())["held_out"] == 9
