"""Looking at a model at work, and leaving it as it was: hooks and eval mode for as long as a block is entered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def still(model: nn.Module) -> Iterator[None]:
    """Eval mode; each module's own mode comes back when the block ends."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def noting(modules: Iterable[nn.Module], inputs: bool = False) -> Iterator[dict[nn.Module, Tensor]]:
    """What each module gave when it was called last, or with `inputs` its first argument, as it stands in the graph.

    What is no tensor is left out. The hooks go when the block ends.
    """
    noted: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, seen: object) -> None:
        if isinstance(seen, Tensor):
            noted[module] = seen

    def before(module: nn.Module, given: tuple[object, ...]) -> None:
        note(module, given[0] if given else None)

    def after(module: nn.Module, given: tuple[object, ...], found: object) -> None:
        note(module, found)

    handles = []
    try:
        for module in modules:
            if inputs:
                handles.append(module.register_forward_pre_hook(before))
            else:
                handles.append(module.register_forward_hook(after))
        yield noted
    finally:
        for handle in handles:
            handle.remove()
