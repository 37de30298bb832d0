"""The runs of an ablation, each a `vitrail train` of its own: one after the other or some at once.

OUT/begun.json                the plan as it was before the first run, and its SHA-256
OUT/VARIANT/seed_N/           the run, as `vitrail train` leaves it          OUT/VARIANT/seed_N.log   what it said
OUT/report.json, report.html  see ablation_report.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from vitrail.errors import InputError
from vitrail.insight import ablation_plan
from vitrail.insight.ablation_plan import One, Plan
from vitrail.packages import installed
from vitrail.recipes import find, sources
from vitrail.recipes.recipe import Recipe
from vitrail.train.record import read, track, write_text
from vitrail.train.stopping import Stop, listening

BEGUN = "begun.json"
SAID = {"classes": "classes", "training": "training samples", "held_out": "held out"}
LOOK = 0.2  # seconds between two looks at the runs
LONGEST = 240  # letters of a failed run's line
PATIENCE = 60.0  # seconds that a run has to save itself after a signal


@dataclass(frozen=True)
class Options:
    """jobs: Runs at once; with several, each computes in one thread.     data: As `--data` of `vitrail train`.

    only: Variants; () all of them.     workers, device: As `vitrail train` takes them.
    """

    data: str | None = None
    jobs: int = 1
    workers: int | None = None
    device: str = "auto"
    only: tuple[str, ...] = ()


@dataclass
class Outcome:
    """Runs by what became of them now. failed: With the line that says why.     stopped: The signal that came."""

    ended: list[One] = field(default_factory=list)
    before: list[One] = field(default_factory=list)
    failed: dict[One, str] = field(default_factory=dict)
    stopped: str | None = None


def ablate(plan: Plan, out: str | Path, options: Options = Options(), console: Console | None = None) -> Outcome:
    """Runs what of the plan has not ended in `out`; a run that has begun goes on from its last state.

    One that fails leaves the others running. SIGTERM or Ctrl-C lets those that run save themselves, and begins none.

    Raises: InputError, before anything runs, for a plan, data or a folder that cannot be used.
    """
    out, console = Path(out), console or Console(stderr=True, highlight=False, soft_wrap=True)
    wanted, outcome = ablation_plan.recipes(plan, options.data), Outcome()
    for name in options.only:
        try:
            plan.named(name, "--only")
        except ValueError as error:
            raise InputError(str(error)) from error
    _begin(plan, out, options.data or plan.data, next(iter(wanted.values())))
    queue: dict[One, int] = {}
    for one, recipe in wanted.items():
        if options.only and one.variant not in options.only:
            continue
        other = differs(one.folder(out), recipe)
        if other:
            outcome.failed[one] = f"{one.folder(out)} has another recipe ({other}); another --out begins anew"
        elif (one.folder(out) / "summary.json").is_file():
            outcome.before.append(one)
        else:
            queue[one] = recipe.epochs
    if queue:
        with listening() as stop:
            team = _Team(plan, out, options, outcome, queue, stop, console)
            planned = sum(queue.values())
            for _ in track(team.work(), planned, "epochs of all runs", console, planned - team.left()):
                pass
            outcome.stopped = stop.asked
    for one, line in outcome.failed.items():
        console.print(f"failed: {one}: {line}", markup=False)
    return outcome


def differs(folder: Path, recipe: Recipe) -> str:
    """The fields in which the run in `folder` has another recipe, but for where its data lies; "" of none."""
    if not (folder / "recipe.json").is_file():
        return ""
    there, here = (asdict(each) for each in (find.of_run(folder), recipe))
    for document in (there, here):
        document["data"].pop("path", None)
    return ", ".join(name for name in here if here[name] != there[name])


def begun(out: str | Path) -> dict[str, Any]:
    """What was written down before the first run. Raises: InputError where there is none."""
    path = Path(out) / BEGUN
    if not path.is_file():
        raise InputError(f"{out}: no ablation has begun there; `vitrail ablate PLAN --out {out}` begins one.")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        ablation_plan.from_dict(document["plan"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not what an ablation writes down when it begins.") from error
    return document


def _begin(plan: Plan, out: Path, data: str | None, recipe: Recipe) -> None:
    """Writes down the plan and where the data lies, once. Raises: InputError where runs began with other data."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, wanted a folder for the runs.")
    first = begun(out) if (out / BEGUN).is_file() else None
    if first is None and out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty and holds no ablation; --out takes a folder of its own.")
    training, held_out = sources.open_split(recipe.data)
    counts = {"classes": len(getattr(training, "classes", ())), "training": len(training), "held_out": len(held_out)}
    if first is not None:
        other = [
            f"{count} {SAID[key]}, not {first[key]}" for key, count in counts.items() if first.get(key, count) != count
        ]
        if other:
            raise InputError(f"{out} began with other data (here: {'; '.join(other)}); another --out begins anew.")
        return
    document = {
        "sha256": ablation_plan.sha256(plan),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": ablation_plan.to_dict(plan),
        "data": os.path.abspath(data) if data and os.path.exists(data) else data,
        **counts,
        "versions": installed(("vitrail", "torch")),
    }
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / BEGUN, json.dumps(document, indent=1) + "\n")


