"""A generator and its recipe small enough for tests, on scikit-learn's digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from vitrail.models.catalogue import create_model
from vitrail.recipes.generate import generate_digits
from vitrail.recipes.recipe import Digits, Model, Recipe
from vitrail.weights import save

SPEC = {"dim": 16, "depth": 1, "heads": 2}
CLASSES = tuple("0123456789")


def recipe(name: str = "flashdit_nano_1") -> Recipe:
    """Two epochs of two steps."""
    base = replace(generate_digits(), model=Model(name, (8, 8), SPEC), data=Digits(held_out=0.02))
    return replace(base, epochs=2, steps=2, batch=16, average=0.9)


def kept(path: Path, classes: tuple[str, ...] = CLASSES, **more: object) -> Path:
    """A weights file of a generator whose velocity is none of zero."""
    torch.manual_seed(0)
    model = create_model("flashdit_nano_1", len(classes), (8, 8), **{**SPEC, **more})
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    save(path, model, classes=list(classes), preprocessing={"kind": "generation"})
    return path
