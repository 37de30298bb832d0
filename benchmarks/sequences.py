"""Iwin in one dimension beside full attention: bits of text by length, time and memory by length, what a cache reads.

    python benchmarks/sequences.py learn FOLDER --data TEXT [--only "rope"] [--steps 3000]      one run each
    python benchmarks/sequences.py cost FOLDER [--device cuda] [--lengths 1024,4096,16384,65536] [--rounds 5]
    python benchmarks/sequences.py cache FOLDER [--length 4096]
    python benchmarks/sequences.py show FOLDER --json sequences.json --draw sequences           of all that is there

learn   Each way is trained for the same steps on the same windows, in characters; parameters differ by under 2 %. Then
        the held-out text is read in windows of 1 to 16 times the training length, the same tokens at each.
cost    Blocks of one model, LanguageModel's own code, float32 on a CPU and bfloat16 on CUDA. The ways take turns, so
        that a busy machine hurts all alike; ratios are taken round by round. Memory is the peak of one step, in a
        process of its own, above what stands between steps. Growth exponents: least squares of log time over log
        length, of all lengths and of the two longest. Full attention is PyTorch's
        scaled_dot_product_attention(is_causal=True).
cache   Tokens are generated one by one: what a layer reads for each, counted, and what it holds.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
from torch import Tensor

from vitrail import keep_memory
from vitrail.data.text_settings import TextPreprocessing
from vitrail.draw.bits import draw_lengths, draw_positions
from vitrail.draw.style import COLOURS, figure, quiet, save
from vitrail.export.timing import seconds, spread
from vitrail.insight.bench import wait_for
from vitrail.insight.growth import fit
from vitrail.insight.machine import machine, versions
from vitrail.insight.memory import MALLOC, RESET, status
from vitrail.models.catalogue import create_model
from vitrail.models.iwin_lm import LanguageModel
from vitrail.recipes.find import find
from vitrail.recipes.lengths import TIMES, TOGETHER, measure_lengths
from vitrail.recipes.recipe import Cosine, Model, Recipe, Text
from vitrail.recipes.run import Options, train
from vitrail.recipes.sources import open_split
from vitrail.train.loop import Setting
from vitrail.train.record import read
from vitrail.weights import open_model

SQRT: dict[str, Any] = {"stride": "sqrt", "kernel": 0, "window": "stride"}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {  # name without its size, fields
    "iwin, conv, G 16": ("iwin_lm", {}),
    "iwin, window, G 16": ("iwin_lm", {"kernel": 0, "window": "stride"}),
    "iwin, conv 16, G sqrt": ("iwin_lm", {"stride": "sqrt", "kernel": 16}),
    "iwin, window, G sqrt": ("iwin_lm", SQRT),
    "full, RoPE": ("rope_lm", {}),
    "full, no positions": ("full_lm", {}),
}
COSTS = ("iwin, conv, G 16", "iwin, conv 16, G sqrt", "iwin, window, G sqrt", "full, no positions")
PEER = "full, no positions"
SLOWEST = 120.0  # seconds of a step, beyond which a way is not tried at greater lengths
EPOCHS = 10  # how often learning is measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("learn", "cost", "cache", "show", "peak"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--size", default="tiny", help="nano, tiny, small or base; nano is enough for cost")
    parser.add_argument("--length", type=int, default=256, help="of training; of cache: of the whole line")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lengths", default="1024,4096,16384,65536")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="of rounds at a length, at most; one is made anyway"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=WAYS, action="append")
    parser.add_argument("--mode", choices=("forward", "step"), help="of peak")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--draw", type=Path, help="beginning of the pictures' names")
    given = parser.parse_args()
    keep_memory() if given.what != "peak" else None
    torch.set_num_threads(given.threads)
    given.folder.mkdir(parents=True, exist_ok=True)
    {"learn": learn, "cost": cost, "cache": cached, "show": show, "peak": tell_peak}[given.what](given)


# learning


def recipe(way: str, given: argparse.Namespace) -> Recipe:
    kind, fields = WAYS[way]
    return replace(
        find("train_text"),
        model=Model(f"{kind}_{given.size}", size=(), overrides={**fields, "dropout": 0.2}),  # type: ignore[arg-type]
        data=Text(str(given.data.resolve()), tokens="characters"),
        schedule=Cosine(warmup=100, end=1e-4, warmup_in="step"),
        epochs=EPOCHS,
        steps=given.steps // EPOCHS,
        batch=given.batch,
        preprocessing=TextPreprocessing(length=given.length),
        precision="bfloat16" if given.device == "cuda" else "float32",
        seed=given.seed,
    )


def learn(given: argparse.Namespace) -> None:
    """Trains each way into FOLDER/learn/WAY, with row.json of its numbers."""
    for way in given.only or WAYS:
        out, chosen = given.folder / "learn" / place(way), recipe(way, given)
        summary = train(chosen, out, Options(given.device), again=True)
        assert summary
        model, _ = open_model(out / "model.safetensors")
        held_out = open_split(chosen.data)[1]
        lengths = [given.length * times for times in TIMES if given.length * times < len(held_out)]
        device = torch.device(given.device)
        rows = measure_lengths(model.to(device), held_out, lengths, Setting(device))
        row = {
            "way": way,
            "parameters": summary["parameters"],
            "steps": chosen.steps * chosen.epochs if chosen.steps else 0,
            "batch": chosen.batch,
            "length": given.length,
            "bits": round(summary["bits"], 4),
            "lengths": [each.document() for each in rows],
            "minutes": round(summary["training_seconds"] / 60, 2),
            "curve": [round(epoch["bits"], 4) for epoch in read(out)],
        }
        (out / "row.json").write_text(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


# cost


def made(way: str, size: str, device: torch.device) -> LanguageModel:
    kind, fields = WAYS[way]
    model = create_model(f"{kind}_{size}", **fields).to(device)
    assert isinstance(model, LanguageModel)
    return model


def steps_of(model: LanguageModel, length: int, device: torch.device) -> dict[str, Callable[[], None]]:
    """One forward, and one training step with AdamW; one line of tokens, so that its length is all that changes."""
    tokens = torch.randint(0, 256, (1, length + 1), generator=torch.Generator().manual_seed(0)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")

    def forward() -> None:
        model.eval()
        with torch.no_grad(), half:
            model(tokens[:, :-1])

    def step() -> None:
        model.train()
        optimizer.zero_grad(set_to_none=True)
        with half:
            logits: Tensor = model(tokens[:, :-1])
        F.cross_entropy(logits[0].float(), tokens[0, 1:]).backward()
        optimizer.step()

    return {"forward": forward, "step": step}


def cost(given: argparse.Namespace) -> None:
    """Writes FOLDER/cost_DEVICE.json, after each length anew."""
    device, ways = torch.device(given.device), given.only or COSTS
    rows: list[dict[str, Any]] = []
    slow: set[tuple[str, str]] = set()
    for length in map(int, given.lengths.split(",")):
        models = {way: made(way, given.size, device) for way in ways}
        runs = {
            (way, mode): run
            for way, model in models.items()
            for mode, run in steps_of(model, length, device).items()
            if (way, mode) not in slow
        }
        times: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
        total = 0.0
        for key in [*runs]:
            try:
                warm = seconds(runs[key], 1, wait_for(device))
                total += warm
            except torch.OutOfMemoryError as error:
                print(f"{key} at {length}: {str(error).splitlines()[0]}", flush=True)
                del runs[key]
                slow.add(key)
                continue
            if warm > SLOWEST:
                slow.add(key)
        for _ in range(max(1, min(given.rounds, int(60 * given.minutes / max(total, 1e-9))))):
            for key, run in runs.items():  # each way in turn
                times[key].append(seconds(run, 1, wait_for(device)))
        del models
        for way, mode in runs:
            peer = times.get((PEER, mode), [])
            ratios = [other / own for other, own in zip(peer, times[way, mode], strict=bool(peer))] if peer else []
            rows.append(
                {
                    "way": way,
                    "mode": mode,
                    "length": length,
                    "seconds": statistics.median(times[way, mode]),
                    "faster": _spread(ratios),
                    "megabytes": round(peak(way, mode, length, given) / 2**20, 1),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
        document = {
            "machine": machine(device),
            "versions": versions(),
            "size": given.size,
            "threads": given.threads,
            "rounds": given.rounds,
            "numbers": "bfloat16" if device.type == "cuda" else "float32",
            "rows": rows,
            "growth": growth(rows),
        }
        (given.folder / f"cost_{device.type}.json").write_text(json.dumps(document, indent=1) + "\n")


def _spread(ratios: list[float]) -> dict[str, float] | None:
    """Median and middle half of how many times faster than full attention, round by round."""
    if not ratios:
        return None
    return {name: round(value, 3) for name, value in spread(ratios)._asdict().items()}


def growth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Exponents of time over length: of all lengths, with its standard error, and between the two longest."""
    found = []
    for way in dict.fromkeys(row["way"] for row in rows):
        for mode in ("forward", "step"):
            points = sorted((r["length"], r["seconds"]) for r in rows if (r["way"], r["mode"]) == (way, mode))
            if len(points) < 3:
                continue
            whole = fit([length for length, _ in points], [took for _, took in points])
            (before, first), (after, second) = points[-2:]
            last = math.log(second / first) / math.log(after / before)
            found.append(
                {
                    "way": way,
                    "mode": mode,
                    "exponent": round(whole.exponent, 3),
                    "error": round(whole.error, 3),
                    "longest": round(last, 3),
                }
            )
    return found