def command(plan: Plan, one: One, out: Path, options: Options) -> list[str]:
    """The `vitrail train` of one run."""
    data = options.data or plan.data
    return [
        *(sys.executable, "-m", "vitrail", "train", plan.recipe, *one.overrides(plan)),
        *(("--data", data) if data else ()),
        *("--out", str(one.folder(out)), "--resume", "auto", "--device", options.device),
        *(("--workers", str(options.workers)) if options.workers is not None else ()),
    ]


class _Team:
    """The runs at work, and those that wait.

    Args:
        queue: The runs, each with the epochs it is to have.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        options: Options,
        outcome: Outcome,
        queue: dict[One, int],
        stop: Stop,
        console: Console,
    ) -> None:
        self.plan, self.out, self.options, self.outcome, self.stop = plan, out, options, outcome, stop
        self.queue, self.planned, self.console = list(queue), queue, console
        self.at_work: dict[One, subprocess.Popen] = {}
        self.epochs = {one: len(read(one.folder(out))) for one in queue}  # that each has finished

    def left(self) -> int:
        """Epochs to come."""
        return sum(self.planned[one] - self.epochs[one] for one in (*self.at_work, *self.queue))

    def work(self) -> Iterator[One]:
        """Works until all have ended or a signal came; gives a run for each epoch that it finishes."""
        started, finished, asked = time.monotonic(), 0, 0.0
        try:
            while self.at_work or (self.queue and not self.stop.asked):
                while self.queue and len(self.at_work) < self.options.jobs and not self.stop.asked:
                    self._start(self.queue.pop(0))
                if self.stop.asked and not asked:
                    asked = time.monotonic()
                    self.console.print(f"{self.stop.asked}: the runs at work save themselves.", markup=False)
                    for process in self.at_work.values():
                        process.terminate()
                if asked and time.monotonic() - asked > PATIENCE:
                    return
                time.sleep(LOOK)
                for one in list(self.at_work):
                    over = self.at_work[one].poll() is not None
                    rows = len(read(one.folder(self.out)))
                    for _ in range(rows - self.epochs[one]):
                        finished += 1
                        yield one
                    self.epochs[one] = max(rows, self.epochs[one])
                    if over:
                        pace = (time.monotonic() - started) / max(finished, 1)
                        self._end(one, self.at_work.pop(one).returncode, pace)
        finally:
            for process in self.at_work.values():
                process.kill()

    def _start(self, one: One) -> None:
        folder = one.folder(self.out)
        folder.parent.mkdir(parents=True, exist_ok=True)
        line = command(self.plan, one, self.out, self.options)
        alone = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} if self.options.jobs > 1 else {}
        with open(folder.with_suffix(".log"), "a", encoding="utf-8") as log:
            log.write(subprocess.list2cmdline(["vitrail", *line[3:]]) + "\n")
            log.flush()
            self.at_work[one] = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **alone}
            )

    def _end(self, one: One, code: int, pace: float) -> None:
        """Counts a run whose process is over. pace: Seconds of an epoch, as they came in."""
        summary = one.folder(self.out) / "summary.json"
        if code == 0 and summary.is_file():
            try:
                value = self.plan.value(json.loads(summary.read_text(encoding="utf-8")), str(summary))
            except (InputError, ValueError) as error:
                self.outcome.failed[one] = str(error)
                return
            self.outcome.ended.append(one)
            done = len(self.outcome.ended) + len(self.outcome.failed)
            self.console.print(
                f"[{done}/{len(self.planned)}] {one}: {self.plan.metric} {value:.2f}{self.plan.unit}, "
                f"about {_span(pace * self.left())} left",
                markup=False,
            )
        elif not self.stop.asked:
            log = one.folder(self.out).with_suffix(".log")
            why = _reason(log) if code else "it was stopped by a signal of its own; the same command goes on"
            self.outcome.failed[one] = f"{why} ({log})"
            self.console.print(f"{one} failed; the others go on.", markup=False)


def _reason(log: Path) -> str:
    """The last line of a log, which is the error's."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = lines[-1].removeprefix("error: ") if lines else "it said nothing"
    return said if len(said) <= LONGEST else said[:LONGEST] + "…"


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
