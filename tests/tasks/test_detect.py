"""Every detector learns four pictures by heart; what a batch without anything to find or to read gives."""

from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.data.detection_batches import DetectionBatch
from vitrail.data.detections import Instances
from vitrail.models.detectors import KINDS
from vitrail.tasks.detect import Detect

SIZE = (64, 80)
CLASSES = ("red", "blue")
COLOURS = torch.tensor([[1.5, -0.5, -0.5], [-0.5, 0.2, 1.5]])
SMALL = {
    "retinanet": {"tower": 2},
    "region": {
        "width": 64,
        "regions": 32,
        "train_before": 100,
        "train_proposals": 60,
        "test_before": 100,
        "test_proposals": 60,
    },
}


def four() -> DetectionBatch:
    """Two to four rectangles of their class's colour in each, apart, on a noisy ground; as large as anchors are."""
    torch.manual_seed(1)
    images, truths = 0.2 * torch.randn(4, 3, *SIZE), []
    for number, image in enumerate(images):
        boxes, classes, masks = [], [], []
        for place in range(2 + number % 3):
            left = 40 * (place % 2) + int(torch.randint(1, 5, ()))
            top = 32 * (place // 2) + int(torch.randint(1, 3, ()))
            right, bottom = left + int(torch.randint(24, 35, ())), top + int(torch.randint(20, 29, ()))
            classes.append(int(torch.randint(2, ())))
            boxes.append([left, top, right, bottom])
            mask = torch.zeros(SIZE, dtype=torch.bool)
            mask[top:bottom, left:right] = True
            image[:, mask] = COLOURS[classes[-1]][:, None]
            masks.append(mask)
        truths.append(
            Instances(torch.tensor(boxes).float(), torch.tensor(classes), SIZE, torch.stack(masks), picture=number)
        )
    return DetectionBatch(images, tuple(truths), (SIZE,) * 4, (SIZE,) * 4, ("a", "b", "c", "d"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_four_pictures_are_learnt_by_heart(kind: str) -> None:
    torch.manual_seed(0)
    own = SMALL["retinanet" if kind == "retinanet" else "region"]
    spec = {"dim": 16, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 4, "channels": 32, **own}
    model = vitrail.create_model(f"{kind}_iwin_nano", len(CLASSES), SIZE, **spec)
    task, batch = Detect(CLASSES, model.masks), four()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    steps = 160
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        loss = task.loss(model, batch).total
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    metric = task.metric()
    metric.update(task.predict(model.eval(), batch), batch.target)
    measured = metric.compute()
    assert measured["AP50"] >= 0.95, measured
    assert not model.masks or measured["mask_AP50"] >= 0.95, measured


def test_nobody_asks_about_an_idle_batch() -> None:
    model = vitrail.create_model(
        "retinanet_iwin_nano", 2, SIZE, dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), channels=16
    )
    task = Detect(CLASSES)
    batch = task.idle(model, ("gone",))
    assert not len(batch) and batch.skipped == ("gone",) and len(task.predict(model.eval(), batch)) == 1
