"""vitrail: hierarchical vision transformers whose attention lives in windows.

Names are loaded when they are first used, so that `import vitrail` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail.export.optimize import optimize
    from vitrail.heap import keep_memory
    from vitrail.models.catalogue import create_model, describe, list_models
    from vitrail.recipes.use import load
    from vitrail.weights import load_weights

__version__ = "0.1.0"
__all__ = ["create_model", "describe", "keep_memory", "list_models", "load", "load_weights", "optimize"]

_HOMES = {
    "create_model": "vitrail.models.catalogue",
    "describe": "vitrail.models.catalogue",
    "keep_memory": "vitrail.heap",
    "list_models": "vitrail.models.catalogue",
    "load": "vitrail.recipes.use",
    "load_weights": "vitrail.weights",
    "optimize": "vitrail.export.optimize",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vitrail' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
