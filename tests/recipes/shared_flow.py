"""Run in two processes: the gradients of a shared batch are those of the whole batch in one."""

from __future__ import annotations

import copy

import torch

from small_generators import SPEC
from vitrail.data.generation_batches import FlowBatch
from vitrail.flow.objective import Objective
from vitrail.models.catalogue import create_model
from vitrail.tasks.generate import Generate
from vitrail.train import loop
from vitrail.train.processes import joined

SHARE = 4  # samples of each process


def main() -> None:
    torch.manual_seed(0)
    with joined(torch.device("cpu"), "ddp") as processes:
        model = create_model("flashdit_nano_1", 10, (8, 8), **SPEC)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        images, target = torch.randn(processes.world * SHARE, 3, 8, 8), torch.randint(10, (processes.world * SHARE,))
        task = Generate(model.null, Objective(label_drop=0.5), 3, (8, 8))
        alone = copy.deepcopy(model)
        total = 0.0
        for rank in range(processes.world):
            part = slice(rank * SHARE, (rank + 1) * SHARE)
            torch.manual_seed(rank)  # noise, moments and dropped labels are the process's own
            loss = task.loss(alone, FlowBatch(images[part], target[part], ())).total / processes.world
            loss.backward()
            total += loss.item()
        objective = processes.wrap(loop.Objective(model, task))
        part = slice(processes.rank * SHARE, (processes.rank + 1) * SHARE)
        torch.manual_seed(processes.rank)
        found = objective(FlowBatch(images[part], target[part], ())).total
        found.backward()
        for (name, ours), theirs in zip(model.named_parameters(), alone.parameters(), strict=True):
            assert theirs.grad is not None and theirs.grad.abs().max() > 0, name
            torch.testing.assert_close(
                ours.grad, theirs.grad, rtol=1e-4, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}"
            )
        print(f"mine {found.item()!r} both {total!r}")


main()
