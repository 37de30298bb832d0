"""Several runs beside each other: numbers, what differs between their recipes, curves, the hardest pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrail.draw.curves import draw_curves
from vitrail.draw.grid import Cell, draw_grid
from vitrail.errors import InputError
from vitrail.recipes import find, sources
from vitrail.recipes.classifying import Answer, read_answers
from vitrail.recipes.recipe import Recipe, to_json
from vitrail.train.record import read, write_text

SHOWN = 32
NUMBERS = ("epoch", "loss", "top1", "lr", "seconds")  # of each epoch


@dataclass(frozen=True)
class Result:
    """What a run's folder says.

    label: A name no other run of the comparison has.      epochs: One row of numbers for each finished epoch.
    answers: To the held-out pictures; none before the run has ended.
    """

    label: str
    recipe: Recipe
    epochs: tuple[dict[str, Any], ...]
    summary: dict[str, Any]
    answers: tuple[Answer, ...]

    def row(self) -> dict[str, Any]:
        """Its line of the table; None for what is not known yet."""
        top1 = [row["top1"] for row in self.epochs]
        return {
            "run": self.label,
            "model": self.recipe.model.name,
            "parameters": self.summary.get("parameters"),
            "top1": top1[-1] if top1 else None,
            "best_top1": max(top1, default=None),
            "epochs": len(self.epochs),
            "epochs_planned": self.recipe.epochs,
            "minutes": sum(row["seconds"] for row in self.epochs) / 60,
            "lr": self.recipe.optimizer.lr,
            "batch": self.recipe.batch,
        }


def compare(folders: Sequence[str | Path], out: str | Path | None = None) -> dict[str, Any]:
    """Reads the runs and says how they differ.

    Args:
        folders: Of runs, finished or not.
        out: A folder for compare.json, curves.png, and predictions.png: the pictures whose truth got the lowest mean
            probability, the lowest first, with every run's answer.
    Returns:
        "runs", the table; "differences", for each field of the recipes that differs each run's value; "notes", why
        something is missing.
    Raises: InputError for a folder that holds no run, or is given twice.
    """
    results = read_results(folders)
    document = {"runs": [each.row() for each in results], "differences": differences(results), "notes": []}
    if out is None:
        return document
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, wanted a folder.")
    out.mkdir(parents=True, exist_ok=True)
    draw_curves(out / "curves.png", {each.label: each.epochs for each in results}, minutes=True)
    cells, notes = hardest(results)
    (out / "predictions.png").unlink(missing_ok=True)
    if cells:
        answering = [each.label for each in results if each.answers]
        named = [f"{number}: {label}" for number, label in enumerate(answering, start=1)]
        legend = "\n".join("     ".join(named[start : start + 4]) for start in range(0, len(named), 4))
        title = f"The {len(cells)} hardest held-out pictures, each run's answer and what it gave the truth\n{legend}"
        draw_grid(out / "predictions.png", cells, title)
    document["notes"] = notes
    write_text(out / "compare.json", json.dumps(document, indent=1) + "\n")
    return document


def read_results(folders: Sequence[str | Path]) -> list[Result]:
    """The runs in the order given. Raises: InputError for a folder that holds no run, or is given twice."""
    paths = [Path(folder) for folder in folders]
    found = []
    for path, label in zip(paths, labels(paths), strict=True):
        if not path.is_dir():
            raise InputError(
                f"{path}: " + ("is a file, wanted a run's folder." if path.exists() else "no such folder.")
            )
        recipe, rows = find.of_run(path), read(path)
        for number, row in enumerate(rows, start=1):
            missing = [key for key in NUMBERS if not isinstance(row, dict) or not isinstance(row.get(key), int | float)]
            if missing:
                raise InputError(f"{path / 'metrics.jsonl'}: line {number} has no number for {missing[0]}.")
        answers = path / "predictions.jsonl"
        found.append(
            Result(
                label,
                recipe,
                tuple(rows),
                _summary(path / "summary.json"),
                tuple(read_answers(answers)) if answers.is_file() else (),
            )
        )
    return found


def labels(paths: Sequence[Path]) -> list[str]:
    """The shortest end of each path that no other path has, the same number of parts for all.

    Raises: InputError for a path given twice.
    """
    whole = [path.resolve() for path in paths]
    for path, place in zip(paths, whole, strict=True):
        if whole.count(place) > 1:
            raise InputError(f"{path} is given twice.")
    parts = max((len(place.parts) for place in whole), default=0)
    for count in range(1, parts + 1):
        names = ["/".join(place.parts[-count:]) for place in whole]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in whole]


def differences(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """For each field in which the recipes differ, such as "optimizer.lr", its value in each run that has it."""
    flat = {each.label: _flat(json.loads(to_json(each.recipe))) for each in results}
    fields = dict.fromkeys(field for values in flat.values() for field in values)
    found = {}
    for field in fields:
        values = {label: values[field] for label, values in flat.items() if field in values}
        if len(values) < len(flat) or any(value != next(iter(values.values())) for value in values.values()):
            found[field] = values
    return found


def hardest(results: Sequence[Result], count: int = SHOWN) -> tuple[list[Cell], list[str]]:
    """The held-out pictures whose truth got the lowest mean probability, with every answer; and why any is missing."""
    answering = [each for each in results if each.answers]
    notes = [f"{each.label} has no predictions.jsonl: its answers are missing." for each in results if not each.answers]
    if not answering:
        return [], notes
    said = [{answer.name: answer for answer in each.answers} for each in answering]
    truths = [{name: answer.target for name, answer in answers.items()} for answers in said]
    if any(other != truths[0] for other in truths):
        return [], [*notes, "The runs held out different pictures, so none are drawn beside each other."]
    try:
        pictures = sources.open_split(answering[0].recipe.data)[1]
        places = {pictures.name(index): index for index in range(len(pictures))}
        means = {name: sum(answers[name].probability for answers in said) / len(said) for name in said[0]}
        cells = []
        for name in sorted(means, key=means.__getitem__)[:count]:
            if name not in places:
                raise InputError(f"{name} is no longer among the pictures of {answering[0].label}.")
            cells.append(_cell(pictures[places[name]].image, [answers[name] for answers in said]))
    except InputError as error:
        return [], [*notes, f"No pictures are drawn: {error}"]
    return cells, notes


def _cell(image: Any, answers: Sequence[Answer]) -> Cell:
    right = [answer.answer == answer.target for answer in answers]
    lines = tuple(
        (f"{number}: {_short(answer.answer)}   {100 * answer.probability:.0f} %", good)
        for number, (answer, good) in enumerate(zip(answers, right, strict=True), start=1)
    )
    return Cell(image, _short(answers[0].target), all(right) if all(right) or not any(right) else None, lines)


def _short(name: str, most: int = 18) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted names."""
    if not isinstance(value, dict) or (path and not value):
        return {path: value}
    return {
        field: inner
        for name, part in value.items()
        for field, inner in _flat(part, f"{path}.{name}" if path else name).items()
    }


def _summary(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path}: not JSON.") from error
    if not isinstance(said, dict):
        raise InputError(f"{path}: not the summary of a run.")
    return said
