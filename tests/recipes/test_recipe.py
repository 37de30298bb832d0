"""Recipes are checked, written, read back and overridden; each that we ship can be built."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from vitrail.data.settings import Augment, RandAugment
from vitrail.errors import InputError
from vitrail.models.catalogue import create_model
from vitrail.recipes import find, run
from vitrail.recipes.demo import MODELS, side_by_side
from vitrail.recipes.overrides import apply, read_pairs, read_value
from vitrail.recipes.recipe import (
    SGD,
    AdamW,
    Digits,
    Folder,
    Groups,
    Model,
    Polynomial,
    Recipe,
    Steps,
    from_json,
    to_json,
)
from vitrail.recipes.start import resolve

RECIPES = {name: function() for name, function in find.RECIPES.items()} | side_by_side()


@pytest.mark.parametrize("name", RECIPES)
def test_what_we_ship_is_read_back(name: str) -> None:
    assert from_json(to_json(RECIPES[name])) == RECIPES[name]


MODELS_OF = {str(recipe.model): name for name, recipe in RECIPES.items()}  # many recipes train the same


@pytest.mark.parametrize("name", MODELS_OF.values())
def test_what_we_ship_can_be_built(name: str) -> None:
    recipe = resolve(RECIPES[name])
    with torch.device("meta"):
        assert create_model(recipe.model.name, 10, recipe.model.size, **recipe.model.overrides).num_classes == 10


@pytest.mark.parametrize("name", find.RECIPES)
def test_a_recipes_docstring_gives_its_command(name: str) -> None:
    assert f"Command: vitrail train {name}" in (find.RECIPES[name].__doc__ or "")


def test_models_of_the_demo_are_trained_alike() -> None:
    recipes = side_by_side()
    assert tuple(recipes) == MODELS
    assert len({to_json(replace(r, model=replace(r.model, name="x"))) for r in recipes.values()}) == 1


def test_a_misspelt_field_or_a_wrong_type_fails_at_once() -> None:
    with pytest.raises(ValidationError, match="unexpected"):
        Recipe(model=Model("iwin_nano"), data=Folder(), epohcs=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="valid number"):
        AdamW(lr="fast")  # type: ignore[arg-type]


BASE = Recipe(model=Model("iwin_nano"), data=Folder(), augment=Augment(crop=(0.1, 1.0)))


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("optimizer.lr=1e-4", replace(BASE, optimizer=AdamW(lr=1e-4))),
        ("epochs=3", replace(BASE, epochs=3)),
        ("model.name=swin_tiny", replace(BASE, model=Model("swin_tiny"))),
        ("model.size=96", replace(BASE, model=Model("iwin_nano", (96, 96)))),
        ("model.size=96x128", replace(BASE, model=Model("iwin_nano", (96, 128)))),
        ("model.overrides.window=(4, 2)", replace(BASE, model=Model("iwin_nano", overrides={"window": (4, 2)}))),
        ("model.overrides.drop_path=0.3", replace(BASE, model=Model("iwin_nano", overrides={"drop_path": 0.3}))),
        ("augment.crop=none", replace(BASE, augment=Augment())),
        ("clip=1", replace(BASE, clip=1.0)),
        ("data.path=2024", replace(BASE, data=Folder("2024"))),
        ("precision=bfloat16", replace(BASE, precision="bfloat16")),
        ("groups.rates.bias.table=0.1", replace(BASE, groups=Groups(rates={"bias.table": 0.1}))),
        (
            "groups.rates={'head': 2, 'bias.table': 0.1}",
            replace(BASE, groups=Groups(rates={"head": 2, "bias.table": 0.1})),
        ),
        ("augment.rand={}", replace(BASE, augment=replace(BASE.augment, rand=RandAugment()))),
        ("optimizer.kind=sgd", replace(BASE, optimizer=SGD())),
        ("optimizer.kind=adamw", BASE),
        ("data.kind=digits", replace(BASE, data=Digits())),
    ],
)
def test_an_override_is_read_by_its_fields_type(override: str, wanted: Recipe) -> None:
    assert apply(BASE, [override]) == wanted


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lrr=1", r"optimizer has no field 'lrr'. Nearest: lr"),
        ("optimzer.lr=1", r"a recipe has no field 'optimzer'. Nearest: optimizer"),
        ("optimizer.lr=fast", r"optimizer.lr: .*number; got 'fast'"),
        ("epochs=2.5", r"epochs: .*integer; got 2.5"),
        ("epochs=0", r"epochs: .*greater than 0"),
        ("precision=fp8", r"precision: .*'bfloat16' or 'float16'; got 'fp8'"),
        ("augment.crop=wide", r"augment.crop: .*got 'wide'"),
        ("model=swin_tiny", r"model has fields of its own: name, size, overrides"),
        ("seed.x=1", r"seed has no field 'x'"),
        ("epochs", r"'epochs' is not of the form"),
        ("augment.rand.magnitude=7", r"augment.rand is None; augment.rand=\{\} switches it on"),
        ("clip.x=1", r"clip has no field 'x'"),
        ("optimizer.kind=sdg", r"optimizer.kind=sdg is none of adamw, sgd. Nearest: sgd"),
        ("schedule.kind=none", r"schedule.kind=none is none of cosine, polynomial, steps"),
        ("schedule.at=(3, 5)", r"schedule has no field 'at' as cosine; with schedule.kind=steps it has"),
        ("optimizer.lr={1, 2}", r"optimizer.lr: .*number; got '\{1, 2\}'"),
        ("optimizer.lr=b'x'", r"optimizer.lr: .*number"),
        ("optimizer.lr={[]: 1}", r"optimizer.lr: .*number"),
        ("optimizer.lr={1: 2}", r"optimizer.lr: .*number"),
        ("optimizer.lr=...", r"optimizer.lr: .*number; got '...'"),
        ("optimizer.lr=" + "[" * 500, r"optimizer.lr: .*number"),
        ("optimizer.lr=" + "-" * 100_000 + "1", r"optimizer.lr: .*number"),
        ("data.path=\udcff", r"holds bytes that are not UTF-8"),
        ("groups.rates=3", r"groups.rates has fields of its own: groups.rates.NAME=VALUE"),
    ],
)
def test_a_wrong_override_is_one_line(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        apply(BASE, [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        "seed=-1",
        "seed=9999999999999999999",
        "data.seed=-1",
        "augment.flip=7",
        "augment.erase=3",
        "augment.jitter=-2",
        "augment.jitter=5",
        "augment.mixup=-1",
        "augment.cutmix=-1",
        "augment.scale=(0,0)",
        "augment.scale=(2,1)",
        "augment.crop=(2,3)",
        "augment.crop=(0,0)",
        "augment.crop=(1,0.5)",
        "augment.rotate=-1",
        "augment.shift=2",
        "optimizer.betas=(2,3)",
        "optimizer.weight_decay=-1",
        "optimizer.lr=1e999",
        "optimizer.eps=1e999",
        "clip=1e999",
        "preprocessing.share=0",
        "preprocessing.share=-3",
        "preprocessing.std=(0,0,0)",
        "preprocessing.mean=(0,1e999,0)",
    ],
)
def test_a_number_out_of_bounds_is_one_line(override: str) -> None:
    field = override.partition("=")[0]
    with pytest.raises(InputError, match=f": {field}.*: .*; got ") as caught:
        apply(BASE, [override])
    assert "\n" not in str(caught.value)
    document = json.loads(to_json(BASE))
    assert from_json(json.dumps(document)) == BASE


def test_another_kind_begins_with_its_defaults_wherever_it_stands() -> None:
    wanted = replace(BASE, schedule=Steps(at=(3, 5)), optimizer=SGD(momentum=0.5))
    texts = ["schedule.at=(3, 5)", "optimizer.momentum=0.5", "optimizer.kind=sgd", "schedule.kind=steps"]
    assert apply(BASE, texts) == apply(BASE, texts[::-1]) == wanted
    warm = apply(BASE, ["schedule.warmup=3"])
    assert apply(warm, ["schedule.kind=cosine"]) == warm
    assert apply(warm, ["schedule.kind=polynomial"]).schedule == Polynomial()


def test_a_step_that_is_on_can_be_switched_off() -> None:
    on = apply(BASE, ["augment.rand={}", "augment.rand.magnitude=7"])
    assert on.augment.rand == RandAugment(magnitude=7)
    assert apply(on, ["augment.rand=none"]) == BASE


def test_a_dotted_name_of_a_spec_is_one_line_of_the_model() -> None:
    recipe = apply(BASE, ["model.overrides.a.b=1"])
    with pytest.raises(InputError, match=r"has no field 'a.b'"):
        create_model(recipe.model.name, 10, recipe.model.size, **recipe.model.overrides)


def test_values_are_read_as_python_would() -> None:
    texts = {"8": 8, "1e-3": 1e-3, "(7, 7)": (7, 7), "38x384": (38, 384), "true": True, "None": None, "reach": "reach"}
    assert {text: read_value(text) for text in texts} == texts
    assert read_pairs(["window=8", "structure=S3"]) == {"window": 8, "structure": "S3"}


def test_reading_back_refuses_what_is_not_a_recipe() -> None:
    with pytest.raises(InputError, match=r"run.json: optimizer.momentum"):
        from_json(to_json(BASE).replace('"eps"', '"momentum"'), "run.json")
    with pytest.raises(InputError, match=r"run.json"):
        from_json("{", "run.json")
    sgd = replace(BASE, optimizer=SGD(lr=0.5))
    assert from_json(to_json(sgd)).optimizer == SGD(lr=0.5)


def test_a_recipe_is_found_by_name_file_and_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(to_json(BASE))
    assert find.find(str(tmp_path)) == find.find(str(tmp_path / "recipe.json")) == BASE
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from dataclasses import replace\nfrom vitrail.recipes.demo import demo\n\n"
        "def _base():\n    return demo()\n\ndef mine():\n    return replace(_base(), epochs=2)\n"
    )
    assert find.find(str(mine)) == replace(find.find("demo"), epochs=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def a(): ...\ndef b(): ...", "found 2"),
        ("def a():\n    return 3", "a returned int"),
        ("def a(:", "invalid syntax"),
        ("from vitrail.recipes.recipe import Model\ndef a():\n    return Model(nam='x')", "nam"),
        ("import nothing_of_that_name\ndef a(): ...", "nothing_of_that_name"),
        ("import sys\nsys.exit(3)", "bad.py: SystemExit: 3"),
        ("def a():\n    raise SystemExit('no\\nmore')", "bad.py: SystemExit: no more"),
    ],
)
def test_a_python_file_that_is_no_recipe_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        find.find(str(tmp_path / "bad.py"))
    assert "\n" not in str(caught.value)


def test_what_is_nowhere_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"no recipe, .*Nearest: demo.*lists all {len(find.RECIPES)}"):
        find.find("demoo")
    for name in ("none.py", "none.json"):
        with pytest.raises(InputError, match="no such file"):
            find.find(str(tmp_path / name))


def test_importing_recipes_imports_no_torch() -> None:
    code = "import sys, vitrail.recipes.find, vitrail.recipes.overrides; print('torch' in sys.modules)"
    source = str(Path(run.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": source})
    assert done.stdout.strip() == "False", done.stderr


def test_choices_called_none_can_be_given_as_text() -> None:
    """A spec's "none" is a word; a recipe's own optional fields take it as nothing."""
    import vitrail
    from vitrail.recipes.overrides import apply, read_pairs

    for name, field in (
        ("swin_nano", "shift"),
        ("swin_nano", "position"),
        ("scalablevit_nano", "local"),
        ("iwin_nano", "attention"),
    ):
        assert vitrail.describe(name, size=32, **read_pairs([f"{field}=none"]))["spec"][field] == "none"
    changed = apply(BASE, ["model.overrides.shift=none", "clip=none"])
    assert changed.model.overrides["shift"] == "none"
    assert changed.clip is None
