"""Whom a benchmark measures: a model and the way it runs, made ready as one step that can be timed.

infer   forward, with weights and pictures in the numbers asked for.
train   forward, cross entropy, backward and AdamW; for bfloat16 under autocast with weights in float32, as one trains.

The same model has the same weights in every way. What is drawn at random in training (drop path, dropout) is off: the
libraries' defaults differ, and without it the gradients of two ways can be compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.errors import InputError, first_line
from vitrail.export import ways
from vitrail.export.optimize import optimize
from vitrail.models.catalogue import create_model
from vitrail.pyramid import Pyramid

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MODES = ("infer", "train")
OPTIMIZED, CHECKPOINTED = "optimized", "checkpointed"  # what `vitrail.optimize` finds; blocks recomputed in training
WAYS = (*ways.WAYS, OPTIMIZED, CHECKPOINTED)
TRAINING = ("eager", "compiled", CHECKPOINTED)  # ways that train
CLASSES = 1000
RANDOM = {"DropPath": ("rate", "drop_prob"), "StochasticDepth": ("p",), "Dropout": ("p",)}  # class -> its rate


@dataclass(frozen=True)
class Contender:
    """A model by its name in the catalogue, and the way it runs.

    optional: It came from `@all`, so where it cannot run it is left out.
    """

    name: str
    way: str = "eager"
    optional: bool = field(default=False, compare=False)

    @property
    def label(self) -> str:
        return self.name if self.way == "eager" else f"{self.name}@{self.way}"


@dataclass(frozen=True)
class Setting:
    """Under what all are measured beside each other; `size` is (H, W) in pixels."""

    mode: str
    dtype: str
    batch: int
    size: tuple[int, int]
    device: torch.device

    @property
    def title(self) -> str:
        return f"{self.mode}, {self.dtype}, batch {self.batch}, {self.size[0]} x {self.size[1]}"


@dataclass(frozen=True)
class Ready:
    """A contender that has compiled and run.

    step: What is timed.
    tensors: Those that stay between two steps.
    compile_seconds: How long it took to get ready, its first step included; None where nothing compiles.
    parity: Largest difference from the same model eager, over the largest eager value, of the classes' logits, or of
        the gradients of the first step of training; None for eager itself.
    """

    step: Callable[[], object]
    tensors: Callable[[], list[Tensor]]
    compile_seconds: float | None = None
    parity: float | None = None


def read(text: str) -> list[Contender]:
    """`MODEL`, `MODEL@WAY`, or `MODEL@all` for every way. Raises: InputError for a way that does not exist."""
    name, _, way = text.partition("@")
    if way == "all":
        return [Contender(name, each, optional=True) for each in ways.WAYS]
    if way and way not in WAYS:
        raise InputError(f"{text}: the way {way!r} is none of {', '.join(WAYS)}, all.")
    return [Contender(name, way or "eager")]


def missing(contender: Contender, setting: Setting) -> str | None:
    """Why it cannot run here, in one line; None when it can."""
    if setting.mode == "train" and contender.way not in TRAINING:
        return f"{contender.way} does not train; {', '.join(TRAINING)} do"
    if setting.mode == "infer" and contender.way == CHECKPOINTED:
        return f"{CHECKPOINTED} is a way to train, with --mode train"
    if contender.way in (OPTIMIZED, CHECKPOINTED):
        return None
    return ways.missing(contender.way, torch.empty(1, 3, 8, 8, dtype=DTYPES[setting.dtype], device=setting.device))


def check(name: str, size: tuple[int, int]) -> None:
    """Whether a model can be measured at a size, found out on the meta device where that is possible.

    Raises: InputError for an unknown name, for a size it refuses, and where it gives no classes.
    """
    try:
        with torch.device("meta"):
            _forward_once(name, size)
    except (ValueError, RuntimeError, AssertionError):  # a refusal, or a model that is built from values
        try:
            _forward_once(name, size)
        except InputError:
            raise
        except (ValueError, RuntimeError, AssertionError) as error:
            raise InputError(f"{name} refuses {size[0]} x {size[1]}: {first_line(error)}") from None


def _forward_once(name: str, size: tuple[int, int]) -> None:
    model = create_model(name, CLASSES, size)
    if not model.num_classes:
        raise InputError(f"{name} gives maps; a classifier is wanted, such as {name.removeprefix('dense_')}.")
    with torch.no_grad():
        model.eval()(torch.empty(1, 3, *size))


def ready(contender: Contender, setting: Setting) -> Ready:
    """Builds, compiles and runs it once. Raises: InputError where its way cannot run; whatever the model raises."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = create_model(contender.name, CLASSES, setting.size)
        x = torch.randn(setting.batch, 3, *setting.size).to(setting.device)
        target = torch.randint(CLASSES, (setting.batch,)).to(setting.device)
    for module in model.modules():
        for rate in RANDOM.get(type(module).__name__, ()):
            if hasattr(module, rate):
                setattr(module, rate, 0.0)
    model.to(setting.device)
    if setting.mode == "train":
        return _ready_to_train(model, contender.way, setting, x, target)
    return _ready_to_infer(model.to(DTYPES[setting.dtype]), contender.way, x.to(DTYPES[setting.dtype]))


def _ready_to_infer(model: nn.Module, way: str, x: Tensor) -> Ready:
    model.eval()
    expected = None if way == "eager" else ways.prepare(model, x, "eager")(x)
    start = time.perf_counter()
    run = optimize(model, x) if way == OPTIMIZED else ways.prepare(model, x, way)
    took = time.perf_counter() - start
    tensors = [*model.parameters(), *model.buffers(), x]
    if expected is None:
        return Ready(lambda: run(x), lambda: tensors)
    return Ready(lambda: run(x), lambda: tensors, took, ways.parity([expected], [run(x)]))


def _ready_to_train(model: nn.Module, way: str, setting: Setting, x: Tensor, target: Tensor) -> Ready:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    network: Any = ways.compiled_apart(model) if way == "compiled" else model

    def gradients(of: Any) -> None:
        with torch.autocast(setting.device.type, DTYPES[setting.dtype], enabled=setting.dtype != "float32"):
            loss = F.cross_entropy(of(x), target)
        loss.backward()

    def step() -> None:
        gradients(network)
        optimizer.step()
        optimizer.zero_grad()

    def tensors() -> list[Tensor]:
        moments = [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
        return [*model.parameters(), *model.buffers(), *moments, x, target]

    if way == "eager":
        step()
        return Ready(step, tensors)
    gradients(model)
    expected = _take_gradients(model)
    if way == CHECKPOINTED:
        _recompute(model)
    start = time.perf_counter()
    gradients(network)
    took = time.perf_counter() - start
    parity = ways.parity(expected, _take_gradients(model))
    step()
    return Ready(step, tensors, took, parity)


def _recompute(model: nn.Module) -> None:
    """Every block computed again in the backward pass. Raises: InputError for a network that cannot."""
    trunk: Any = getattr(model, "trunk", None)
    other: Any = getattr(model, "model", None)
    if isinstance(trunk, Pyramid):
        trunk.checkpoint_stages(range(len(trunk.stages)))
    elif hasattr(other, "set_grad_checkpointing"):
        other.set_grad_checkpointing(True)
    else:
        raise InputError(f"{getattr(model, 'name', type(model).__name__)} cannot recompute its blocks.")


def _take_gradients(model: nn.Module) -> list[Tensor]:
    """Of every parameter that got one; the model has none afterwards."""
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    for parameter in model.parameters():
        parameter.grad = None
    return found
