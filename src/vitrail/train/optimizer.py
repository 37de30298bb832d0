"""AdamW and SGD over groups of parameters that share a learning rate and a weight decay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from vitrail.errors import InputError

USUAL = ("vector", "named", ".bias")


def groups(
    model: nn.Module,
    weight_decay: float,
    exempt: Sequence[str] = USUAL,
    rates: Mapping[str, float] | None = None,
    layer_decay: float = 1.0,
) -> list[dict[str, Any]]:
    """Parameters that learn, grouped by weight decay and by `scale`, their share of the learning rate.

    Args:
        exempt: Which do not decay: "vector" tensors of at most one axis, "named" what the model names in
            `no_weight_decay() -> set[str]`, where it has one, any other text those whose path holds it, with `*` for
            whatever stands between its parts.
        rates: Part of a path -> share of the rate; of several that a path holds the longest decides.
        layer_decay: Share of the rate that each layer has of the one above; the model says which layer a parameter is
            in by `layer_of(path) -> int`, 0 the lowest.
    Raises: InputError for a part of a path that no parameter has, or a model that does not know its layers.
    """
    rates = rates or {}
    learning = [(path, parameter) for path, parameter in model.named_parameters() if parameter.requires_grad]
    if not learning:
        raise InputError("Every parameter is frozen; groups.frozen leaves nothing to learn.")
    for part in rates:
        if not any(part in path for path, _ in learning):
            raise InputError(f"groups.rates: no parameter's path holds {part!r}; the first is {learning[0][0]!r}.")
    named: set[str] = model.no_weight_decay() if hasattr(model, "no_weight_decay") else set()  # type: ignore[operator]
    layers = _layers(model, [path for path, _ in learning]) if layer_decay != 1 else {}
    top = max(layers.values(), default=0)
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for path, parameter in learning:
        free = any(
            parameter.ndim <= 1 if kind == "vector" else path in named if kind == "named" else _holds(path, kind)
            for kind in exempt
        )
        parts = [part for part in rates if part in path]
        scale = (rates[max(parts, key=len)] if parts else 1.0) * layer_decay ** (top - layers.get(path, top))
        found.setdefault((0.0 if free else weight_decay, scale), []).append(parameter)
    ordered = sorted(found.items(), key=lambda item: item[0], reverse=True)
    return [{"params": parameters, "weight_decay": decay, "scale": scale} for (decay, scale), parameters in ordered]


def _holds(path: str, text: str) -> bool:
    return fnmatchcase(path, f"*{text}*")


def _layers(model: nn.Module, paths: Sequence[str]) -> dict[str, int]:
    layer_of: Callable[[str], int] | None = getattr(model, "layer_of", None)
    if layer_of is None:
        raise InputError(f"groups.layer_decay: {getattr(model, 'name', type(model).__name__)} does not say its layers.")
    return {path: layer_of(path) for path in paths}


def freeze(model: nn.Module, count: int, still: bool = False) -> None:
    """Stops the first `count` of the model's `parts()` from learning, and keeps them in eval mode.

    Args:
        still: Batch norms of its backbone, or of all of a model that has none, also stay in eval mode: they keep the
            statistics they came with. Their weights and biases learn on, but for those in frozen parts.
    Raises: InputError where the model has fewer parts, or no batch norm to keep still.
    """
    parts: list[list[nn.Module]] = model.parts() if count and hasattr(model, "parts") else []  # type: ignore[operator]
    name = getattr(model, "name", type(model).__name__)
    if count > len(parts):
        raise InputError(f"groups.frozen={count}: {name} has {len(parts)} parts that can be frozen.")
    norms = [module for module in getattr(model, "backbone", model).modules() if isinstance(module, _BatchNorm)]
    if still and not norms:
        raise InputError(f"groups.still: the backbone of {name} has no batch norm; groups.still=false.")
    for module in (module for part in parts[:count] for module in part):
        _rest(module.requires_grad_(False))
    for module in norms if still else []:
        _rest(module)


def _rest(module: nn.Module) -> None:
    """Keeps a module in eval mode."""
    module.eval()
    module.train = _stay.__get__(module)  # type: ignore[method-assign]


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    """`train` of a module that rests: it stays as it is."""
    return module


def adamw(parameters: list[dict[str, Any]], lr: float, betas: tuple[float, float], eps: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, lr=lr, betas=betas, eps=eps)


def sgd(parameters: list[dict[str, Any]], lr: float, momentum: float) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives each group its share of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)
