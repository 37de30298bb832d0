"""Both segmenters learn four pictures by heart; label maps come in the size of the picture as it came."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import vitrail
from vitrail.data.label_batches import PixelBatch
from vitrail.data.label_map import IGNORED
from vitrail.metrics.pixels import Pixels
from vitrail.models.segmenters import KINDS
from vitrail.tasks.segment import Segment

SIZE = (64, 80)
CLASSES = ("ground", "red", "blue")
COLOURS = torch.tensor([[0.0, 0.0, 0.0], [1.5, -0.5, -0.5], [-0.5, 0.2, 1.5]])
TINY = {"dim": 16, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 4}


def four() -> PixelBatch:
    """Two rectangles of two classes in each, at multiples of the first map's stride; a strip has no class."""
    torch.manual_seed(1)
    images, maps = 0.2 * torch.randn(4, 3, *SIZE), torch.zeros(4, *SIZE, dtype=torch.int64)
    for image, labels in zip(images, maps, strict=True):
        for target in (1, 2):
            top, left = (4 * int(torch.randint(1, most, ())) for most in (10, 13))
            labels[top : top + 24, left : left + 28] = target
        image += COLOURS[labels].permute(2, 0, 1)
        labels[:, :3] = IGNORED
    return PixelBatch(images, maps, (SIZE,) * 4, (SIZE,) * 4, ("a", "b", "c", "d"))


def small(kind: str, **fields: object) -> vitrail.models.segmenters.Segmenter:
    torch.manual_seed(0)
    head = {"channels": 32, "dropout": 0.0, **({"auxiliary_channels": 16} if kind == "upernet" else {"pyramid": 16})}
    return vitrail.create_model(f"{kind}_iwin_nano", len(CLASSES), SIZE, **{**TINY, **head, **fields})


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_four_pictures_are_learnt_by_heart(kind: str) -> None:
    model, task, batch = small(kind), Segment(CLASSES), four()
    optimizer, steps = torch.optim.AdamW(model.parameters(), lr=1e-3), 120
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, total_steps=steps)
    for _ in range(steps):
        loss = task.loss(model, batch).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    metric = task.metric()
    metric.update(task.predict(model.eval(), batch), batch.target)
    measured = metric.compute()
    assert measured["mIoU"] >= 0.95, measured
    assert set(task.shown) <= measured.keys() and task.best in measured


def test_losses_are_the_models_own_and_add_up() -> None:
    model, batch = small("upernet"), four()
    losses = Segment(CLASSES).loss(model.eval(), batch)
    assert set(losses.parts) == {"pixels", "auxiliary"}
    assert losses.total.item() == pytest.approx(sum(part.item() for part in losses.parts.values()))
    none = PixelBatch(batch.images, torch.full_like(batch.target, IGNORED), batch.sizes, batch.originals, batch.names)
    assert Segment(CLASSES).loss(model, none).total == 0


@pytest.mark.parametrize(("size", "original"), [((64, 80), (64, 80)), ((50, 61), (50, 61)), ((50, 61), (37, 91))])
def test_a_prediction_is_what_torch_resizes_step_by_step(size: tuple[int, int], original: tuple[int, int]) -> None:
    """Logits to the frame's size, cut to the picture, to its own size, the largest."""
    model = small("semantic_fpn").eval()
    images = torch.zeros(1, 3, *SIZE)
    images[:, :, : size[0], : size[1]] = torch.randn(1, 3, *size)
    found = Segment(CLASSES).predict(model, PixelBatch(images, (), (size,), (original,), ("a",)))[0]
    with torch.no_grad():
        logits = model.predict(images)[:, :, : size[0], : size[1]]
    whole = F.interpolate(logits, original, mode="bilinear", align_corners=False)[0]
    assert found.shape == original and found.dtype == torch.uint8
    best = whole.gather(0, found[None].long())[0]
    torch.testing.assert_close(best, whole.amax(0), atol=1e-5, rtol=0)


def test_every_picture_is_told_of() -> None:
    model, batch, heard = small("semantic_fpn").eval(), four(), {}
    found = Segment(CLASSES, note=lambda name, said, truth: heard.update({name: (said, truth)})).predict(model, batch)
    assert list(heard) == ["a", "b", "c", "d"]
    assert heard["c"][0] is found[2] and torch.equal(heard["c"][1], batch.target[2])


def test_nobody_asks_about_an_idle_batch() -> None:
    task = Segment(CLASSES, note=lambda *_: pytest.fail("told of a picture that nobody has"))
    batch = task.idle(small("upernet"), ("gone",))
    assert not len(batch) and batch.skipped == ("gone",)
    assert task.predict(small("upernet").eval(), batch) == []


def test_counts_of_two_processes_are_those_of_one() -> None:
    model, task, batch = small("semantic_fpn").eval(), Segment(CLASSES, boundary=True), four()
    found = task.predict(model, batch)
    whole, first, second = task.metric(), task.metric(), task.metric()
    whole.update(found, batch.target)
    first.update(found[:1], batch.target[:1])
    second.update(found[1:], batch.target[1:])
    first.absorb([second.states()])
    assert first.compute() == whole.compute()
    assert isinstance(first, Pixels) and first.boundary
