"""What a run begins with where its recipe says "auto": the architecture and the preprocessing of the given weights."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from vitrail import weights
from vitrail.data import latents
from vitrail.data.clip_settings import ClipPreprocessing
from vitrail.data.generation_settings import GenerationPreprocessing
from vitrail.data.pixel_settings import PixelAugment, PixelPreprocessing
from vitrail.data.settings import DetectionAugment, DetectionPreprocessing, Preprocessing, Sides
from vitrail.errors import InputError, nearest
from vitrail.models import detectors, iwin, segmenters, swin
from vitrail.models.catalogue import DENSE, KINDS, LANGUAGE, ROWS, WEIGHTS, kind_of
from vitrail.models.generator import GeneratorSpec
from vitrail.models.spec import override, stage_grids, to_dict
from vitrail.recipes import finetune, finetune_boxes, finetune_clips, finetune_pixels
from vitrail.recipes.recipe import Model, Recipe, Text, one_line
from vitrail.weights.files import described
from vitrail.weights.inflation import PICTURES

T = TypeVar("T")
S = TypeVar("S", DetectionPreprocessing, PixelPreprocessing, ClipPreprocessing)


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
    pixels by an UperNet on its backbone; where they are a picture's and the data has clips, by the model of clips that
    can begin as the same function.
    Raises: InputError for weights that cannot be found, or do not say what they are, or are of no use here.
    """
    path = getattr(recipe.data, "path", None)
    if path is not None:
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, path=os.path.abspath(path)))
    if recipe.weights and os.path.exists(recipe.weights):
        recipe = dataclasses.replace(recipe, weights=os.path.abspath(recipe.weights))
    if isinstance(recipe.preprocessing, GenerationPreprocessing):
        return _generation(recipe)
    if isinstance(recipe.data, Text):
        return _texts(recipe, recipe.data)
    if recipe.model.name != "auto":
        _looks(recipe.model.name)
        return recipe
    known = {"pictures": (finetune.SMALL, _pictures), "boxes": (finetune_boxes.SMALL, _boxes)}
    known |= {"pixels": (finetune_pixels.SMALL, _pixels), "clips": (finetune_clips.SMALL, _clips)}
    small, follow = known[recipe.preprocessing.kind]
    if not recipe.weights:
        model = recipe.model
        return dataclasses.replace(recipe, model=Model(small.name, model.size, {**small.overrides, **model.overrides}))
    given = _given(recipe.weights)
    if given.name in LANGUAGE:
        raise InputError(
            f"{given.path} holds {given.name}, a model of language, of no use for {recipe.preprocessing.kind}; "
            f"`vitrail train train_text --data FILE weights={recipe.weights} model.name=auto` goes on from it."
        )
    return follow(recipe, given)


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
    return Given(str(path), said.name, said.sides, said.spec, document)


def _makes(name: str) -> bool:
    return name in ROWS and isinstance(ROWS[name].spec, GeneratorSpec)


def _looks(name: str) -> None:
    """Raises: InputError for an architecture that looks at no pictures, before its fields are said to be wrong."""
    if _makes(name):
        raise InputError(
            f"{name} makes pictures, and this recipe is for models that look at pictures; `generate` trains it."
        )
    if name in LANGUAGE:
        raise InputError(
            f"{name} reads text, and this recipe is for models that look at pictures; `train_text` trains it."
        )


def _generation(recipe: Recipe) -> Recipe:
    """With the statistics and the autoencoder of its latents."""
    if recipe.model.name == "auto":
        raise InputError("model.name=auto is not for generators; model.name=flashdit_nano_1 names one.")
    name = recipe.model.name
    if (name in ROWS or name in LANGUAGE or kind_of(name)) and not _makes(name):
        raise InputError(f"{name} makes no pictures; flashdit_nano_1 is a generator.")
    settings, path = recipe.preprocessing, getattr(recipe.data, "path", None)
    assert isinstance(settings, GenerationPreprocessing)
    if settings.autoencoder and os.path.exists(settings.autoencoder):
        settings = dataclasses.replace(settings, autoencoder=os.path.abspath(settings.autoencoder))
    if settings.space == "latents" and path:
        settings = latents.resolved(settings, path)
    return dataclasses.replace(recipe, preprocessing=settings)


