"""Plans: what they ask, what they refuse, and the two that come with vitrail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vitrail.errors import InputError
from vitrail.insight import ablation_plan
from vitrail.insight.ablation_plan import One, Pair, from_dict, read, recipes, runs, sha256
from vitrail.models.catalogue import create_model, describe

PLAN = {
    "recipe": "demo",
    "overrides": ["epochs=1"],
    "variants": {"A": [], "B": ["optimizer.lr=1e-4"], "C": ["model.overrides.attention=block"]},
    "seeds": [3, 5],
    "orderings": ["A > B = C"],
}
OURS = ["iwin_table_7", "scalablevit_table_5a"]


def test_runs_go_seed_by_seed_and_differ_in_what_the_plan_says() -> None:
    plan = from_dict(PLAN)
    assert runs(plan) == [One(name, seed) for seed in (3, 5) for name in "ABC"]
    found = recipes(plan)
    assert list(found) == runs(plan)
    assert {(one.seed, recipe.seed, recipe.epochs) for one, recipe in found.items()} == {(3, 3, 1), (5, 5, 1)}
    assert found[One("B", 3)].optimizer.lr == 1e-4
    assert found[One("C", 5)].model.overrides["attention"] == "block"


def test_a_chain_asks_for_every_pair_of_two_levels() -> None:
    plan = from_dict({**PLAN, "variants": {name: [] for name in "ABCD"}, "orderings": ["A > B = C > D", "A > D"]})
    assert list(map(str, plan.pairs())) == ["A > B", "A > C", "A > D", "B > D", "C > D"]
    assert plan.pairs()[0] == Pair("A", "B")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variant": {}}, "no field 'variant'. Nearest: variants"),
        ({"seed": [1]}, "no field 'seed'. Nearest: seeds"),
        ({"seeds": [1, 1]}, "stands there twice"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [-1]}, "seeds.0"),
        ({"seeds": ["one"]}, "seeds.0"),
        ({"variants": {}}, "variants"),
        ({"variants": {"a/b": []}}, "wanted letters, digits"),
        ({"variants": {"..": []}}, "wanted letters, digits"),
        ({"variants": {"a": [], "A": []}}, "capitals only"),
        ({"orderings": ["A"]}, "not of the form A > B"),
        ({"orderings": ["A > Bee"]}, "'Bee' is no variant"),
        ({"orderings": ["A > "]}, "'' is no variant"),
        ({"orderings": ["A > B", "B > A"]}, "its contrary"),
        ({"orderings": ["A > A"]}, "its contrary"),
        ({"printed": {"a": 1.0}}, "'a' is no variant. Variants: A, B, C."),
        ({"confidence": 95}, "confidence"),
        ({"rule": "by eye"}, "rule"),
    ],
)
def test_a_plan_that_cannot_be_is_one_line(changes: dict, said: str) -> None:
    with pytest.raises(InputError) as caught:
        from_dict({**PLAN, **changes}, "my.json")
    assert str(caught.value).startswith("my.json: ")
    assert said.lower() in str(caught.value).lower()
    assert "\n" not in str(caught.value)


def test_files_that_are_no_plan(tmp_path: Path) -> None:
    for text, said in (("{", "not JSON"), ("[1]", "holds no plan"), ('{"variants": {"A": []}}', "recipe")):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(InputError, match=said):
            read(str(tmp_path / "plan.json"))
    with pytest.raises(InputError, match="Nearest: iwin_table_7"):
        read("iwin_table")


@pytest.mark.parametrize("override", ["batch=32", "epochs=2", "steps=5", "accumulate=2", "augment.repeats=2"])
def test_another_budget_is_refused_unless_it_is_free(override: str) -> None:
    uneven = {**PLAN, "variants": {"A": [], "B": [override]}, "orderings": []}
    with pytest.raises(InputError, match=f"B has {override}, A has .* train alike"):
        recipes(from_dict(uneven))
    assert len(recipes(from_dict({**uneven, "budget": "free"}))) == 4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed=1", "`seeds` decide"),
        ("data.held_out=0.5", "train alike"),
        ("optimiser.lr=1", "B: a recipe has no field 'optimiser'. Nearest: optimizer"),
    ],
)
def test_variants_that_cannot_be_compared_are_refused(override: str, said: str) -> None:
    plan = from_dict({**PLAN, "variants": {"A": [], "B": [override]}, "orderings": [], "budget": "free"})
    with pytest.raises(InputError, match=said):
        recipes(plan)


def test_the_hash_follows_what_is_asked_and_not_where_the_data_lies() -> None:
    plan = from_dict(PLAN)
    assert sha256(from_dict({**dict(reversed(PLAN.items())), "data": "elsewhere"})) == sha256(plan)
    assert sha256(from_dict({**PLAN, "orderings": ["B > A"]})) != sha256(plan)


@pytest.mark.parametrize("name", OURS)
def test_our_plans_ask_what_their_tables_print(name: str) -> None:
    plan = read(name)
    assert set(plan.printed) == set(plan.variants)
    asked = set(plan.pairs())
    names = list(plan.variants)
    for first in names:
        for second in names:
            wanted = plan.printed[first] > plan.printed[second]
            assert (Pair(first, second) in asked) == wanted, (first, second)
    assert len(plan.seeds) >= 3


def _costs(name: str) -> dict[str, dict]:
    found = {}
    for one, recipe in recipes(read(name)).items():
        model = recipe.model
        if one.seed == 0:
            found[one.variant] = describe(model.name, 10, model.size, **model.overrides)
    return found


def test_iwins_five_rows_relate_as_in_table_7() -> None:
    found = _costs("iwin_table_7")
    count = {variant: each["parameters"] for variant, each in found.items()}
    convolutions = count["DwConv+IW-MSA"] - count["IW-MSA"]
    assert count["W-MSA"] == count["IW-MSA"]
    assert count["DwConv+W-MSA"] == count["DwConv+IW-MSA"]
    assert convolutions == 10 * (2 * 16 + 4 * 32)  # 3 x 3 and a bias, in the blocks of the first two stages
    assert count["DwConv"] < count["W-MSA"]
    for each in found.values():  # as the paper's last three stages: 4, 2 and 1 windows a side
        assert [stage["map"] for stage in each["stages"]] == [[12, 12], [6, 6], [3, 3]]
    for variant in ("W-MSA", "IW-MSA"):
        assert [stage["windows"] for stage in found[variant]["stages"]] == [[[3, 3]]] * 3


def test_interleaved_and_plain_windows_are_two_functions_of_the_same_weights() -> None:
    models = []
    for one, recipe in recipes(read("iwin_table_7")).items():
        if one in (One("W-MSA", 0), One("IW-MSA", 0)):
            torch.manual_seed(0)
            models.append(create_model(recipe.model.name, 10, recipe.model.size, **recipe.model.overrides).eval())
    plain, interleaved = (model.state_dict() for model in models)
    assert all(torch.equal(plain[name], interleaved[name]) for name in plain)
    x = torch.randn(1, 3, 48, 48)
    for parameter in (p for model in models for p in model.parameters()):
        parameter.data.mul_(3)  # at first all attention is nearly even
    with torch.no_grad():
        assert (models[0](x) - models[1](x)).abs().max() > 1e-3


def test_scalablevits_seven_rows_relate_as_in_table_5a() -> None:
    found = _costs("scalablevit_table_5a")
    count = {variant: each["parameters"] for variant, each in found.items()}
    lim = 10 * (2 * 16 + 4 * 32 + 2 * 64)
    assert count["IWSA"] - count["WSA"] == lim
    assert count["IWSA&SSA"] == count["SSA&IWSA"]
    assert count["IWSA&SSA"] - count["SWSA&SSA"] == lim // 2
    assert count["WSA"] < count["IWSA"] < count["SSA-rc1"] < count["IWSA&SSA"] < count["SSA"]
    shifts = {variant: [stage["shifts"] for stage in each["stages"]] for variant, each in found.items()}
    assert shifts.pop("SWSA&SSA") == [[], [[1, 1]], []]
    assert all(each == [[], [], []] for each in shifts.values())


def test_plans_are_files_that_people_can_read() -> None:
    for path in sorted(ablation_plan.PLANS.glob("*.json")):
        assert path.stem in OURS
        assert ablation_plan.to_dict(read(path.stem)).items() >= json.loads(path.read_text()).items()
