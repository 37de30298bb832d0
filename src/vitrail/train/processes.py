"""One process, or several started by torchrun: who I am, how sums add up, how a model is shared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vitrail.errors import InputError

Result = TypeVar("Result")
PARALLEL = ("ddp", "fsdp")


@dataclass(frozen=True)
class Processes:
    """rank: this process, 0 to world - 1. local_rank: the same on this machine. world: how many there are.

    sharded: Each holds a part of every block's parameters (FSDP2) instead of all of them (DDP).
    """

    rank: int = 0
    local_rank: int = 0
    world: int = 1
    sharded: bool = False

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def wait(self) -> None:
        """Returns when every process has come this far."""
        if self.world > 1:
            dist.barrier()

    def first_does(self, work: Callable[[], Result]) -> Result | None:
        """The first process works while the others wait, and what it gives; where it fails, all of them raise."""
        result, error = None, None
        if self.first:
            try:
                result = work()
            except Exception as failure:
                error = failure
        failed = torch.tensor([float(error is not None)])
        self.add([failed])
        if error:
            raise error
        if failed.item():
            raise InputError("The first process cannot go on; its own line says why.")
        return result

    def told(self, value: str) -> str:
        """What the first process holds."""
        if self.world == 1:
            return value
        said = [value]
        dist.broadcast_object_list(said, 0)
        return said[0]

    def shard(self, model: nn.Module) -> None:
        """Deals the parameters out where the processes are `sharded`, block by block; before an optimizer sees them.

        `forward`, `features`, `loss` and `predict` gather parameters while they compute, the blocks' block by block.
        The model names its blocks in `blocks()`; one that does not is dealt out as a whole.
        """
        if not self.sharded:
            return
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

        for parameter in model.parameters():
            parameter.data = parameter.data.contiguous()  # kernels kept channels-last are not, and cannot be dealt out
        for block in getattr(model, "blocks", list)():
            fully_shard(block)
        fully_shard(model, reshard_after_forward=True)  # so that nothing stays gathered between two calls
        for method in ("features", "loss", "predict"):
            if hasattr(model, method):
                register_fsdp_forward_method(model, method)

    def wrap(self, objective: nn.Module) -> nn.Module:
        """The objective with gradients averaged over all processes during backward; itself where that is done."""
        return objective if self.world == 1 or self.sharded else DistributedDataParallel(objective)

    def alone(self, objective: nn.Module, model: nn.Module, last: bool) -> AbstractContextManager[object]:
        """Around forward and backward of a part of a batch: gradients are shared with the last part only."""
        if self.sharded:
            model.set_requires_gradient_sync(last)  # type: ignore[operator]
        if isinstance(objective, DistributedDataParallel) and not last:
            return objective.no_sync()
        return nullcontext()

    def add(self, sums: Iterable[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes, in place."""
        if self.world == 1:
            return
        for tensor in sums:
            here = tensor.cuda() if dist.get_backend() == "nccl" else tensor
            dist.all_reduce(here)
            tensor.copy_(here)

    def others(self, states: object) -> list[Any]:
        """What every other process holds, in the order of their ranks."""
        if self.world == 1:
            return []
        everyone: list[Any] = [None] * self.world
        dist.all_gather_object(everyone, states)
        return [each for rank, each in enumerate(everyone) if rank != self.rank]

    def align(self, model: nn.Module) -> None:
        """Gives every process the first one's buffers, such as the statistics of batch norm."""
        if self.world > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)


ALONE = Processes()


@contextmanager
def joined(device: torch.device, parallel: str = "ddp") -> Iterator[Processes]:
    """The processes that torchrun's RANK, LOCAL_RANK and WORLD_SIZE describe, joined until the block ends.

    Args:
        parallel: "ddp" or "fsdp"; one process alone needs neither.
    """
    if parallel not in PARALLEL:
        raise InputError(f"parallel {parallel!r} is none of {', '.join(PARALLEL)}.")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    processes = Processes(int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"]), world, parallel == "fsdp")
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
