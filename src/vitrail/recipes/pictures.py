"""The pictures a run leaves behind."""

from __future__ import annotations

from pathlib import Path

import torch

from vitrail.data.loader import Loader
from vitrail.data.sample import Pictures
from vitrail.draw.confusion import draw_confusion
from vitrail.draw.curves import draw_curves
from vitrail.draw.grid import Cell, draw_grid
from vitrail.metrics.counts import Counts
from vitrail.train.loop import Plan
from vitrail.train.record import read, track

SHOWN = 40


def draw_run(out: Path, name: str, plan: Plan, metric: Counts, held_out: Pictures) -> None:
    """Writes curves.png, confusion.png, and predictions.png with the held-out pictures that went worst."""
    share = f"{100 * metric.compute()['top1']:.2f} % right of {len(held_out)} held-out pictures"
    draw_curves(out / "curves.png", {name: read(out)})
    draw_confusion(out / "confusion.png", metric.confusion.numpy(), held_out.classes, f"{name}: {share}")
    cells = worst(plan, held_out)
    draw_grid(
        out / "predictions.png",
        cells,
        f"{name}: {share}\nThe {len(cells)} hardest, and the probability their true class was given",
    )


def worst(plan: Plan, pictures: Pictures, count: int = SHOWN) -> list[Cell]:
    """The pictures to whose true class the model gives the lowest probability, the lowest first."""
    loader = Loader(plan.held_out.batches, plan.held_out.batch, shuffle=False)
    likely, best = [], []
    plan.model.eval()
    for batch in track(loader.epoch(0), len(loader), "pictures"):
        scores = plan.task.predict(plan.model, batch.images.to(plan.setting.device)).scores.cpu()
        likely.append(scores.gather(1, batch.target[:, None])[:, 0])
        best.append(scores.argmax(1))
    truth, answers = torch.cat(likely), torch.cat(best)
    cells = []
    for index in truth.argsort()[:count].tolist():
        sample, answer = pictures[index], int(answers[index])
        right = answer == sample.target
        mistake = "" if right else f"\ntaken for {pictures.classes[answer]}"
        caption = f"{pictures.classes[sample.target]}   {100 * truth[index]:.0f} %{mistake}"
        cells.append(Cell(sample.image, caption, right))
    return cells
