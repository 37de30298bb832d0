"""The loop with a task of its own: it learns, it resumes to the last bit, and it stops at a loss that is no number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

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
from vitrail.train.checkpoint import Checkpoint
from vitrail.train.loop import Plan, Setting, fit, measure
from vitrail.train.optimizer import adamw, warmup_cosine
from vitrail.train.record import Record, read


class Shades:
    """Sixteen greys; the target says whether one is light."""

    classes = ("dark", "light")

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> Sample:
        return Sample(Image.new("RGB", (4, 4), (16 * index,) * 3), int(index >= 8), f"shade {index}")


class Error:
    """The mean absolute error: sums that add up."""

    def __init__(self) -> None:
        self.total = torch.zeros(2)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        self.total += torch.tensor([(prediction.cpu().float() - target).abs().sum().item(), len(target)])

    def sums(self) -> tuple[Tensor, ...]:
        return (self.total,)

    def compute(self) -> dict[str, float]:
        return {"error": float(self.total[0] / self.total[1])}


@dataclass(frozen=True)
class Loss:
    total: Tensor


class Regress:
    """A task the loop has never heard of."""

    def __init__(self, poison: str | None = None) -> None:
        self.poison = poison

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        loss = F.mse_loss(model(batch.images)[:, 0].float(), batch.target.float())
        return Loss(loss * float("nan") if self.poison in batch.names else loss)

    def predict(self, model: nn.Module, images: Tensor) -> Tensor:
        with torch.no_grad():
            return model(images)[:, 0]

    def metric(self) -> Error:
        return Error()


def plan(task: Regress | None = None, **setting: object) -> Plan:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 1))
    change = transforms.for_training((4, 4), Preprocessing(), Augment(jitter=0.1))
    use = transforms.for_use((4, 4), Preprocessing())
    return Plan(
        model,
        task or Regress(),
        Loader(Batches(Shades(), change, 0), 4, True),
        Loader(Batches(Shades(), use, 0), 5, False),
        adamw(model, 5e-3, 0.01, (0.9, 0.999), 1e-8),
        warmup_cosine(5e-3, 4 * 20, 4, 0.0, 0.0),
        20,
        0,
        Setting(torch.device("cpu"), clip=1.0, **setting),
    )


@pytest.mark.parametrize("bfloat16", [False, True])
def test_it_learns_records_and_saves(tmp_path: Path, bfloat16: bool, capsys: pytest.CaptureFixture) -> None:
    metric = fit(plan(bfloat16=bfloat16), Record(tmp_path), Checkpoint(tmp_path / "last.pt"))
    rows = read(tmp_path)
    assert [row["epoch"] for row in rows] == list(range(1, 21))
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert rows[-1]["error"] == metric.compute()["error"] < 0.35
    assert rows[-1]["lr"] == pytest.approx(warmup_cosine(5e-3, 80, 4, 0.0, 0.0)(79))
    assert (tmp_path / "last.pt").is_file()
    assert capsys.readouterr().out.count("epoch ") == 20


def test_resumed_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = plan()
    fit(whole, Record(tmp_path), Checkpoint(tmp_path / "whole.pt"))
    first, checkpoint = plan(), Checkpoint(tmp_path / "last.pt")
    fit(replace(first, epochs=7), Record(tmp_path), checkpoint)
    second = plan()
    torch.rand(9)  # whatever else was drawn
    finished = checkpoint.load(second.model, second.optimizer)
    fit(second, Record(tmp_path, finished=finished), checkpoint, finished)
    assert finished == 7
    assert [row["epoch"] for row in read(tmp_path)] == list(range(1, 21))
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert fit(second, Record(tmp_path, finished=20), checkpoint, 20).compute()["error"] < 0.35


def test_a_loss_that_is_no_number_names_the_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"The loss is nan at epoch 1, step \d.*Pictures: .*shade 5"):
        fit(plan(Regress(poison="shade 5")), Record(tmp_path), Checkpoint(tmp_path / "last.pt"))
    assert not (tmp_path / "last.pt").exists()


def test_measuring_leaves_the_mode_as_it_was() -> None:
    made = plan()
    made.model.train()
    first, second = (measure(made.model, made.task, made.held_out.epoch(0), made.setting).compute() for _ in range(2))
    assert first == second  # dropout was off
    assert made.model.training


def test_gradients_are_clipped(tmp_path: Path) -> None:
    steps = []
    for clip in (1e-9, None):
        made = plan()
        made = replace(
            made,
            epochs=1,
            setting=replace(made.setting, clip=clip),
            rate=lambda step: 1.0,
            optimizer=torch.optim.SGD(made.model.parameters(), 1.0),
        )
        before = [parameter.clone() for parameter in made.model.parameters()]
        fit(made, Record(tmp_path), Checkpoint(tmp_path / "last.pt"))
        steps.append(sum((a - b).abs().sum().item() for a, b in zip(before, made.model.parameters(), strict=True)))
    assert steps[0] < 1e-6 < steps[1]