def peak(way: str, mode: str, length: int, given: argparse.Namespace) -> int:
    """Bytes at the peak of one step beyond what stood before it."""
    words = ["peak", str(given.folder), "--only", way, "--mode", mode, "--lengths", str(length)]
    words += ["--size", given.size, "--device", given.device, "--threads", str(given.threads)]
    done = subprocess.run(
        [sys.executable, __file__, *words], capture_output=True, text=True, env={**os.environ, **MALLOC}, check=True
    )
    return int(done.stdout.split()[-1])


def tell_peak(given: argparse.Namespace) -> None:
    device, way = torch.device(given.device), given.only[0]
    run = steps_of(made(way, given.size, device), int(given.lengths), device)[given.mode]
    run()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return print(torch.cuda.max_memory_allocated() - before)
    before = status("VmRSS")
    RESET.write_text("5")
    run()
    print(max(status("VmHWM") - before, 0))


# the cache


class Reading:
    """Counts the keys that attention is given, while it is entered."""

    def __init__(self) -> None:
        self.keys = 0

    @contextlib.contextmanager
    def counting(self):
        own = F.scaled_dot_product_attention

        def counted(q: Tensor, k: Tensor, v: Tensor, *more: Any, **named: Any) -> Tensor:
            self.keys += k.shape[-2]
            return own(q, k, v, *more, **named)

        F.scaled_dot_product_attention = counted  # type: ignore[assignment]
        try:
            yield self
        finally:
            F.scaled_dot_product_attention = own  # type: ignore[assignment]


