"""One process or several: the same losses, the same sums, the same model in use."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

import several
import tiny
from vitrail.errors import InputError
from vitrail.recipes import run
from vitrail.recipes.recipe import Recipe, to_json
from vitrail.train.processes import Processes, find_device, joined
from vitrail.train.record import Record, read, read_lines

CPU = run.Options("cpu", workers=0)


def test_alone_there_is_nothing_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    module, sums = nn.Linear(1, 1), torch.tensor([2.0])
    with joined(torch.device("cpu"), "fsdp") as processes:
        assert processes == Processes()
        assert processes.first
        assert processes.wrap(module) is module
        processes.shard(module)
        processes.add([sums])
    assert sums.item() == 2.0
    with pytest.raises(InputError, match="none of ddp, fsdp"), joined(torch.device("cpu"), "dp"):
        pass


def test_devices_by_name() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(InputError, match="none of auto"):
        find_device("tpu")


def command(recipe: Recipe, out: Path, *more: str) -> list[str]:
    file = out.with_suffix(".json")
    file.write_text(to_json(recipe))
    return ["-m", "vitrail", "train", str(file), "--out", str(out), "--device", "cpu", "--workers", "0", *more]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Four epochs of six steps, nothing drawn inside the modules."""
    data = tiny.folders(tmp_path_factory.mktemp("data"), training=8, held_out=3)
    return tiny.recipe(data, epochs=4, clip=1.0, average=0.9)


@pytest.fixture(scope="module")
def alone(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "one"
    run.train(recipe, out, CPU)
    return out


def test_the_same_losses(recipe: Recipe, alone: Path, tmp_path: Path) -> None:
    """24 steps with the batch shared by two processes, by DDP (each in two parts) and by FSDP2."""
    for kind, more in (("ddp", ["accumulate=2"]), ("fsdp", [])):
        out = tmp_path / (kind + "-".join(more))
        said = several.launch(2, *command(recipe, out, "--parallel", kind, *more))
        assert said[0].count("epoch ") == 4
        assert not said[1]
        one, two = (read_lines(each / "steps.jsonl", "step") for each in (alone, out))
        assert len(one) == len(two) == 24
        for name in ("loss", "gradient_norm"):
            assert [row[name] for row in two] == pytest.approx([row[name] for row in one], rel=1e-5)
        assert [row["top1"] for row in read(out)] == [row["top1"] for row in read(alone)]
        assert json.loads((out / "summary.json").read_text())["held_out"] == 9


def test_what_stops_the_first_process_stops_the_others_in_a_line(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    first, second = several.launch(2, *command(recipe, tmp_path / "mine"), code=2)
    assert first.splitlines()[-1].endswith("is not empty and holds no run; --out takes a folder of its own.")
    assert second.splitlines()[-1] == "error: The first process cannot go on; its own line says why."
    assert "Traceback" not in first + second


@pytest.mark.parametrize(("kind", "name"), [("ddp", "swin_nano"), ("fsdp", "swin_nano"), ("fsdp", "iwin_nano")])
def test_a_shared_model_is_the_same_in_use(kind: str, name: str) -> None:
    said = several.launch(2, str(Path(__file__).with_name("wrapped.py")), kind, name)
    held, whole = (int(word) for word in said[0].split()[1::2])
    assert held == whole if kind == "ddp" else held < 0.6 * whole


def test_another_number_of_processes_goes_on(
    recipe: Recipe, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped by SIGTERM in the middle of an epoch; one process ends with the same bits, two with the same losses."""
    stopped = tmp_path / "one"

    def step(record: Record, number: int, *rest: object) -> None:
        write(record, number, *rest)
        if number == 8:
            os.kill(os.getpid(), signal.SIGTERM)

    write = Record.step
    monkeypatch.setattr(Record, "step", step)
    assert run.train(recipe, stopped, CPU) is None
    monkeypatch.undo()
    assert read_lines(stopped / "steps.jsonl", "step")[-1]["step"] in (8, 9)
    shutil.copytree(stopped, tmp_path / "two")
    run.train(recipe, stopped, CPU, resume="auto")
    assert (stopped / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()
    assert (stopped / "steps.jsonl").read_bytes() == (alone / "steps.jsonl").read_bytes()
    several.launch(2, *command(recipe, tmp_path / "two", "--parallel", "fsdp", "--resume", "auto"))
    one, two = ([row["loss"] for row in read_lines(each / "steps.jsonl", "step")] for each in (alone, tmp_path / "two"))
    assert two == pytest.approx(one, rel=1e-5)
    assert len(read(tmp_path / "two")) == 4
