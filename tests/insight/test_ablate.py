"""The runs of an ablation: their order, what fails, what is stopped and goes on; and one that really trains."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

import tiny
from vitrail.errors import InputError
from vitrail.insight import ablate as room
from vitrail.insight.ablate import Options, ablate, begun
from vitrail.insight.ablation_plan import One, Plan, from_dict, recipes, sha256, to_dict
from vitrail.recipes.recipe import to_json
from vitrail.recipes.run import train

PLAN = {
    "recipe": "demo",
    "overrides": ["epochs=2"],
    "variants": {"A": [], "B": ["optimizer.lr=1e-4"]},
    "seeds": [0, 1],
    "orderings": ["A > B"],
}
# stands for `vitrail train`: folder, resolved recipe, what to do, a file of all that were started
CHILD = """
import json, os, pathlib, signal, sys, time
folder, recipe, way, log = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
open(log, "a").write(folder.parent.name + " " + folder.name + "\\n")
folder.mkdir(parents=True, exist_ok=True)
(folder / "recipe.json").write_text(recipe)
if way == "fail":
    sys.exit("error: no room")
metrics = folder / "metrics.jsonl"
for epoch in (1, 2):
    if metrics.exists() and len(metrics.read_text().splitlines()) >= epoch:
        continue
    with open(metrics, "a") as file:
        file.write(json.dumps({"epoch": epoch, "loss": 1 / epoch, "top1": epoch / 4, "seconds": 1.0}) + "\\n")
    if way == "stop":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(30)
(folder / "summary.json").write_text(json.dumps({"top1": 0.5, "parameters": 7, "training_seconds": 2.0}))
"""


class Stage:
    """A plan whose runs are CHILDs. ways: What those do that do not end well."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, document: dict | None = None) -> None:
        self.plan, self.out, self.log = from_dict(document or PLAN), folder / "out", folder / "log"
        self.ways: dict[One, str] = {}
        self.said = io.StringIO()
        monkeypatch.setattr(room, "command", self.command)
        monkeypatch.setattr(room, "LOOK", 0.01)

    def command(self, plan: Plan, one: One, out: Path, options: Options) -> list[str]:
        recipe = to_json(recipes(plan)[one])
        way = self.ways.get(one, "end")
        return [sys.executable, "-c", CHILD, str(one.folder(out)), recipe, way, str(self.log)]

    def go(self, **options: object) -> room.Outcome:
        return ablate(self.plan, self.out, Options(**options), Console(file=self.said, width=200))

    def started(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def test_all_variants_of_a_seed_come_before_the_next_seed_and_none_twice(stage: Stage) -> None:
    outcome = stage.go(only=("B",))
    assert stage.started() == ["B seed_0", "B seed_1"]
    assert (outcome.ended, outcome.before, outcome.failed) == ([One("B", 0), One("B", 1)], [], {})
    outcome = stage.go()
    assert stage.started() == ["A seed_0", "A seed_1"]
    assert outcome.before == [One("B", 0), One("B", 1)]
    assert "[2/2] A seed 1: top1 50.00%, about 0 min left" in stage.said.getvalue()
    assert stage.go().ended == [] and stage.started() == []


def test_one_that_fails_leaves_the_others_and_is_tried_again(stage: Stage) -> None:
    stage.ways = {One("A", 0): "fail"}
    outcome = stage.go(jobs=2)
    assert sorted(stage.started()) == ["A seed_0", "A seed_1", "B seed_0", "B seed_1"]
    assert list(outcome.failed) == [One("A", 0)]
    assert outcome.failed[One("A", 0)].startswith("no room (")
    assert "failed: A seed 0: no room" in stage.said.getvalue()
    stage.ways = {}
    assert stage.go().ended == [One("A", 0)]


def test_a_signal_stops_all_and_the_same_call_goes_on(stage: Stage) -> None:
    stage.ways = {One("B", 0): "stop"}
    outcome = stage.go()
    assert (outcome.stopped, outcome.ended, outcome.failed) == ("SIGTERM", [One("A", 0)], {})
    assert stage.started() == ["A seed_0", "B seed_0"]
    stage.ways = {}
    assert stage.go().ended == [One("B", 0), One("A", 1), One("B", 1)]
    epochs = (stage.out / "B" / "seed_0" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in epochs] == [1, 2]


def test_the_plan_is_written_down_once_before_the_first_run(stage: Stage) -> None:
    stage.go(only=("A",))
    first = begun(stage.out)
    assert first["sha256"] == sha256(stage.plan) and first["plan"] == to_dict(stage.plan)
    assert (first["classes"], first["training"] + first["held_out"]) == (10, 1797)
    stage.plan = from_dict({**PLAN, "orderings": ["B > A"]})
    stage.go()
    assert begun(stage.out) == first


def test_a_run_of_another_recipe_is_not_taken_for_one_of_the_plans(stage: Stage) -> None:
    stage.go(only=("A",))
    stage.plan = from_dict({**PLAN, "variants": {"A": ["optimizer.lr=3e-3"], "B": []}})
    outcome = stage.go()
    assert set(outcome.failed) == {One("A", 0), One("A", 1)}
    assert "has another recipe (optimizer)" in outcome.failed[One("A", 0)]
    assert outcome.ended == [One("B", 0), One("B", 1)]


def test_other_data_does_not_join_what_has_begun(stage: Stage, tmp_path: Path) -> None:
    stage.go(only=("A",))
    stage.started()
    with pytest.raises(
        InputError, match=r"began with other data \(here: 3 classes, not 10; .*another --out begins anew"
    ):
        stage.go(data=str(tiny.folders(tmp_path / "data")))
    assert stage.started() == []
    assert len(stage.go().ended) == 2


def test_folders_and_variants_that_cannot_be_used(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--only: 'C' is no variant. Variants: A, B."):
        stage.go(only=("C",))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("")
    with pytest.raises(InputError, match="is not empty and holds no ablation"):
        stage.go()
    with pytest.raises(InputError, match="no ablation has begun there"):
        begun(tmp_path / "elsewhere")
    assert stage.started() == []


def test_a_summary_without_the_metric_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch, {**PLAN, "metric": "top", "seeds": [0]})
    outcome = stage.go()
    assert all("has no number 'top'. Nearest: top1" in line for line in outcome.failed.values())
    assert len(outcome.failed) == 2


def test_a_run_of_an_ablation_is_the_run_that_train_makes(tmp_path: Path) -> None:
    data = tiny.folders(tmp_path / "data")
    spec = "model.overrides=" + str({**tiny.SPEC, "drop_path": 0.0})
    document = {**PLAN, "overrides": ["epochs=1", "batch=4", spec], "seeds": [1]}
    plan, options = from_dict(document), Options(data=str(data), workers=0, only=("B",))
    outcome = ablate(plan, tmp_path / "out", options, Console(file=io.StringIO()))
    assert (outcome.ended, outcome.failed) == ([One("B", 1)], {})
    ours = json.loads((tmp_path / "out/B/seed_1/summary.json").read_text())
    theirs = train(recipes(plan, str(data))[One("B", 1)], tmp_path / "train")
    assert theirs is not None
    alike = ("top1", "nll", "parameters", "seed", "epochs", "pictures", "held_out")
    assert {key: ours[key] for key in alike} == pytest.approx({key: theirs[key] for key in alike})
    assert "vitrail train demo" in (tmp_path / "out/B/seed_1.log").read_text()