def cached(given: argparse.Namespace) -> None:
    """Writes FOLDER/cache.json: at some tokens of a line what a layer reads, and the time of a token."""
    device, rows = torch.device(given.device), []
    marks = sorted({1, *(given.length // 4**power for power in range(5)), given.length})
    for way in given.only or WAYS:
        model = made(way, given.size, device).eval()
        cache = model.cache(1, given.length)
        token, reads, spent = torch.zeros(1, dtype=torch.int64, device=device), {}, []
        for number in range(1, given.length + 1):
            reading = Reading()
            with reading.counting():
                spent.append(seconds(lambda: model.step(token, cache), 1, wait_for(device)))  # noqa: B023
            if number in marks:
                layer = cache.reads(number - 1)
                recent = spent[-64:]
                reads[number] = {
                    "keys": reading.keys // model.spec.depth,
                    "entries": layer,
                    "milliseconds": round(1000 * statistics.median(recent), 4),
                }
        row = {
            "way": way,
            "length": given.length,
            "holds": cache.tokens,
            "megabytes": round(cache.bytes / 2**20, 3),
            "at": reads,
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    document = {"machine": machine(device), "versions": versions(), "size": given.size, "rows": rows}
    (given.folder / "cache.json").write_text(json.dumps(document, indent=1) + "\n")


# shown together


def place(way: str) -> str:
    return way.replace(",", "").replace(" ", "_")


def show(given: argparse.Namespace) -> None:
    """One JSON of all that is in FOLDER, and DRAW_lengths.png, DRAW_positions.png, DRAW_cpu.png, DRAW_cuda.png."""
    folder = given.folder
    learnt = [
        json.loads(each.read_text()) for way in WAYS if (each := folder / "learn" / place(way) / "row.json").is_file()
    ]
    costs = {
        kind: json.loads(each.read_text())
        for kind in ("cpu", "cuda")
        if (each := folder / f"cost_{kind}.json").is_file()
    }
    kept = folder / "cache.json"
    document = {"learn": learnt, "cost": costs, "cache": json.loads(kept.read_text()) if kept.is_file() else None}
    if given.json:
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    if not given.draw:
        return
    if learnt:
        points = {row["way"]: [(each["length"], each["bits"]) for each in row["lengths"]] for row in learnt}
        draw_lengths(Path(f"{given.draw}_lengths.png"), points, "bits a character", learnt[0]["length"])
        draw_positions(Path(f"{given.draw}_positions.png"), positions(learnt, folder), "bits a character")
    for kind, found in costs.items():
        draw_cost(Path(f"{given.draw}_{kind}.png"), found)


def positions(learnt: list[dict[str, Any]], folder: Path) -> dict[str, list[float]]:
    """Bits by place, in windows of 16 times the training length, or the longest that there are."""
    from vitrail.data.loader import Loader
    from vitrail.data.text_batches import TextBatches, Windows
    from vitrail.recipes.find import of_run
    from vitrail.tasks.next_token import NextToken
    from vitrail.train.loop import measure

    found = {}
    for row in learnt:
        out, length = folder / "learn" / place(row["way"]), row["lengths"][-1]["length"]
        held_out = open_split(of_run(out).data)[1]
        loader = Loader(TextBatches(Windows(held_out, length)), max(TOGETHER // length, 1), False)
        model, _ = open_model(out / "model.safetensors")
        setting = Setting(torch.device("cpu"))
        metric = measure(model, NextToken(held_out.vocabulary, length), loader.epoch(0), setting)
        found[row["way"]] = metric.positions()  # type: ignore[attr-defined]
    return found


def draw_cost(path: Path, document: dict[str, Any]) -> None:
    """Time and memory over the length, forward and training step."""
    drawing, rows = figure(12.5, 7.2), document["rows"]
    exponents = {(row["way"], row["mode"]): row["exponent"] for row in document["growth"]}
    panels = drawing.subplots(2, 2)
    for column, mode in enumerate(("forward", "step")):
        for line, (key, title) in enumerate((("seconds", "seconds"), ("megabytes", "memory at the peak, MB"))):
            axes = panels[line][column]
            quiet(axes, f"{'training step' if mode == 'step' else 'forward'}: {title}")
            for number, way in enumerate(dict.fromkeys(row["way"] for row in rows)):
                points = [(r["length"], r[key]) for r in rows if (r["way"], r["mode"]) == (way, mode)]
                grown = exponents.get((way, mode))
                label = f"{way}   N^{grown:.2f}" if grown and key == "seconds" else way
                axes.plot(*zip(*points, strict=True), label=label, color=COLOURS[number], marker="o", linewidth=1.8)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.xaxis.set_major_locator(FixedLocator(sorted({row["length"] for row in rows})))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            if key == "seconds":
                axes.legend(frameon=False, fontsize=8.5)
    save(drawing, path)


if __name__ == "__main__":
    main()
