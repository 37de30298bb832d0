"""What a run begins with where its recipe says "auto": the architecture and the preprocessing of the given weights."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from vitrail import weights
from vitrail.data.pixel_settings import PixelAugment, PixelPreprocessing
from vitrail.data.settings import DetectionAugment, DetectionPreprocessing, Preprocessing, Sides
from vitrail.errors import InputError
from vitrail.models import detectors, segmenters
from vitrail.models.catalogue import DENSE, KINDS, ROWS, WEIGHTS, kind_of
from vitrail.models.spec import to_dict
from vitrail.recipes import finetune, finetune_boxes, finetune_pixels
from vitrail.recipes.recipe import Model, Recipe, one_line
from vitrail.weights.files import described

T = TypeVar("T")
S = TypeVar("S", DetectionPreprocessing, PixelPreprocessing)


class Given(NamedTuple):
    """What weights say of themselves; `document` is {} for a row of the weights table, which says no preprocessing."""

    path: str
    name: str
    size: tuple[int, int]
    spec: dict[str, Any]
    document: dict[str, Any]


def resolve(recipe: Recipe) -> Recipe:
    """The recipe with whole paths, and a model of its own where it said "auto": that of its weights, or a small one.

    Name, size, spec and preprocessing of a model that does what the recipe trains are taken as they are; the recipe's
    overrides are laid over its spec. Where the weights are those of another network, boxes are found by a RetinaNet and
    pixels by an UperNet on its backbone.
    Raises: InputError for weights that cannot be found, or do not say what they are, or are of no use here.
    """
    path = getattr(recipe.data, "path", None)
    if path is not None:
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, path=os.path.abspath(path)))
    if recipe.weights and os.path.exists(recipe.weights):
        recipe = dataclasses.replace(recipe, weights=os.path.abspath(recipe.weights))
    if recipe.model.name != "auto":
        return recipe
    known = {"pictures": (finetune.SMALL, _pictures), "boxes": (finetune_boxes.SMALL, _boxes)}
    known["pixels"] = (finetune_pixels.SMALL, _pixels)
    kind = recipe.preprocessing.kind
    if kind not in known:
        raise InputError(f"model.name=auto is for {', '.join(known)}; name a model for {kind}.")
    small, follow = known[kind]
    if not recipe.weights:
        model = recipe.model
        return dataclasses.replace(recipe, model=Model(small.name, model.size, {**small.overrides, **model.overrides}))
    return follow(recipe, _given(recipe.weights))


def preprocessing(document: dict[str, Any], name: str) -> Preprocessing:
    """What a file's document says is to be done to a picture. Raises: InputError, calling the file `name`."""
    return settings_of(document, name, Preprocessing)


def settings_of(document: dict[str, Any], name: str, kind: type[T]) -> T:
    """The preprocessing that a file's document has, of this kind. Raises: InputError, calling the file `name`."""
    try:
        return TypeAdapter(kind).validate_python(document.get("preprocessing", {}), strict=False)
    except ValidationError as error:
        raise InputError(f"{name}: preprocessing: {one_line(error)}") from error


def _given(source: str) -> Given:
    row = WEIGHTS.get(source)
    if row:
        return Given(source, source.partition(".")[0], row.size, to_dict(row.spec), {})
    path = weights.locate(source)
    document = weights.read(path)[1]
    said = described(document, str(path))
    if said is None:
        raise InputError(f"{path} does not say what model it holds: model.name=NAME names it.")
    return Given(str(path), said.name, said.size, said.spec, document)


def _pictures(recipe: Recipe, given: Given) -> Recipe:
    """With the classifier that the weights are of."""
    if kind_of(given.name):
        raise InputError(
            f"{given.path} holds {given.name}, which gives no classes of pictures; finetune_boxes goes on from a "
            "detector, and model.name=NAME names a classifier."
        )
    laid = recipe.model.overrides
    if given.document and given.name not in ROWS:  # another library's has fields of its own
        laid = {}
    chosen = Model(given.name, given.size, {**_differing(given.name, given.spec), **laid})
    if not given.document:
        return dataclasses.replace(recipe, model=chosen)
    return dataclasses.replace(recipe, model=chosen, preprocessing=preprocessing(given.document, given.path))


