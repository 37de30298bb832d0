"""What each exported form of trained models gives and costs: differences, answers on real pictures, img/s.

python benchmarks/export.py OUT.json --pictures FOLDER RUN...

RUN is a run's folder or a weights file; FOLDER holds class folders of pictures the model was not trained on. Of each
form: the largest difference from the float32 model over them, the share of pictures it gives the same class (top-1
agreement), its own top-1 where the folders are named like the classes, and img/s on one batch, all forms interleaved,
as medians with the middle half. int8 is calibrated on other pictures, `--calibrate`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vitrail.data import images
from vitrail.export import calibrate, write
from vitrail.export.adapter import adapt
from vitrail.export.timing import interleave, repeats_for, seconds, spread
from vitrail.insight.machine import machine, versions
from vitrail.recipes import use

FORMS = (
    ("torch", "f32"),
    ("onnx", "f32"),
    ("openvino", "f32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("aoti", "f32"),
)
SUFFIX = {"torch": ".pt2", "onnx": ".onnx", "openvino": ".xml", "aoti": ".pt2"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--pictures", type=Path, required=True, help="class folders of pictures to answer on")
    parser.add_argument("--calibrate", type=Path, required=True, help="pictures for int8")
    parser.add_argument("--most", type=int, default=1000, help="pictures answered on, at most")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(run, given, Path(folder) / str(number)) for number, run in enumerate(given.runs)]
    document = {
        "machine": machine(torch.device("cpu")),
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
        "batch": given.batch,
        "rounds": given.rounds,
        "models": rows,
    }
    given.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def measure(run: Path, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One model in every form."""
    folder.mkdir()
    trained = use.load(run)
    transform = trained.transform()
    files = calibrate.pictures(given.pictures, trained.size, trained.preprocessing, given.most).files
    x = torch.stack([transform(images.read(file)) for file in files])
    named = [file.parent.name for file in files]
    right = [trained.classes.index(name) for name in named] if set(named) <= set(trained.classes) else None
    chosen = calibrate.pictures(given.calibrate, trained.size, trained.preprocessing)
    adapter = adapt(trained.model)
    with torch.no_grad():
        expected = torch.cat([trained.model(part) for part in x.split(given.batch)])

    def eager(part: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return [trained.model(part)]

    forms: dict[str, Callable[[Tensor], list[Tensor]]] = {"eager f32": eager}
    found: dict[str, dict[str, Any]] = {"eager f32": {}}
    for to, precision in FORMS:
        label, start = f"{to} {precision}", time.perf_counter()
        path = folder / f"{to}_{precision}{SUFFIX[to]}"
        pictures = chosen if precision == "int8" else None
        # int8 is measured here, whatever it gives
        done = write.export(
            adapter,
            to,
            path,
            precision=precision,
            calibration=pictures,
            tolerance=float("inf") if precision == "int8" else None,
            say=lambda stage, label=label: print(f"{run.name}: {label}: {stage}"),
        )
        forms[label] = write.opened(path, to, precision)
        found[label] = {
            "ready_seconds": round(time.perf_counter() - start, 1),
            "bytes": sum(file["bytes"] for file in done.document["files"].values()),
            "parity": done.document["parity"],
        }
    for label, form in forms.items():
        answers = torch.cat([form(part)[0] for part in x.split(given.batch)])
        best = answers.argmax(1)
        found[label] |= {
            "largest_difference": (answers - expected).abs().max().item(),
            "relative": ((answers - expected).abs().max() / expected.abs().max()).item(),
            "agreement": (best == expected.argmax(1)).float().mean().item(),
            "top1": (best == torch.tensor(right)).float().mean().item() if right else None,
        }
    for label, rates in speeds(forms, x[: given.batch], given.rounds).items():
        found[label]["images_per_second"] = spread(rates)._asdict()
    return {
        "model": getattr(trained.model, "name", run.name),
        "size": trained.size,
        "pictures": len(files),
        "calibrated_on": len(chosen.files),
        "forms": found,
    }


def speeds(forms: dict[str, Callable[[Tensor], list[Tensor]]], x: Tensor, rounds: int) -> dict[str, list[float]]:
    """img/s of each form in each round, the order drawn anew for each."""
    labels = list(forms)

    def step(label: str) -> Callable[[], object]:
        return lambda: forms[label](x)

    repeats = {label: repeats_for(step(label), 0.5, seconds) for label in labels}
    rates: dict[str, list[float]] = {label: [] for label in labels}
    for number in interleave(len(labels), rounds):
        label = labels[number]
        rates[label].append(len(x) / seconds(step(label), repeats[label]))
    return rates


if __name__ == "__main__":
    main()
