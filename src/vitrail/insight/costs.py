"""What named networks cost: each counted once, on the meta device, in several processes where there are many."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from math import prod
from multiprocessing import get_context
from typing import Any, NamedTuple

import torch
from torch import nn

from vitrail import count
from vitrail.mixers import WindowAttention
from vitrail.models.catalogue import build
from vitrail.train.record import track

DETECTION, SEGMENTATION = (800, 1280), (512, 2048)
WORTH = 12  # networks to count for which other processes, that must load PyTorch first, are worth their start
PROCESSES = 2
_KNOWN: dict[Network, Costs] = {}


class Network(NamedTuple):
    """A model and what it is built with: `create_model(name, **arguments)`. Made by `network`, so that equals meet."""

    name: str
    given: tuple[tuple[str, Any], ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.given)

    @property
    def call(self) -> str:
        """The Python that builds it."""
        return f"create_model({self.name!r}{''.join(f', {key}={value!r}' for key, value in self.given)})"

    @property
    def words(self) -> str:
        """What `vitrail info` takes: `iwin_tiny down=merge`, `iwin_small --size 384x384`."""
        given = self.arguments
        size, classes = given.pop("size", None), given.pop("num_classes", None)
        fields = [shlex.quote(f"{key}={_word(value)}") for key, value in given.items()]
        more = [f"--size {size[0]}x{size[1]}"] if size else []
        return " ".join([self.name, *fields, *more, *([] if classes is None else [f"--classes {classes}"])])


class Costs(NamedTuple):
    """Parameters, and multiply-adds of ours, without the products of attention, and what the releases do besides.

    padding: Projections of the zeros that fill up windows: q, k and v where ours come before the padding, and the
        output projection, which ScalableViT's has after the crop too.
    """

    parameters: int
    whole: int
    without: int
    padding: int

    @property
    def released(self) -> int:
        """Multiply-adds of the released network: every one, those on padding too."""
        return self.whole + self.padding


def network(name: str, **arguments: Any) -> Network:
    """`Network` of a model; detectors and segmenters get the size that the papers count at where none is named."""
    if "size" not in arguments and name.startswith(("retinanet_", "mask_rcnn_", "cascade_mask_rcnn_")):
        arguments["size"] = DETECTION
    if "size" not in arguments and name.startswith(("upernet_", "semantic_fpn_")):
        arguments["size"] = SEGMENTATION
    return Network(name, tuple(sorted(arguments.items())))


def costs(subject: Network) -> Costs:
    """Built and counted on the meta device, once a process.

    Multiply-adds are of one picture of the size it is built for, one clip, or one latent; of a detector with 1000
    regions and 100 masks, of a segmenter without its auxiliary head.
    """
    if subject not in _KNOWN:
        _KNOWN[subject] = _count(subject)
    return _KNOWN[subject]


def count_all(subjects: Iterable[Network], processes: int = PROCESSES) -> dict[Network, Costs]:
    """`costs` of each, with a bar of what is done and the time left, on standard error."""
    wanted = list(dict.fromkeys(subjects))
    missing = [subject for subject in wanted if subject not in _KNOWN]
    for subject, found in track(_counted(missing, processes), len(missing), "counting"):
        _KNOWN[subject] = found
    return {subject: _KNOWN[subject] for subject in wanted}


def _counted(subjects: list[Network], processes: int) -> Iterator[tuple[Network, Costs]]:
    processes = min(processes, os.cpu_count() or 1)
    if processes < 2 or len(subjects) < WORTH:
        yield from ((subject, _count(subject)) for subject in subjects)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from zip(subjects, pool.map(_count, subjects), strict=True)


def _count(subject: Network) -> Costs:
    given = subject.arguments
    size, classes = given.pop("size", None), given.pop("num_classes", None)
    with torch.device("meta"):
        model = build(subject.name, classes, size, **given)
    channels = getattr(getattr(model, "backbone", model).spec, "in_channels", 3)
    output = "scalablevit" not in subject.name
    return Costs(count.parameters(model), *measured(model, (1, channels, *model.input_size), output))


def measured(model: nn.Module, shape: tuple[int, ...], output: bool) -> tuple[int, int, int]:
    """Multiply-adds with and without the products of attention, and those that projecting padding would add.

    Args:
        model: On the meta device.     shape: (1, C_in, *S).     output: The output projection too; see `Costs`.
    """
    padding = 0

    def add(mixer: nn.Module, came: tuple[torch.Tensor, ...]) -> None:
        nonlocal padding
        assert isinstance(mixer, WindowAttention)
        axes, channels = mixer.windows.axes(came[0].shape[1:-1]), came[0].shape[-1]
        rows = prod(axis.padded for axis in axes) - prod(axis.length for axis in axes)
        padding += rows * channels**2 * (3 * mixer.projects_first(came[0]) + output)

    hooks = [m.register_forward_pre_hook(add) for m in model.modules() if isinstance(m, WindowAttention)]
    whole, without = count.both(model, shape)
    for hook in hooks:
        hook.remove()
    return whole, without, padding


def _word(value: Any) -> str:
    if isinstance(value, tuple) and value and all(isinstance(each, int) for each in value):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value).replace("'", '"')
