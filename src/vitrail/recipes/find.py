"""From what was written on the command line to a recipe."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

from pydantic import ValidationError

from vitrail.errors import InputError, nearest
from vitrail.recipes import (
    ade20k_iwin,
    ade20k_resnet,
    ade20k_scalablevit,
    ade20k_swin,
    coco_iwin,
    coco_resnet,
    coco_scalablevit,
    coco_swin,
    imagenet_dit,
    imagenet_iwin,
    imagenet_resnet,
    imagenet_scalablevit,
    imagenet_swin,
    kinetics_iwin,
    kinetics_swin,
    something_swin,
)
from vitrail.recipes.demo import demo
from vitrail.recipes.finetune import finetune
from vitrail.recipes.finetune_boxes import finetune_boxes
from vitrail.recipes.finetune_clips import finetune_clips
from vitrail.recipes.finetune_pixels import finetune_pixels
from vitrail.recipes.generate import generate, generate_digits
from vitrail.recipes.recipe import Recipe, from_json, one_line
from vitrail.recipes.train_text import train_text

RECIPES = {
    function.__name__: function
    for function in (
        demo,
        finetune,
        finetune_boxes,
        finetune_pixels,
        finetune_clips,
        generate,
        generate_digits,
        train_text,
        *imagenet_iwin.RECIPES,
        *imagenet_swin.RECIPES,
        *imagenet_scalablevit.RECIPES,
        *imagenet_resnet.RECIPES,
        *coco_iwin.RECIPES,
        *coco_swin.RECIPES,
        *coco_scalablevit.RECIPES,
        *coco_resnet.RECIPES,
        *ade20k_iwin.RECIPES,
        *ade20k_swin.RECIPES,
        *ade20k_scalablevit.RECIPES,
        *ade20k_resnet.RECIPES,
        *kinetics_iwin.RECIPES,
        *kinetics_swin.RECIPES,
        *something_swin.RECIPES,
        *imagenet_dit.RECIPES,
    )
}


def find(text: str) -> Recipe:
    """The recipe of a name, of a `.py` file with one recipe function, or of a run: its folder or its recipe.json.

    Raises: InputError where there is none.
    """
    path = Path(text)
    if text in RECIPES:
        return RECIPES[text]()
    if path.suffix == ".py":
        return _from_python(path)
    if path.is_dir() or path.suffix == ".json":
        return of_run(path)
    near = nearest(text, RECIPES)
    raise InputError(f"{text!r} is no recipe, .py file or run.{near} `vitrail recipes` lists all {len(RECIPES)}.")


def of_run(path: Path) -> Recipe:
    """The resolved recipe of a run: its folder, or the file itself."""
    path = path if path.suffix == ".json" else path / "recipe.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file; a run's folder holds it.")
    return from_json(path.read_text(encoding="utf-8", errors="replace"), str(path))


def _from_python(path: Path) -> Recipe:
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    spec = importlib.util.spec_from_file_location("vitrail_recipe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        functions = [
            thing
            for name, thing in vars(module).items()
            if inspect.isfunction(thing) and thing.__module__ == spec.name and not name.startswith("_")
        ]
        if len(functions) != 1:
            raise InputError(
                f"{path}: wanted one function that returns a Recipe, found {len(functions)}; "
                "a name beginning with _ is not counted."
            )
        recipe = functions[0]()
    except ValidationError as error:
        raise InputError(f"{path}: {one_line(error)}") from error
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # the user's own code may raise anything, and may try to leave
        raise InputError(f"{path}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    if not isinstance(recipe, Recipe):
        raise InputError(f"{path}: {functions[0].__name__} returned {type(recipe).__name__}, wanted a Recipe.")
    return recipe
