"""What a run begins from: the architecture and the preprocessing of given weights, and the weights themselves."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from vitrail import weights
from vitrail.data.settings import Preprocessing
from vitrail.errors import InputError
from vitrail.models.assemble import Network
from vitrail.models.catalogue import ROWS, WEIGHTS
from vitrail.models.others import Other
from vitrail.models.others_weights import take
from vitrail.models.spec import to_dict
from vitrail.recipes.finetune import SMALL
from vitrail.recipes.recipe import Folder, Model, Recipe, one_line
from vitrail.weights.files import described
from vitrail.weights.formats import release_keys, to_release


def resolve(recipe: Recipe) -> Recipe:
    """The recipe with whole paths, and a model of its own where it said "auto": that of its weights, or a small one.

    A file's name, size, spec and preprocessing are taken as they are; the recipe's overrides are laid over its spec.
    Raises: InputError for weights that cannot be found, or do not say what they are.
    """
    if isinstance(recipe.data, Folder) and recipe.data.path is not None:
        recipe = dataclasses.replace(
            recipe, data=dataclasses.replace(recipe.data, path=os.path.abspath(recipe.data.path))
        )
    if recipe.weights and os.path.exists(recipe.weights):
        recipe = dataclasses.replace(recipe, weights=os.path.abspath(recipe.weights))
    model = recipe.model
    if model.name != "auto":
        return recipe
    if not recipe.weights:
        return dataclasses.replace(recipe, model=Model(SMALL.name, model.size, {**SMALL.overrides, **model.overrides}))
    row = WEIGHTS.get(recipe.weights)
    if row:
        name = recipe.weights.partition(".")[0]
        return dataclasses.replace(
            recipe, model=Model(name, row.size, {**_differing(name, to_dict(row.spec)), **model.overrides})
        )
    path = weights.locate(recipe.weights)
    document = weights.read(path)[1]
    said = described(document, str(path))
    if said is None:
        raise InputError(f"{path} does not say what model it holds: model.name=NAME names it.")
    chosen = Model(said.name, said.size, {**_differing(said.name, said.spec), **_fitting(said.name, model.overrides)})
    return dataclasses.replace(recipe, model=chosen, preprocessing=preprocessing(document, str(path)))


def preprocessing(document: dict[str, Any], name: str) -> Preprocessing:
    """What a file's document says is to be done to a picture. Raises: InputError, calling the file `name`."""
    try:
        return TypeAdapter(Preprocessing).validate_python(document.get("preprocessing", {}), strict=False)
    except ValidationError as error:
        raise InputError(f"{name}: preprocessing: {one_line(error)}") from error


def _differing(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The fields in which a spec differs from the one of its name."""
    if name not in ROWS:
        return spec
    usual = to_dict(ROWS[name].spec)
    return {field: value for field, value in spec.items() if usual.get(field) != value}


def _fitting(name: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """The overrides that an architecture of ours takes; another library's has fields of its own."""
    return overrides if name in ROWS else {}


def begin_from(model: Network, source: str, classes: Sequence[str]) -> str:
    """Puts the weights of a run, a file or a name into `model`, and says in a line what became of them.

    The head is kept where the file was trained on the same classes, else it begins anew; tables of another window are
    resized; convolutions that the model has only at its new size begin anew (Iwin's last stage, at 1024 from 224).

    Raises: InputError for a path that holds none, or weights of another architecture.
    """
    file = weights.locate(source)
    tensors, document = weights.read(file)
    same = bool(document.get("classes")) and list(document["classes"]) == list(classes)
    if isinstance(model, Other):
        return _begin_other(model, tensors, str(file), same)
    said = weights.trained(document)
    own = dict(model.named_parameters())
    if said and not {name for name in own if not name.startswith("head.")} <= tensors.keys():
        tensors = to_release(weights.open_model(file)[0])  # paths follow the structure; a release's names do not
    trunk = {name: tensor for name, tensor in tensors.items() if same or not name.startswith("head.")}
    trained_as = said or (source if source in WEIGHTS else None)
    report = weights.load_weights(model, trunk, trained_as=trained_as, new_window=True, partial=True)
    keys = release_keys(model)
    anew = [name for name in report.missing if not name.startswith("head.")]
    fresh = [name for name in anew if name in keys and ".dwconv." in keys[name].name]
    if len(fresh) < len(anew) or report.unexpected:
        raise InputError(
            f"{file} is not the weights of this {model.name}: {len(anew)} tensors missing, "
            f"{len(report.unexpected)} left over; give model.name and model.overrides of what it holds."
        )
    more = [f"{len(report.resized)} tables resized"] if report.resized else []
    more += [f"{len(fresh)} tensors of new convolutions begin anew"] if fresh else []
    return _line(str(file), len(report.loaded), same, more)


def _begin_other(model: Other, tensors: dict[str, Tensor], file: str, same: bool) -> str:
    heads = tuple(f"{head}." for head in model.heads)
    kept = {name: tensor for name, tensor in tensors.items() if same or not name.startswith(heads)}
    try:
        taken = take(model, kept, new_classes=not same)
    except InputError as error:
        raise InputError(f"{file}: {error} Give model.name and model.overrides of what it holds.") from None
    return _line(file, len(taken.loaded), same, [])


def _line(file: str, count: int, same: bool, more: list[str]) -> str:
    head = "the head kept, its classes are the same" if same else "the head begins anew"
    return "; ".join([f"{count} tensors from {file}", head, *more])