def _texts(recipe: Recipe, data: Text) -> Recipe:
    """With the whole path of its tokenizer, and the architecture of its weights."""
    if os.path.isfile(data.tokens):
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(data, tokens=os.path.abspath(data.tokens)))
    if recipe.model.name in LANGUAGE:
        model = dataclasses.replace(recipe.model, size=())  # type: ignore[arg-type]
        return dataclasses.replace(recipe, model=model)
    if recipe.model.name != "auto":
        near = nearest(recipe.model.name, LANGUAGE) or " iwin_lm_tiny is one."
        raise InputError(f"{recipe.model.name} is no model of language, and reads no text.{near}")
    if not recipe.weights:
        raise InputError("model.name=auto takes the architecture of weights=RUN; model.name=iwin_lm_tiny names one.")
    given = _given(recipe.weights)
    if given.name not in LANGUAGE:
        raise InputError(f"{given.path} holds {given.name}, which is no model of language.")
    theirs = _differing(given.name, given.spec)
    theirs.pop("vocabulary", None)  # follows from the text
    fields = {**theirs, **recipe.model.overrides}
    return dataclasses.replace(recipe, model=Model(given.name, size=(), overrides=fields))  # type: ignore[arg-type]


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
        return _on_backbone(recipe, settings, given, finetune_boxes.SMALL)
    before, settings = settings.resize, _same_settings(settings, given)
    augment = dataclasses.replace(augment, resize=_in_proportion(augment.resize, before, settings.resize))
    return dataclasses.replace(recipe, model=_same_model(recipe, given), preprocessing=settings, augment=augment)


def _pixels(recipe: Recipe, given: Given) -> Recipe:
    """With the segmenter that the weights are of, or one on their backbone."""
    settings, augment = recipe.preprocessing, recipe.augment
    assert isinstance(settings, PixelPreprocessing) and isinstance(augment, PixelAugment)
    if kind_of(given.name) not in segmenters.KINDS:
        return _on_backbone(recipe, settings, given, finetune_pixels.SMALL)
    before, settings = settings.resize, _same_settings(settings, given)
    if augment.crop and before and settings.resize:
        factor = settings.resize.shortest / before.shortest
        height, width = (max(round(side * factor), 1) for side in augment.crop)
        augment = dataclasses.replace(augment, crop=(height, width))
    return dataclasses.replace(recipe, model=_same_model(recipe, given), preprocessing=settings, augment=augment)


def _clips(recipe: Recipe, given: Given) -> Recipe:
    """With the model of clips that the weights are of, or one that begins as the picture's network that they are of.

    Clips get the length that the model is built for: its own, or of a picture's that of the recipe.
    """
    settings, row = recipe.preprocessing, ROWS.get(given.name)
    assert isinstance(settings, ClipPreprocessing)
    if row and type(row.spec) in PICTURES:
        model = _same_model(recipe, given)
        settings = _same_settings(settings, given) if given.document else settings
        frames = model.overrides.get("frames", row.spec.frames)
    else:
        model = _inflated(recipe, given)
        settings = _same_colours(settings, given)
        frames = model.overrides["frames"]
    settings = dataclasses.replace(settings, sampling=dataclasses.replace(settings.sampling, length=frames))
    return dataclasses.replace(recipe, model=model, preprocessing=settings)


