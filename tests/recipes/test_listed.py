"""Modules of recipes list all of theirs, and the list of lists has them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

from vitrail import recipes
from vitrail.recipes import find

NAMES = sorted(each.name for each in pkgutil.iter_modules(recipes.__path__) if each.name != "find")
MODULES = [module for name in NAMES if hasattr(module := importlib.import_module(f"vitrail.recipes.{name}"), "RECIPES")]


def test_the_modules_are_found() -> None:
    assert {"ade20k_iwin", "coco_swin", "imagenet_resnet", "kinetics_swin"} <= {
        module.__name__.rpartition(".")[2] for module in MODULES
    }


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_is_listed(module: ModuleType) -> None:
    functions = [
        thing
        for name, thing in vars(module).items()
        if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not name.startswith("_")
    ]
    assert list(module.RECIPES) == functions
    assert all(find.RECIPES[function.__name__] is function for function in functions)
