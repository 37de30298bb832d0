"""`field.sub=value`: text laid over a recipe, each value read by its field's type."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args, get_type_hints

from vitrail.errors import InputError, nearest
from vitrail.recipes.recipe import Recipe, from_json, to_json


def apply(recipe: Recipe, overrides: Iterable[str]) -> Recipe:
    """The recipe with other values, such as `optimizer.lr=1e-4`, `model.size=384x384` or `model.overrides.window=8`.

    Another `kind`, as in `optimizer.kind=sgd`, comes first wherever it stands, and with the defaults of its own fields.
    What follows `model.overrides.` or `groups.rates.` is one name, dots and all.

    Raises: InputError for a field that does not exist, naming the nearest, or a value of another type.
    """
    for override in sorted(overrides, key=lambda text: not text.partition("=")[0].endswith(".kind")):
        recipe = _apply(recipe, override)
    return recipe


def read_pairs(texts: Iterable[str]) -> dict[str, Any]:
    """`name=value` texts as a dictionary, each value read as Python would, or as the text it is.

    Raises: InputError for a text without `=`.
    """
    return {name: read_value(text) for name, text in map(_split, texts)}


def read_value(text: str) -> Any:
    """A number, tuple, quoted text, true, false, None, or a dictionary of such; 384x384 is a pair.

    Anything else stays text, "none" too.
    """
    words = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    if re.fullmatch(r"\d+(x\d+)+", text):
        return tuple(map(int, text.split("x")))
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    return value if _plain(value) else text


def _plain(value: Any) -> bool:
    """Whether JSON has such a value."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, str | int | float)


def _split(override: str) -> tuple[str, str]:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise InputError(f"{override!r} is not of the form field.sub=value.")
    try:
        override.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{override!r} holds bytes that are not UTF-8.") from error
    return name, text


def _apply(recipe: Recipe, override: str) -> Recipe:
    name, text = _split(override)
    document: dict[str, Any] = json.loads(to_json(recipe))
    place: dict[str, Any] = document
    noun: Any = recipe
    choices: Sequence[Any] = (Recipe,)  # the nouns that may stand here
    path: list[str] = []
    parts = name.split(".")
    while len(parts) > 1 and not isinstance(noun, dict):
        part = parts.pop(0)
        _check(noun, part, path, choices)
        choices = _choices(noun, part)
        place, noun = place[part], getattr(noun, part)
        path.append(part)
    key, empty = ".".join(parts), text.lower() == "none"
    if isinstance(noun, dict):  # a spec checks its own names, and has choices that are called "none"
        empty = False
    else:
        _check(noun, key, path, choices)
        if key == "kind" and text != noun.kind:
            place.clear()
            kinds = [each.kind for each in choices]
            if text not in kinds:
                raise InputError(f"{name}={text} is none of {', '.join(kinds)}.{nearest(text, kinds)}")
    value = None if empty else read_value(text)
    if isinstance(place.get(key), dict) and not (empty or isinstance(value, dict)):
        raise InputError(
            f"{override!r}: {name} has fields of its own: {', '.join(place[key]) or f'{name}.NAME=VALUE'}."
        )
    place[key] = value
    try:
        return from_json(json.dumps(document), repr(override))
    except InputError:
        place[key] = text  # a name made of digits is still a name
        with contextlib.suppress(InputError):
            return from_json(json.dumps(document))
        raise


def _choices(noun: Any, part: str) -> tuple[Any, ...]:
    """The nouns that a field can hold."""
    hint = get_type_hints(type(noun))[part]
    return tuple(each for each in get_args(hint) or (hint,) if dataclasses.is_dataclass(each))


def _check(noun: Any, part: str, path: Sequence[str], choices: Sequence[Any]) -> None:
    """Nothing where the noun at `path` has the field."""
    where = ".".join(path) or "a recipe"
    if noun is None and choices:
        raise InputError(f"{where} is None; {where}={{}} switches it on.")
    names = _fields(noun)
    if part in names:
        return
    kinds = [each.kind for each in choices if part in _fields(each)]
    if kinds:
        raise InputError(
            f"{where} has no field {part!r} as {noun.kind}; with {where}.kind={' or '.join(kinds)} it has."
        )
    fields = f" Fields: {', '.join(names)}." if names else ""
    raise InputError(f"{where} has no field {part!r}.{nearest(part, names) or fields}")


def _fields(noun: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(noun)] if dataclasses.is_dataclass(noun) else []
