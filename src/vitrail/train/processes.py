"""One process, or several started by torchrun: who I am, how sums add up, how gradients are shared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vitrail.errors import InputError


@dataclass(frozen=True)
class Processes:
    """rank: this process, 0 to world - 1. local_rank: the same on this machine. world: how many there are."""

    rank: int = 0
    local_rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def wait(self) -> None:
        """Returns when every process has come this far."""
        if self.world > 1:
            dist.barrier()

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over all processes during backward; itself where there is one."""
        return module if self.world == 1 else DistributedDataParallel(module)

    def add(self, sums: Iterable[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes, in place."""
        if self.world == 1:
            return
        for tensor in sums:
            here = tensor.cuda() if dist.get_backend() == "nccl" else tensor
            dist.all_reduce(here)
            tensor.copy_(here)


ALONE = Processes()


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The processes that torchrun's RANK, LOCAL_RANK and WORLD_SIZE describe, joined until the block ends."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    processes = Processes(int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"]), world)
    if device.type == "cuda":
        torch.cuda.set_device(processes.local_rank)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield processes
    finally:
        dist.destroy_process_group()


def find_device(name: str) -> torch.device:
    """cpu, cuda, mps, or auto: the first of cuda, mps and cpu that is there.

    Raises: InputError for another name, or for an accelerator that this machine lacks.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, present in here.items() if present))
    if name not in here:
        raise InputError(f"device {name!r} is none of auto, cpu, cuda, mps.")
    if not here[name]:
        raise InputError(f"device {name!r} is not available here; auto takes what there is.")
    return torch.device(name)
