"""What an ablation found: means over seeds, curves, and a verdict for each ordering; from the runs that are there.

OUT/report.json   everything that follows       OUT/report.html   the same to read, its pictures inside
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitrail.draw import ablation as drawing
from vitrail.errors import InputError
from vitrail.insight import ablate, ablation_page, ablation_plan
from vitrail.insight.ablation_plan import One, Pair, Plan
from vitrail.insight.student import Estimate, estimate, holm
from vitrail.models.catalogue import describe
from vitrail.recipes import find
from vitrail.recipes.recipe import Recipe
from vitrail.train.record import read, write_text

Values = Mapping[str, Mapping[int, float]]  # variant -> seed -> the metric, in the plan's unit
CONFIRMED, CONTRADICTED, OPEN = "confirmed", "contradicted", "not resolved"


def write(plan: Plan, out: str | Path) -> dict[str, Any]:
    """Writes both files from the runs of the plan that have ended in `out`, and returns what report.json holds.

    "variants": of each the mean with its interval, seeds, parameters, multiply-adds and seconds of training.
    "orderings": as `judge` gives them.     "runs": each run that ended.     "curves": variant -> seed -> epochs.
    "changes": fields in which the plan is no longer what it was before the first run.     "notes": what is missing.
    Raises: InputError where no ablation has begun there.
    """
    out = Path(out)
    document = gather(plan, out)
    metric = f"{plan.metric}{', %' if plan.unit else ''}"
    pictures = {}
    if any(row["mean"] is not None for row in document["variants"]):
        pictures["means"] = _png(drawing.draw_means, document["variants"], metric)
        pictures["curves"] = _png(drawing.draw_runs, document["curves"], plan.metric, metric)
    if any(row["difference"] is not None for row in document["orderings"]):
        pictures["orderings"] = _png(drawing.draw_differences, document["orderings"], metric)
    write_text(out / "report.json", json.dumps(document, indent=1) + "\n")
    write_text(out / "report.html", ablation_page.page(document, pictures))
    return document


def gather(plan: Plan, out: Path) -> dict[str, Any]:
    """What `write` returns, without writing."""
    first = ablate.begun(out)
    expected = _recipes(plan, first.get("data"))
    values: dict[str, dict[int, float]] = {name: {} for name in plan.variants}
    curves: dict[str, dict[str, list]] = {name: {} for name in plan.variants}
    summaries: dict[One, dict[str, Any]] = {}
    notes: list[str] = []
    for one in ablation_plan.runs(plan):
        folder = one.folder(out)
        if one in expected and (other := ablate.differs(folder, expected[one])):
            notes.append(f"{one} was trained with another recipe ({other}) and does not count.")
            continue
        rows = read(folder)
        if rows:
            curves[one.variant][str(one.seed)] = [_epoch(row, plan) for row in rows]
        path = folder / "summary.json"
        if path.is_file():
            summaries[one] = _summary(path)
            values[one.variant][one.seed] = plan.value(summaries[one], str(path))
    planned = len(ablation_plan.runs(plan))
    return {
        "title": plan.title,
        "about": plan.about,
        "source": plan.source,
        "metric": plan.metric,
        "unit": plan.unit,
        "confidence": plan.confidence,
        "rule": ablation_plan.RULE,
        "planned": planned,
        "ended": len(summaries),
        "plan": ablation_plan.to_dict(plan),
        "sha256": ablation_plan.sha256(plan),
        "begun": {key: first[key] for key in ("sha256", "at", "training", "held_out", "versions") if key in first},
        "changes": _changes(first["plan"], plan),
        "variants": [_variant(name, plan, out, values[name], summaries, first) for name in plan.variants],
        "orderings": judge(plan, values),
        "runs": [
            {"variant": one.variant, "seed": one.seed, "value": values[one.variant][one.seed], **_told(summary)}
            for one, summary in summaries.items()
        ],
        "curves": curves,
        "notes": notes,
    }


def judge(plan: Plan, values: Values) -> list[dict[str, Any]]:
    """The verdict on each ordering by `ablation_plan.RULE`, from the seeds that both variants have.

    Each has "difference", its mean over seeds, with "low", "high" and "p" (two-sided), "verdict", and the same after
    Holm's correction for as many questions as could be answered: "p_holm", "verdict_holm". "printed" is the paper's.
    """
    rows: list[dict[str, Any]] = []
    estimates: list[Estimate | None] = []
    for pair in plan.pairs():
        seeds = [seed for seed in plan.seeds if seed in values[pair.higher] and seed in values[pair.lower]]
        differences = [values[pair.higher][seed] - values[pair.lower][seed] for seed in seeds]
        found = estimate(differences, plan.confidence) if differences else None
        estimates.append(found)
        rows.append(
            {
                "ordering": str(pair),
                "higher": pair.higher,
                "lower": pair.lower,
                "printed": _printed(plan, pair),
                "seeds": seeds,
                "differences": differences,
                "difference": found.mean if found else None,
                "low": found.low if found else None,
                "high": found.high if found else None,
                "p": found.p if found else None,
                "verdict": verdict(found),
            }
        )
    answered = [number for number, found in enumerate(estimates) if found and found.p is not None]
    corrected = holm([rows[number]["p"] for number in answered])
    for row in rows:
        row |= {"p_holm": None, "verdict_holm": OPEN}
    for number, p in zip(answered, corrected, strict=True):
        row = rows[number]
        row["p_holm"] = p
        row["verdict_holm"] = row["verdict"] if p < 1 - plan.confidence else OPEN
    return rows


def verdict(found: Estimate | None) -> str:
    """What the interval of a difference says of its sign; nothing where it has no width, as it does by rounding."""
    if found is None or found.low is None or found.high is None or found.low == found.high:
        return OPEN
    if found.low > 0:
        return CONFIRMED
    return CONTRADICTED if found.high < 0 else OPEN


def _variant(
    name: str, plan: Plan, out: Path, values: Mapping[int, float], summaries: Mapping[One, dict], first: dict
) -> dict[str, Any]:
    """A variant's line of the table."""
    seeds = sorted(values, key=plan.seeds.index)
    found = estimate([values[seed] for seed in seeds], plan.confidence) if seeds else None
    ran = [summaries[One(name, seed)] for seed in seeds]
    seconds = [each["training_seconds"] for each in ran if "training_seconds" in each]
    parameters, multiply_adds = _cost(One(name, seeds[0]).folder(out), first) if seeds else (None, None)
    return {
        "variant": name,
        "overrides": list(plan.variants[name]),
        "seeds": seeds,
        "values": [values[seed] for seed in seeds],
        "mean": found.mean if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "parameters": ran[0].get("parameters", parameters) if ran else None,
        "multiply_adds": multiply_adds,
        "training_seconds": math.fsum(seconds) / len(seconds) if seconds else None,
        "printed": plan.printed.get(name),
    }


