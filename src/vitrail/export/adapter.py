"""What an export has to know of a model. A task joins by making one of these; nothing else here knows a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.geometry.windows import Windows
from vitrail.models.generator import Generator
from vitrail.models.iwin_lm import LanguageModel

# the sizes at which every export is compared: plain, ragged, long, a single window in each stage, large
SIZES = ((224, 224), (97, 133), (64, 300), (37, 41), (512, 512))
BATCHES = (1, 3)


def largest_difference(expected: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """The largest absolute difference of tensors in pairs; infinite where shapes differ or a value is no number."""
    if [tuple(t.shape) for t in expected] != [tuple(t.shape) for t in found]:
        return float("inf")
    differences = [(a.float() - b.float()).abs().max().item() for a, b in zip(expected, found, strict=True)]
    return float("inf") if any(d != d for d in differences) else max(differences, default=0.0)


@dataclass(frozen=True)
class Adapter:
    """A module of pictures, and how it is exported and compared.

    module: (B, C_in, H, W) -> a tensor, or a list or tuple of tensors; evaluation mode, on the CPU, in float32.
    output: The name of what comes out; several are NAME_0, NAME_1, ...
    channels: C_in.
    traced: (B, H, W) of the example a graph is recorded from. It decides nothing as long as no size in it is special:
        at least two pictures, and two windows along each axis of every stage.
    sizes, batches: At which the exported file is compared with the module.
    compare: (expected, found), the outputs of both as lists, gives a number that is to be small.
    document: More for the JSON beside the file: the spec, classes, preprocessing, and whatever a user needs.
    """

    module: nn.Module
    output: str = "logits"
    channels: int = 3
    traced: tuple[int, int, int] = (2, 480, 608)
    sizes: tuple[tuple[int, int], ...] = SIZES
    batches: tuple[int, ...] = BATCHES
    compare: Callable[[Sequence[Tensor], Sequence[Tensor]], float] = largest_difference
    document: Mapping[str, Any] = field(default_factory=dict)

    def example(self) -> Tensor:
        """Zeros as the graph is recorded from."""
        batch, height, width = self.traced
        return torch.zeros(batch, self.channels, height, width)

    def expected(self, x: Tensor) -> list[Tensor]:
        """What the module itself gives."""
        with torch.no_grad():
            return as_list(self.module(x))


def as_list(outputs: Any) -> list[Tensor]:
    """One tensor or several as a list."""
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def check_looks(model: nn.Module, source: str | None = None) -> None:
    """Raises: InputError for a model that makes something, and is asked for samples, calling it `source`."""
    if isinstance(model, Generator | LanguageModel):
        made, how = ("pictures", "--grid out.png") if isinstance(model, Generator) else ("texts", "--prompt TEXT")
        raise InputError(
            f"{source or model.name} makes {made} and looks at none, which is what is exported and optimized; "
            f"`vitrail sample {source or 'RUN'} {how}` lets it make them."
        )


def adapt(model: nn.Module, /, **document: Any) -> Adapter:
    """A classifier, or a backbone that gives maps, as an adapter. Raises: InputError for a model that makes something.

    Args:
        model: Of `create_model` or `vitrail.load`; put in evaluation mode.
        document: For the JSON beside the file.
    """
    check_looks(model)
    model.eval()
    classes = getattr(model, "num_classes", 0)
    spec = getattr(model, "spec", None)
    channels = spec.get("in_chans", 3) if isinstance(spec, dict) else getattr(spec, "in_channels", 3)
    name = "logits" if classes else "features"
    return Adapter(model, output=name, channels=channels, traced=_traced(model), document=document)


def _traced(model: nn.Module) -> tuple[int, int, int]:
    """Two pictures whose sides are more than two of the largest windows of the deepest stage, and differ."""
    windows: list[Any] = [m.windows.size for m in model.modules() if isinstance(getattr(m, "windows", None), Windows)]
    strides: Any = getattr(model, "strides", None)
    stride = max(strides or (32,))
    reach = 2 * stride * max((max(size) for size in windows), default=7)
    return 2, reach + stride, reach + 5 * stride
