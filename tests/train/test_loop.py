"""The loop with a task of its own: it learns, it resumes to the last bit, and it stops at a loss that is no number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from vitrail.data import transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.sample import Batch, Sample
from vitrail.data.settings import Augment, Preprocessing
from vitrail.errors import InputError
from vitrail.train import checkpoint
from vitrail.train.average import Average
from vitrail.train.checkpoint import Checkpoints, Progress
from vitrail.train.loop import Plan, Run, Setting, Stopped, fit, measure
from vitrail.train.optimizer import adamw, groups
from vitrail.train.record import Record, read, read_lines
from vitrail.train.schedule import cosine, warmed
from vitrail.train.stopping import Stop


class Shades:
    """Sixteen greys; the target says whether one is light."""

    classes = ("dark", "light")
    targets = tuple(int(index >= 8) for index in range(16))

    def __init__(self, damaged: tuple[int, ...] = ()) -> None:
        self.damaged = damaged

    def __len__(self) -> int:
        return 16

    def name(self, index: int) -> str:
        return f"shade {index}"

    def content(self, index: int) -> bytes:
        return bytes([index])

    def __getitem__(self, index: int) -> Sample:
        if index in self.damaged:
            raise InputError(f"{self.name(index)}: not a readable picture.")
        return Sample(Image.new("RGB", (4, 4), (16 * index,) * 3), self.targets[index], self.name(index))


class Error:
    """The mean absolute error: sums that add up."""

    def __init__(self) -> None:
        self.total = torch.zeros(2)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        self.total += torch.tensor([(prediction.cpu().float() - target).abs().sum().item(), len(target)])

    def states(self) -> Tensor:
        return self.total

    def absorb(self, states: Iterable[Tensor]) -> None:
        for state in states:
            self.total += state

    def compute(self) -> dict[str, float]:
        return {"error": float(self.total[0] / self.total[1])}


@dataclass(frozen=True)
class Loss:
    total: Tensor


class Regress:
    """A task the loop has never heard of."""

    best, shown = "brightness", ("error",)

    def __init__(self, poison: str | None = None) -> None:
        self.poison = poison

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        loss = F.mse_loss(model(batch.images)[:, 0].float(), batch.target.float())
        return Loss(loss * float("nan") if self.poison in batch.names else loss)

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad():
            return model(batch.images)[:, 0]

    def idle(self, model: nn.Module, skipped: tuple[str, ...]) -> Batch:
        return Batch.of(torch.zeros(1, 3, 4, 4), skipped)

    def metric(self) -> Error:
        return Error()


def plan(
    task: Regress | None = None,
    damaged: tuple[int, ...] = (),
    epochs: int = 20,
    average: float | None = None,
    **setting: Any,
) -> Plan:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 1))
    change = transforms.for_training((4, 4), Preprocessing(), Augment(jitter=0.1))
    use = transforms.for_use((4, 4), Preprocessing())
    setting = {"clip": 1.0, **setting}
    return Plan(
        model,
        task or Regress(),
        Loader(Batches(Shades(damaged), change, 0, replace=True), 4, True, parts=setting.get("accumulate", 1)),
        Loader(Batches(Shades(damaged), use, 0), 5, False),
        adamw(groups(model, 0.01), 5e-3, (0.9, 0.999), 1e-8),
        warmed(cosine, 5e-3, 4 * 20, 4, 0.0, 0.0),
        epochs,
        0,
        Setting(torch.device("cpu"), **setting),
        Average(model, average) if average else None,
        torch.amp.GradScaler("cpu") if setting.get("precision") == "float16" else None,
    )


def started(made: Plan, folder: Path, stop: Stop | None = None) -> Run:
    return Run(made, Record(folder), Checkpoints(folder / "checkpoints"), Progress(), stop or Stop())


def resumed(made: Plan, folder: Path) -> Run:
    run = started(made, folder / "new")
    run.checkpoints = Checkpoints(folder / "checkpoints")
    document = run.checkpoints.newest(print)
    assert document
    run.progress = checkpoint.resume(made.state(), document, "run")
    run.record = Record(folder, finished=run.progress.epoch, step=run.step)
    return run


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_it_learns_records_and_saves(tmp_path: Path, precision: str, capsys: pytest.CaptureFixture) -> None:
    metric = fit(started(plan(precision=precision), tmp_path))
    rows = read(tmp_path)
    assert [row["epoch"] for row in rows] == list(range(1, 21))
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert rows[-1]["error"] == metric.compute()["error"] < 0.35
    assert rows[-1]["lr"] == pytest.approx(warmed(cosine, 5e-3, 80, 4, 0.0, 0.0)(79))
    steps = read_lines(tmp_path / "steps.jsonl", "step")
    assert [row["step"] for row in steps] == list(range(1, 81))
    assert sum(row["loss"] for row in steps[:4]) / 4 == pytest.approx(rows[0]["loss"])
    assert capsys.readouterr().out.count("epoch ") == 20


def test_the_batch_in_parts_is_the_batch(tmp_path: Path) -> None:
    """Without dropout, which draws for a part as it would for a batch."""
    losses = []
    for parts in (1, 2, 4):
        made = plan(accumulate=parts, epochs=3)
        made.model[3].p = 0.0
        fit(started(made, tmp_path))
        losses.append([row["loss"] for row in read_lines(tmp_path / "steps.jsonl", "step")])
    assert len(losses[0]) == 12
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[2] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"average": 0.8}, {"accumulate": 2}, {"precision": "float16"}])
def test_stopped_in_an_epoch_and_resumed_it_ends_with_the_same_bits(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = plan(**options, epochs=5)
    fit(started(whole, tmp_path / "new"))
    expected = read_lines(tmp_path / "new" / "steps.jsonl", "step")
    rows = [{**row, "seconds": 0, "images_per_second": 0} for row in read(tmp_path / "new")]
    stop = Stop()
    first = started(plan(**options, epochs=5), tmp_path, stop)

    class Counting(Record):
        def step(self, step: int, *rest: Any) -> None:
            super().step(step, *rest)
            stop.asked = "SIGTERM" if step in (6, 7) else None

    first.record = Counting(tmp_path)
    with pytest.raises(Stopped):
        fit(first)
    assert (first.progress.epoch, first.progress.step) == (1, 3)
    torch.rand(9)  # whatever else was drawn
    second = plan(**options, epochs=5)
    fit(resumed(second, tmp_path))
    assert read_lines(tmp_path / "steps.jsonl", "step") == expected
    assert [{**row, "seconds": 0, "images_per_second": 0} for row in read(tmp_path)] == rows
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    if whole.average and second.average:
        assert all(torch.equal(value, second.average.tensors[name]) for name, value in whole.average.tensors.items())


def test_a_finished_run_is_measured_again(tmp_path: Path) -> None:
    made = plan(epochs=2)
    before = fit(started(made, tmp_path)).compute()
    again = plan(epochs=2)
    assert fit(resumed(again, tmp_path)).compute() == before
    assert len(read(tmp_path)) == 2


def test_it_saves_within_an_epoch_when_it_is_time(tmp_path: Path) -> None:
    fit(started(plan(epochs=1, save_every=0.0), tmp_path))
    assert [path.name for path in Checkpoints(tmp_path / "checkpoints").found()] == [
        "step-00000004.pt",
        "step-00000003.pt",
    ]
    fit(started(plan(epochs=1), tmp_path / "new"))
    assert len(Checkpoints(tmp_path / "new" / "checkpoints").found()) == 1


def test_a_loss_that_is_no_number_names_the_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"The loss is nan at epoch 1, step \d.*lower.*Pictures: .*shade 5"):
        fit(started(plan(Regress(poison="shade 5")), tmp_path))
    assert not (tmp_path / "checkpoints").exists()


def test_damaged_pictures_are_passed_over_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    fit(started(plan(damaged=(3,), epochs=2, unreadable=0.1), tmp_path))
    assert [(row["unreadable"], row["held_out_unreadable"]) for row in read(tmp_path)] == [(1.0, 1.0)] * 2
    lines = (tmp_path / "unreadable.txt").read_text().splitlines()
    assert lines == ["epoch 1: shade 3: not a readable picture."]
    assert capsys.readouterr().out.count("passed over: shade 3") == 1


@pytest.mark.parametrize(("unreadable", "damaged"), [(0.0, (3,)), (0.12, (3, 9, 12))])
def test_too_many_damaged_pictures_end_the_run(tmp_path: Path, unreadable: float, damaged: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"\d of the 16 pictures of epoch 1 cannot be read.*shade \d+: not a readable"):
        fit(started(plan(damaged=damaged, unreadable=unreadable), tmp_path))


def test_the_average_is_what_is_measured(tmp_path: Path) -> None:
    made = plan(average=0.9999, epochs=3)
    before = measure(made.model, made.task, made.held_out.epoch(0), made.setting).compute()
    after = fit(started(made, tmp_path)).compute()
    assert after["error"] == pytest.approx(before["error"], abs=0.01)
    live = measure(made.model, made.task, made.held_out.epoch(0), made.setting).compute()
    assert abs(live["error"] - before["error"]) > 0.02


def test_measuring_leaves_the_mode_as_it_was() -> None:
    made = plan()
    made.model.train()
    first, second = (measure(made.model, made.task, made.held_out.epoch(0), made.setting).compute() for _ in range(2))
    assert first == second  # dropout was off
    assert made.model.training


def test_gradients_are_clipped(tmp_path: Path) -> None:
    steps = []
    for clip in (1e-9, None):
        made = plan(clip=clip, epochs=1)
        made = replace(made, rate=lambda step: 1.0, optimizer=torch.optim.SGD(made.model.parameters(), 1.0))
        before = [parameter.clone() for parameter in made.model.parameters()]
        fit(started(made, tmp_path))
        steps.append(sum((a - b).abs().sum().item() for a, b in zip(before, made.model.parameters(), strict=True)))
    assert steps[0] < 1e-6 < steps[1]