def _inflated(recipe: Recipe, given: Given) -> Model:
    """The model of clips with the widths, depths, heads, convolutions and windows of a picture's network."""
    row = ROWS.get(given.name)
    kinds = [video for video, picture in PICTURES.items() if row and row.classes and type(row.spec) is picture]
    if not row or not kinds:
        raise InputError(
            f"{given.path} holds {given.name}, from which no model of clips begins: wanted one of clips, or an Iwin or "
            "a Swin that tells classes of pictures."
        )
    names = [name for name, other in ROWS.items() if type(other.spec) is kinds[0]]
    name = f"video_{given.name}" if f"video_{given.name}" in names else names[0]
    usual, spec = ROWS[name].spec, override(row.spec, **given.spec)
    wanted = {field.name: getattr(spec, field.name, None) for field in dataclasses.fields(usual)}
    if isinstance(spec, iwin.IwinSpec):
        windows = iwin.resolve_windows(spec, given.size)
        convs = iwin.conv_stages(spec, stage_grids(given.size, len(spec.depths)), windows)
        wanted["conv_stages"] = "auto" if convs == tuple(range(len(windows) - 1)) else convs
        wanted["window"] = usual.window if set(windows) == {(usual.window, usual.window)} else windows
    else:
        sides = [window for window, _ in swin.resolve_windows(spec, given.size)]
        wanted["window"] = (usual.window[0], *sides[0])
        wanted["bias"] = "released" if set(sides) == {sides[0]} else "corrected"  # with others no picture agrees
    differing = {field: value for field, value in wanted.items() if value not in (None, getattr(usual, field))}
    assert isinstance(recipe.preprocessing, ClipPreprocessing)
    frames = {"frames": recipe.preprocessing.sampling.length}
    return Model(name, given.size, {**differing, **frames, **recipe.model.overrides})


def _same_model(recipe: Recipe, given: Given) -> Model:
    spec = {**_differing(given.name, given.spec), **recipe.model.overrides}
    return Model(given.name, given.size, spec)


def _same_settings(settings: S, given: Given) -> S:
    """The preprocessing of the weights; where they say none of this kind, as the papers have it."""
    said = given.document.get("preprocessing")
    known = isinstance(said, dict) and said.get("kind") == settings.kind
    return settings_of(given.document if known else {}, given.path, type(settings))


def _on_backbone(recipe: Recipe, settings: S, given: Given, small: Model) -> Recipe:
    """With what `small` has on a backbone, on that of the weights."""
    kind = kind_of(given.name)
    below = given.spec.get("backbone", {}) if kind else given.spec
    inner = given.name.removeprefix(f"{kind}_" if kind else DENSE)
    differing = below if kind else _differing(given.name, below)
    spec = {**({"backbone": differing} if differing else {}), **recipe.model.overrides}
    model = Model(f"{kind_of(small.name)}_{inner}", recipe.model.size, spec)
    return dataclasses.replace(recipe, model=model, preprocessing=_same_colours(settings, given))


def _same_colours(settings: S, given: Given) -> S:
    """With the mean and the deviation of the weights: what a picture of another task is resized to is of no use."""
    said = given.document.get("preprocessing")
    if not isinstance(said, dict):
        return settings
    colours = {"preprocessing": {name: said[name] for name in ("mean", "std") if name in said}}
    chosen = settings_of(colours, given.path, Preprocessing)
    return dataclasses.replace(settings, mean=chosen.mean, std=chosen.std)


def _in_proportion(sides: Sides, before: Sides, now: Sides) -> Sides:
    """Sides of training pictures, after those in use changed."""
    factor = now.most / before.most
    least, most, step = (max(round(value * factor), 1) for value in (sides.least, sides.most, sides.step))
    return Sides(least, most, step, max(round(sides.longest * factor), now.longest))


def _differing(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The fields in which a spec differs from the one of its name."""
    kind = kind_of(name)
    if kind is None and name not in ROWS and name not in LANGUAGE:
        return spec
    usual = to_dict(KINDS[kind].spec if kind else LANGUAGE[name] if name in LANGUAGE else ROWS[name].spec)
    return {field: value for field, value in spec.items() if usual.get(field) != value}