def _boxes(recipe: Recipe, given: Given) -> Recipe:
    """With the detector that the weights are of, or one on their backbone."""
    settings, augment = recipe.preprocessing, recipe.augment
    assert isinstance(settings, DetectionPreprocessing) and isinstance(augment, DetectionAugment)
    if kind_of(given.name) not in detectors.KINDS:
        return _on_backbone(recipe, given, finetune_boxes.SMALL)
    before, settings = settings.resize, _same_settings(settings, given)
    augment = dataclasses.replace(augment, resize=_in_proportion(augment.resize, before, settings.resize))
    return dataclasses.replace(recipe, model=_same_model(recipe, given), preprocessing=settings, augment=augment)


def _pixels(recipe: Recipe, given: Given) -> Recipe:
    """With the segmenter that the weights are of, or one on their backbone."""
    settings, augment = recipe.preprocessing, recipe.augment
    assert isinstance(settings, PixelPreprocessing) and isinstance(augment, PixelAugment)
    if kind_of(given.name) not in segmenters.KINDS:
        return _on_backbone(recipe, given, finetune_pixels.SMALL)
    before, settings = settings.resize, _same_settings(settings, given)
    if augment.crop and before and settings.resize:
        factor = settings.resize.shortest / before.shortest
        height, width = (max(round(side * factor), 1) for side in augment.crop)
        augment = dataclasses.replace(augment, crop=(height, width))
    return dataclasses.replace(recipe, model=_same_model(recipe, given), preprocessing=settings, augment=augment)


def _same_model(recipe: Recipe, given: Given) -> Model:
    spec = {**_differing(given.name, given.spec), **recipe.model.overrides}
    return Model(given.name, given.size, spec)


def _same_settings(settings: S, given: Given) -> S:
    """The preprocessing of the weights; where they say none of this kind, as the papers have it."""
    said = given.document.get("preprocessing")
    known = isinstance(said, dict) and said.get("kind") == settings.kind
    return settings_of(given.document if known else {}, given.path, type(settings))


def _on_backbone(recipe: Recipe, given: Given, small: Model) -> Recipe:
    """With what `small` has on a backbone, on that of the weights."""
    kind, said = kind_of(given.name), given.document.get("preprocessing")
    below = given.spec.get("backbone", {}) if kind else given.spec
    inner = given.name.removeprefix(f"{kind}_" if kind else DENSE)
    differing = below if kind else _differing(given.name, below)
    spec = {**({"backbone": differing} if differing else {}), **recipe.model.overrides}
    settings = recipe.preprocessing
    if isinstance(said, dict):  # what a picture of another task is resized to is of no use here
        colours = {"preprocessing": {name: said[name] for name in ("mean", "std") if name in said}}
        chosen = settings_of(colours, given.path, Preprocessing)
        settings = dataclasses.replace(settings, mean=chosen.mean, std=chosen.std)
    model = Model(f"{kind_of(small.name)}_{inner}", recipe.model.size, spec)
    return dataclasses.replace(recipe, model=model, preprocessing=settings)


def _in_proportion(sides: Sides, before: Sides, now: Sides) -> Sides:
    """Sides of training pictures, after those in use changed."""
    factor = now.most / before.most
    least, most, step = (max(round(value * factor), 1) for value in (sides.least, sides.most, sides.step))
    return Sides(least, most, step, max(round(sides.longest * factor), now.longest))


def _differing(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The fields in which a spec differs from the one of its name."""
    kind = kind_of(name)
    if kind is None and name not in ROWS:
        return spec
    usual = to_dict(KINDS[kind].spec if kind else ROWS[name].spec)
    return {field: value for field, value in spec.items() if usual.get(field) != value}
