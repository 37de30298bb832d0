"""A model as one graph for every batch, height and width: `torch.export`, and what it takes that no size is special.

PyTorch asks of each size whether it is 0 or 1, and of each copy how its memory lies. An answer binds the graph to
sizes that give the same one: a file for pictures of many windows would refuse one of a single window. So nothing is
asked: the exporter is told to take the general answer (`any_size`), convolutions and linear maps get copies
whose order is said (`_plain_copy`), and the layers themselves pad by amounts that may be 0 (`vitrail.tracing.some`).
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import InputError, first_line
from vitrail.export.adapter import Adapter
from vitrail.layers.drop_path import DropPath

FREE = {0: "batch", 2: "height", 3: "width"}


@contextmanager
def any_size() -> Iterator[None]:
    """What is recorded inside holds for sizes of 0 and 1 as well, where both answers lead to the same result.

    The switch is PyTorch's own and not yet a public one; `tests/export/test_program.py` holds it to what it does.
    """
    config: Any = importlib.import_module("torch.fx.experimental._config")
    if not hasattr(config, "backed_size_oblivious"):
        raise InputError(f"torch {torch.__version__} has no size-oblivious export; vitrail needs torch 2.15 or later.")
    with config.patch(backed_size_oblivious=True):
        yield


def record(adapter: Adapter) -> torch.export.ExportedProgram:
    """The adapter's module as a program with free batch, height and width, of PyTorch's own operators alone.

    Raises: InputError where it does not export, or not for every size.
    """
    free = dict.fromkeys(FREE, torch.export.Dim.DYNAMIC)
    try:
        with torch.no_grad(), any_size(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(_plain_copy(adapter.module), (adapter.example(),), dynamic_shapes=(free,))
    except Exception as error:  # a model of anybody's, and a tracer that may fail in many ways
        raise InputError(f"It does not export with free sizes: {first_line(error)}") from error
    for node in program.graph.nodes:  # where in this machine's files it was recorded: not for others
        node.meta.pop("stack_trace", None)
    foreign = sorted(operators(program) - {"aten"})
    if foreign:
        raise InputError(f"The graph has operators that only this process knows: {', '.join(foreign)}.")
    return program


def operators(program: torch.export.ExportedProgram) -> set[str]:
    """The libraries whose operators a program calls; a file of `aten` alone runs wherever PyTorch does."""
    called = [node.target for node in program.graph.nodes if node.op == "call_function"]
    return {target.namespace for target in called if isinstance(target, torch._ops.OpOverload)}


def _plain_copy(model: nn.Module) -> nn.Module:
    """A copy without what only training needs, whose layers read and hold their memory in the order of axes."""
    model = copy.deepcopy(model).eval().requires_grad_(False).to(memory_format=torch.contiguous_format)
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            module.register_forward_pre_hook(_in_order)
        if isinstance(module, DropPath):
            module.rate = 0.0
    return model


def _in_order(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    return tuple(x.clone(memory_format=torch.contiguous_format) for x in inputs)
