"""`field.sub=value`: text laid over a recipe, each value read by its field's type."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import re
from collections.abc import Iterable
from typing import Any

from vitrail.errors import InputError, nearest
from vitrail.recipes.recipe import Recipe, from_json, to_json


def apply(recipe: Recipe, overrides: Iterable[str]) -> Recipe:
    """The recipe with other values, such as `optimizer.lr=1e-4`, `model.size=384x384` or `model.overrides.window=8`.

    Raises: InputError for a field that does not exist, naming the nearest, or a value of another type.
    """
    for override in overrides:
        recipe = _apply(recipe, override)
    return recipe


def read_pairs(texts: Iterable[str]) -> dict[str, Any]:
    """`name=value` texts as a dictionary, each value read as Python would, or as the text it is.

    Raises: InputError for a text without `=`.
    """
    return {name: read_value(text) for name, text in map(_split, texts)}


def read_value(text: str) -> Any:
    """A number, tuple, quoted text, true, false or None; 384x384 is a pair; anything else stays text, "none" too."""
    words = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    if re.fullmatch(r"\d+(x\d+)+", text):
        return tuple(map(int, text.split("x")))
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _split(override: str) -> tuple[str, str]:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise InputError(f"{override!r} is not of the form field.sub=value.")
    return name, text


def _apply(recipe: Recipe, override: str) -> Recipe:
    name, text = _split(override)
    document: dict[str, Any] = json.loads(to_json(recipe))
    place, noun, parts = document, recipe, name.split(".")
    for depth, part in enumerate(parts[:-1]):
        _check(noun, part, parts[:depth])
        place, noun = place[part], noun[part] if isinstance(noun, dict) else getattr(noun, part)
    _check(noun, parts[-1], parts[:-1])
    if isinstance(place.get(parts[-1]), dict):
        raise InputError(f"{override!r}: {name} has fields of its own: {', '.join(place[parts[-1]])}.")
    empty = text.lower() == "none" and not isinstance(noun, dict)  # a spec has choices that are called "none"
    place[parts[-1]] = None if empty else read_value(text)
    try:
        return from_json(json.dumps(document), repr(override))
    except InputError:
        place[parts[-1]] = text  # a name made of digits is still a name
        with contextlib.suppress(InputError):
            return from_json(json.dumps(document))
        raise


def _check(noun: Any, part: str, path: list[str]) -> None:
    if isinstance(noun, dict):  # an architecture's spec checks its own names
        return
    names = [field.name for field in dataclasses.fields(noun)] if dataclasses.is_dataclass(noun) else []
    if part not in names:
        where = ".".join(path) or "a recipe"
        fields = f" Fields: {', '.join(names)}." if names else ""
        raise InputError(f"{where} has no field {part!r}.{nearest(part, names) or fields}")
