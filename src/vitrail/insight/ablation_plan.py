"""The plan of an ablation: variants, seeds, and the orderings that are decided before the first run. JSON, checked.

{"recipe": "finetune", "overrides": ["epochs=10"], "variants": {"A": [], "B": ["model.overrides.window=4"]},
 "seeds": [0, 1, 2], "orderings": ["A > B"], "printed": {"A": 82.0, "B": 81.8}}
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from vitrail.data.settings import STRICT
from vitrail.errors import InputError, nearest
from vitrail.recipes import find, sources
from vitrail.recipes.overrides import apply
from vitrail.recipes.recipe import Recipe, Seed, one_line
from vitrail.recipes.start import resolve

PLANS = Path(__file__).with_name("plans")
NAME = re.compile(r"[A-Za-z0-9][\w.+&-]*", re.ASCII)  # of a variant: it names a folder
BUDGET = ("epochs", "steps", "batch", "accumulate", "augment.repeats")
SAME = ("data",)  # beside the budget, whatever it is: pairs of one seed saw the same pictures
RULE = (
    "Of A > B the differences A - B of the runs with the same seed decide: confirmed where their whole Student t "
    "interval lies above 0, contradicted where it lies below 0, not resolved where it holds 0, where it has no width "
    "as all differences are the same, or where fewer than two seeds have ended."
)


class Pair(NamedTuple):
    """Two variants of which the first is expected to have the higher value."""

    higher: str
    lower: str

    def __str__(self) -> str:
        return f"{self.higher} > {self.lower}"


@dataclass(frozen=True, config=STRICT)
class Plan:
    """What runs, and what is asked of it.

    recipe, overrides: Of all variants, as `vitrail train` takes them.
    variants: Name, which becomes a folder -> its own overrides.
    seeds: Each variant runs with each. Runs of one seed see the same pictures in the same order with the same changes,
        and draw their first weights from one stream: equal where the variants' parameters are equal up to there.
    data: As `--data`, which goes before it.
    metric: Of a run's summary.json, such as "top1", that of the last epoch.     unit: "%": its share times 100.
    orderings: Chains such as "A > B = C > D", decided beforehand: each of a higher level is expected above each of a
        lower one; nothing is asked within a level.
    rule: How an ordering is decided; there is one, `RULE`.     confidence: Of every interval.
    printed: Each variant's value in the paper, in the unit.     source: The paper and its table.
    budget: "equal" refuses variants that differ in epochs, steps or batch; "free" does not.
    """

    recipe: str
    variants: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    title: str = "Ablation"
    about: str = ""
    source: str = ""
    overrides: tuple[str, ...] = ()
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    data: str | None = None
    metric: str = "top1"
    unit: Literal["%", ""] = "%"
    orderings: tuple[str, ...] = ()
    rule: Literal["paired t"] = "paired t"
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    printed: dict[str, float] = Field(default_factory=dict)
    budget: Literal["equal", "free"] = "equal"

    def __post_init__(self) -> None:
        for name in self.variants:
            if not NAME.fullmatch(name):
                raise ValueError(f"variant {name!r}: wanted letters, digits and + & . _ -, it names a folder")
        if len({name.lower() for name in self.variants}) < len(self.variants):
            raise ValueError("two variants differ in capitals only; each names a folder")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {self.seeds}: one stands there twice")
        for name in self.printed:
            self.named(name, "printed")
        self.pairs()

    def named(self, name: str, where: str) -> str:
        """The name, where it is a variant's. Raises: ValueError elsewhere."""
        if name not in self.variants:
            near = nearest(name, self.variants) or f" Variants: {', '.join(self.variants)}."
            raise ValueError(f"{where}: {name!r} is no variant.{near}")
        return name

    def pairs(self) -> list[Pair]:
        """What all orderings ask, each once. Raises: ValueError for what is none, or asks a thing and its contrary."""
        found: dict[Pair, None] = {}
        for chain in self.orderings:
            levels = [[part.strip() for part in level.split("=")] for level in chain.split(">")]
            if len(levels) < 2:
                raise ValueError(f"orderings: {chain!r} is not of the form A > B")
            for level in levels:
                for name in level:
                    self.named(name, f"orderings: {chain!r}")
            for number, level in enumerate(levels):
                below = [name for lower in levels[number + 1 :] for name in lower]
                found |= dict.fromkeys(Pair(higher, lower) for higher in level for lower in below)
        for pair in found:
            if pair.higher == pair.lower or Pair(pair.lower, pair.higher) in found:
                raise ValueError(f"orderings: {pair} and its contrary are both asked")
        return list(found)

    def value(self, summary: dict[str, Any], where: str = "summary.json") -> float:
        """The metric in its unit. Raises: InputError where the summary has no such number."""
        came = summary.get(self.metric)
        if isinstance(came, bool) or not isinstance(came, int | float):
            numbers = [name for name, value in summary.items() if isinstance(value, int | float)]
            raise InputError(f"{where} has no number {self.metric!r}.{nearest(self.metric, numbers)}")
        return 100.0 * came if self.unit == "%" else float(came)