def _cost(folder: Path, first: dict[str, Any]) -> tuple[int | None, int | None]:
    """Parameters and multiply-adds of a run's model, built without memory; None where it cannot be said so."""
    model = find.of_run(folder).model
    try:
        document = describe(model.name, first.get("classes") or None, model.size or None, **model.overrides)
    except InputError:
        return None, None
    return document["parameters"], document["multiply_adds"]


def _recipes(plan: Plan, data: str | None) -> dict[One, Recipe]:
    """What each run should have been; {} where that can no longer be said, as when weights have moved."""
    try:
        return ablation_plan.recipes(plan, data)
    except InputError:
        return {}


def _printed(plan: Plan, pair: Pair) -> float | None:
    """The paper's difference, to the digits that it prints."""
    if pair.higher not in plan.printed or pair.lower not in plan.printed:
        return None
    return round(plan.printed[pair.higher] - plan.printed[pair.lower], 6)


def _changes(before: dict[str, Any], plan: Plan) -> list[str]:
    """Each field that was another when the first run began, in a line."""
    now = ablation_plan.to_dict(plan)
    return [
        f"{name} was {json.dumps(before.get(name))}"
        for name, value in now.items()
        if name != "data" and before.get(name) != value
    ]


def _epoch(row: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """What curves need of an epoch, in the plan's unit."""
    found: dict[str, Any] = {key: row[key] for key in ("epoch", "loss") if key in row}
    if isinstance(row.get(plan.metric), int | float):
        found[plan.metric] = plan.value(row)
    return found


def _told(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: summary[key] for key in ("epochs", "training_seconds") if key in summary}


def _summary(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON.") from error
    if not isinstance(said, dict):
        raise InputError(f"{path}: not the summary of a run.")
    return said


def _png(draw: Any, rows: Sequence | Mapping, *arguments: Any) -> bytes:
    file = io.BytesIO()
    draw(file, rows, *arguments)
    return file.getvalue()
