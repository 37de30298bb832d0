"""Verdicts on made-up numbers, and the page that holds them."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from vitrail.errors import InputError
from vitrail.insight.ablate import BEGUN
from vitrail.insight.ablation_plan import One, Plan, from_dict, recipes, sha256, to_dict
from vitrail.insight.ablation_report import judge, write
from vitrail.models.catalogue import describe
from vitrail.recipes.recipe import AdamW, to_json

DOCUMENT = {
    "recipe": "demo",
    "overrides": ["epochs=2", "model.overrides.dim=8"],
    "variants": {"A": [], "B&C": ["model.overrides.attention=block"], "D": ["model.overrides.attention=none"]},
    "seeds": [0, 1, 2],
    "orderings": ["A > B&C > D"],
    "printed": {"A": 82.0, "B&C": 81.8},
    "title": "Windows <here>",
}
VALUES = {"A": (0.70, 0.72, 0.74), "B&C": (0.60, 0.615, 0.65), "D": (0.70, 0.60, 0.68)}


def verdicts(higher: dict[int, float], lower: dict[int, float], **more: object) -> dict:
    document = {"recipe": "demo", "variants": {"A": [], "B": []}, "seeds": [0, 1, 2, 3], "orderings": ["A > B"]}
    return judge(from_dict({**document, **more}), {"A": higher, "B": lower})[0]


def test_an_interval_above_below_and_around_nothing() -> None:
    lower = {0: 50.0, 1: 53.0, 2: 47.0}
    for shift, said in ((2.0, "confirmed"), (-2.0, "contradicted"), (0.1, "not resolved")):
        row = verdicts({0: 50.0 + shift, 1: 53.2 + shift, 2: 46.9 + shift}, lower)
        assert row["verdict"] == said
        assert row["differences"] == pytest.approx([shift, shift + 0.2, shift - 0.1])
        half = 4.302652729911275 * 0.15275252316519466 / 3**0.5  # t of 2 degrees, the differences' deviation
        assert (row["low"], row["high"]) == pytest.approx((shift + 0.1 / 3 - half, shift + 0.1 / 3 + half))


def test_pairs_of_one_seed_decide_where_means_apart_could_not() -> None:
    """Seeds differ by 40, pairs by 1: unpaired intervals would overlap."""
    row = verdicts({0: 20.0, 1: 40.1, 2: 60.0}, {0: 19.0, 1: 39.0, 2: 59.05})
    assert row["verdict"] == "confirmed"


def test_too_few_seeds_are_not_resolved() -> None:
    assert verdicts({}, {0: 1.0})["verdict"] == "not resolved"
    assert verdicts({0: 90.0}, {0: 1.0})["verdict"] == "not resolved"
    row = verdicts({0: 62.5, 1: 50.0}, {0: 50.0, 1: 37.5})  # of eight pictures one more, twice
    assert (row["low"], row["verdict"], row["verdict_holm"]) == (12.5, "not resolved", "not resolved")
    row = verdicts({0: 90.0, 1: 80.0, 3: 70.0}, {2: 1.0, 1: 2.0})
    assert (row["seeds"], row["difference"], row["low"], row["verdict"]) == ([1], 78.0, None, "not resolved")


def test_holm_leaves_what_is_certain_and_takes_back_what_is_not() -> None:
    document = {"recipe": "demo", "variants": {name: [] for name in "ABC"}, "orderings": ["A > B > C"]}
    values = {"A": {0: 9.0, 1: 9.01, 2: 8.99}, "B": {0: 5.0, 1: 5.0, 2: 5.0}, "C": {0: 4.0, 1: 3.7, 2: 4.2}}
    rows = {row["ordering"]: row for row in judge(from_dict(document), values)}
    assert [row["verdict"] for row in rows.values()] == ["confirmed"] * 3
    assert rows["A > B"]["verdict_holm"] == "confirmed"
    assert rows["B > C"]["p_holm"] == pytest.approx(rows["B > C"]["p"])  # the largest of the three
    values["C"] = {0: 4.0, 1: 3.0, 2: 4.6}
    rows = {row["ordering"]: row for row in judge(from_dict({**document, "orderings": ["B > C = A"]}), values)}
    assert rows["B > A"]["verdict"] == rows["B > A"]["verdict_holm"] == "contradicted"
    rows = judge(from_dict({**document, "confidence": 0.8, "orderings": ["B > C", "A > C", "A > B"]}), values)
    assert rows[0]["verdict"] == rows[0]["verdict_holm"] == "confirmed"


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Plan, Path]:
    """Nine runs that have ended."""
    plan = from_dict(DOCUMENT)
    first = {"sha256": sha256(plan), "at": "2025-01-01T00:00:00+00:00", "plan": to_dict(plan), "classes": 10}
    (tmp_path / BEGUN).write_text(json.dumps({**first, "training": 1438, "held_out": 359}))
    for one, recipe in recipes(plan).items():
        folder = one.folder(tmp_path)
        folder.mkdir(parents=True)
        (folder / "recipe.json").write_text(to_json(recipe))
        top1 = VALUES[one.variant][one.seed]
        rows = [{"epoch": epoch, "loss": 1 / epoch, "top1": top1 * epoch / 2} for epoch in (1, 2)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        summary = {"top1": top1, "training_seconds": 10.0 + one.seed, "epochs": 2}
        (folder / "summary.json").write_text(json.dumps(summary))
    return plan, tmp_path


def cells(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [[unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<td.*?>(.*?)</td>", row)] for row in rows]


def test_the_page_needs_nothing_else_and_shows_what_the_json_holds(runs: tuple[Plan, Path]) -> None:
    plan, out = runs
    document = write(plan, out)
    assert json.loads((out / "report.json").read_text()) == document
    page = (out / "report.html").read_text()
    assert "<script" not in page and "http" not in page and "@import" not in page and "url(" not in page
    assert "<h1>Windows &lt;here&gt;</h1>" in page
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == 3
    for source in sources:
        kind, _, content = source.partition(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert min(image.size) > 200
    shown = cells(page)
    for row in document["variants"]:
        recipe = recipes(plan)[One(row["variant"], 0)]
        cost = describe("iwin_nano", 10, recipe.model.size, **recipe.model.overrides)
        assert (row["parameters"], row["multiply_adds"]) == (cost["parameters"], cost["multiply_adds"])
        numbers = [row["variant"], "3", f"{cost['parameters']:,}", f"{cost['multiply_adds'] / 1e6:.2f}"]
        numbers += [f"{row['mean']:.2f}", f"{row['low']:.2f} to {row['high']:.2f}", "11"]
        assert any(line[:7] == numbers for line in shown)
    said = {line[0]: line[-2:] for line in shown if line and ">" in line[0]}
    assert said == {row["ordering"]: [row["verdict"], row["verdict_holm"]] for row in document["orderings"]}
    assert said["A > B&C"][0] == "confirmed" and said["A > D"][0] == "not resolved"
    assert document["orderings"][0]["printed"] == 0.2 and document["orderings"][1]["printed"] is None
    assert document["variants"][0]["mean"] == pytest.approx(72.0)
    assert (document["ended"], document["planned"], document["changes"], document["notes"]) == (9, 9, [], [])
    assert "provisional" not in page


def test_a_changed_plan_says_so(runs: tuple[Plan, Path]) -> None:
    plan, out = runs
    document = write(replace(plan, orderings=("D > A",), data="elsewhere"), out)
    assert document["changes"] == ['orderings was ["A > B&C > D"]']
    assert document["sha256"] != document["begun"]["sha256"] == sha256(plan)
    page = unescape((out / "report.html").read_text())
    assert "The plan was changed after the first run began" in page and "no longer the plan's" in page
    assert "of 1 orderings, changed after the first run began." in page and "decided before" not in page
    write(plan, out)
    assert "of 3 orderings, all decided before the first run." in unescape((out / "report.html").read_text())


def test_runs_that_are_missing_or_anothers_do_not_count(runs: tuple[Plan, Path]) -> None:
    plan, out = runs
    (out / "D" / "seed_2" / "summary.json").unlink()
    other = replace(recipes(plan)[One("A", 1)], optimizer=AdamW(lr=0.5))
    (out / "A" / "seed_1" / "recipe.json").write_text(to_json(other))
    document = write(plan, out)
    assert document["notes"] == ["A seed 1 was trained with another recipe (optimizer) and does not count."]
    assert document["ended"] == 7
    assert [row["seeds"] for row in document["variants"]] == [[0, 2], [0, 1, 2], [0, 1]]
    assert [row["seeds"] for row in document["orderings"]] == [[0, 2], [0], [0, 1]]
    assert "provisional" in (out / "report.html").read_text()


def test_before_anything_has_ended(tmp_path: Path) -> None:
    plan = from_dict(DOCUMENT)
    with pytest.raises(InputError, match="no ablation has begun"):
        write(plan, tmp_path)
    (tmp_path / BEGUN).write_text(json.dumps({"sha256": sha256(plan), "at": "now", "plan": to_dict(plan)}))
    document = write(plan, tmp_path)
    assert document["ended"] == 0 and document["orderings"][0]["verdict"] == "not resolved"
    assert "<img" not in (tmp_path / "report.html").read_text()
    (tmp_path / BEGUN).write_text("{}")
    with pytest.raises(InputError, match="not what an ablation writes down"):
        write(plan, tmp_path)