class One(NamedTuple):
    """One run of a plan."""

    variant: str
    seed: int

    def __str__(self) -> str:
        return f"{self.variant} seed {self.seed}"

    def folder(self, out: Path) -> Path:
        return out / self.variant / f"seed_{self.seed}"

    def overrides(self, plan: Plan) -> tuple[str, ...]:
        """What `vitrail train` takes beside the recipe."""
        return (*plan.overrides, *plan.variants[self.variant], f"seed={self.seed}")


_ADAPTER = TypeAdapter(Plan)


def read(text: str) -> Plan:
    """The plan of a file, or of a name among those that come with vitrail.

    Raises: InputError in one line for what is no plan; a field that does not exist with the nearest.
    """
    shipped = {path.stem: path for path in sorted(PLANS.glob("*.json"))}
    path = shipped.get(text, Path(text))
    if not path.is_file():
        near = nearest(text, shipped) or f" Ours: {', '.join(shipped)}."
        raise InputError(f"{text}: no such file, and no plan of ours.{near}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{text}: not JSON ({' '.join(str(error).split())}); docs/ablate.md shows a plan.") from error
    if not isinstance(document, dict):
        raise InputError(f"{text}: holds no plan; docs/ablate.md shows one.")
    return from_dict(document, text)


def from_dict(document: dict[str, Any], name: str = "plan") -> Plan:
    """The plan of what JSON holds. Raises: as `read`, calling it `name`."""
    fields = [field.name for field in dataclasses.fields(Plan)]
    for key in document:
        if key not in fields:
            near = nearest(key, fields) or f" Fields: {', '.join(fields)}."
            raise InputError(f"{name}: a plan has no field {key!r}.{near}")
    try:
        return _ADAPTER.validate_json(json.dumps(document))
    except ValidationError as error:
        raise InputError(f"{name}: {one_line(error)}".rstrip(".") + ".") from error


def to_dict(plan: Plan) -> dict[str, Any]:
    """Every field, as JSON has it."""
    return _ADAPTER.dump_python(plan, mode="json")


def sha256(plan: Plan) -> str:
    """Of every field but the place of the data: the same however the file is laid out."""
    document = {**to_dict(plan), "data": None}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def runs(plan: Plan) -> list[One]:
    """In the order in which they run: all variants of the first seed, then all of the next."""
    return [One(variant, seed) for seed in plan.seeds for variant in plan.variants]


def recipes(plan: Plan, data: str | None = None) -> dict[One, Recipe]:
    """The resolved recipe of each run, at `data` or where the plan says.

    Raises: InputError for what `vitrail train` would refuse, and for variants that do not compare: another budget,
        other data, a seed of their own.
    """
    base = find.find(plan.recipe)
    for own in (*plan.overrides, *(each for texts in plan.variants.values() for each in texts)):
        if own.partition("=")[0] == "seed":
            raise InputError(f"{own}: the plan's `seeds` decide the seed.")
    place, found = data or plan.data, {}
    for one in runs(plan):
        try:
            chosen = apply(base, one.overrides(plan))
            found[one] = resolve(replace(chosen, data=sources.named(place, chosen.data)) if place else chosen)
        except InputError as error:
            raise InputError(f"{one.variant}: {error}") from error
    first = next(iter(found))
    for one, recipe in found.items():
        for field, here, there in _different(recipe, found[first], plan.budget):
            way = "" if field in SAME else ' (budget: "free" allows it)'
            raise InputError(
                f"{one.variant} has {field}={here}, {first.variant} has {there}: variants train alike{way}."
            )
    return found


def _different(one: Recipe, other: Recipe, budget: str) -> Iterator[tuple[str, Any, Any]]:
    """The fields that have to be the same and are not."""
    for field in (*SAME, *(BUDGET if budget == "equal" else ())):
        here, there = _field(one, field), _field(other, field)
        if here != there:
            yield field, here, there


def _field(recipe: Any, path: str) -> Any:
    for part in path.split("."):
        recipe = getattr(recipe, part, None)
    return recipe
