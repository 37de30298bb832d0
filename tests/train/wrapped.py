"""Run in two processes: `features` and `predict` of a shared model are those of the model alone."""

from __future__ import annotations

import copy
import sys

import torch

from vitrail.data.sample import Batch
from vitrail.models.catalogue import create_model
from vitrail.tasks.classify import Classify
from vitrail.train.loop import Objective
from vitrail.train.processes import joined

SPEC = {"dim": 8, "depths": (1, 1, 2, 1), "heads": (1, 1, 2, 2), "window": 2}


def main(kind: str, name: str) -> None:
    torch.manual_seed(0)
    spec = {**SPEC, "reduction": (2, 2, 1, 1)} if name.startswith("scalable") else SPEC
    with joined(torch.device("cpu"), kind) as processes:
        model = create_model(name, 7, (32, 32), **{k: v for k, v in spec.items() if k != "reduction"}).eval()
        alone = copy.deepcopy(model)
        processes.shard(model)
        objective = processes.wrap(Objective(model, Classify(7)))
        pictures = torch.randn(3, 3, 37, 41) + processes.rank
        for _ in range(2):  # what the first call gathered is given back
            for ours, theirs in zip(model.features(pictures), alone.features(pictures), strict=True):
                torch.testing.assert_close(ours, theirs)
            task = objective.task if hasattr(objective, "task") else objective.module.task
            batch = Batch.of(pictures)
            torch.testing.assert_close(task.predict(model, batch).scores, task.predict(alone, batch).scores)
        held = sum(getattr(p, "_local_tensor", p).numel() for p in model.parameters())
        print("holds", held, "of", sum(p.numel() for p in alone.parameters()))


main(*sys.argv[1:])
