"""What a benchmark says of given times, and the shape of what it leaves; never how fast anything is."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitrail.errors import InputError
from vitrail.export import timing, ways
from vitrail.insight import bench, contenders, growth, memory
from vitrail.insight.contenders import Contender, Setting
from vitrail.insight.machine import machine, versions

CPU = torch.device("cpu")
NANO = Contender("iwin_nano")
TRAINING = Setting("train", "float32", 2, (32, 32), CPU)


def plan(**fields) -> bench.Plan:
    """Two nano models on one picture of 32 x 32, as quickly as it goes."""
    usual = {
        "contenders": (NANO,),
        "peer": Contender("swin_nano"),
        "device": CPU,
        "batches": (1,),
        "sizes": ((32, 32),),
        "dtypes": ("float32",),
        "rounds": 5,
        "least": 0.0,
        "command": "vitrail bench iwin_nano",
    }
    return bench.Plan(**{**usual, **fields})


def test_each_round_has_everyone_once_in_an_order_of_its_own() -> None:
    order = list(timing.interleave(4, 6))
    rounds = [tuple(order[start : start + 4]) for start in range(0, 24, 4)]
    assert all(sorted(each) == [0, 1, 2, 3] for each in rounds)
    assert len(set(rounds)) > 2
    assert order == list(timing.interleave(4, 6))


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that slows down eightfold changes the rates, and no ratio."""
    slow = [1.0, 2.0, 4.0, 8.0, 8.0]
    said = timing.summary({"ours": [0.5 * t for t in slow], "peer": slow}, 6, "peer")
    assert said["ours"]["images_per_second"] == 3.0
    assert said["ours"]["spread"] == [1.5, 6.0]
    assert (said["ours"]["ratio"], said["ours"]["ratio_spread"]) == (2.0, [2.0, 2.0])
    assert said["peer"]["ratio"] == 1.0
    assert said["peer"]["seconds"] == slow
    alone = timing.summary({"ours": slow}, 6, "peer")
    assert (alone["ours"]["ratio"], alone["ours"]["ratio_spread"]) == (None, None)


def test_the_spread_is_the_middle_half() -> None:
    assert timing.spread([9, 1, 8, 2, 7, 3, 6, 4, 5]) == (5, 3, 7)
    assert timing.spread([1, 2, 3, 4, 100]) == (3, 2, 4)


def test_seconds_are_of_one_step_and_wait_for_the_device() -> None:
    now, pending = [0.0], [0]

    def step() -> None:
        pending[0] += 1

    def wait() -> None:
        now[0] += 0.25 * pending[0]
        pending[0] = 0

    assert timing.seconds(step, 8, wait, lambda: now[0]) == 0.25


def test_a_timing_lasts_as_long_as_asked() -> None:
    calls: list[int] = []

    def timer(step, repeats: int) -> float:
        calls.append(repeats)
        return 0.1

    assert timing.repeats_for(lambda: None, 0.75, timer) == 8
    assert timing.repeats_for(lambda: None, 0.0, timer) == 1
    assert calls == [1, 2, 1]


def test_the_fit_finds_the_exponent_it_was_made_with() -> None:
    pixels = [side * side for side in (224, 448, 896, 2048)]
    found = growth.fit(pixels, [3e-7 * n**1.05 for n in pixels])
    assert found.exponent == pytest.approx(1.05, abs=1e-9)
    assert found.factor == pytest.approx(3e-7, rel=1e-6)
    assert found.error == pytest.approx(0, abs=1e-9)


def test_the_fit_and_its_error_are_those_of_least_squares() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 9)
    x = np.geomspace(1e4, 1e6, 9)
    y = 2e-6 * x**1.2 * np.exp(noise)
    (slope, _), covariance = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    found = growth.fit(x.tolist(), y.tolist())
    assert found.exponent == pytest.approx(slope)
    assert found.error == pytest.approx(math.sqrt(covariance[0, 0]))
    with pytest.raises(ValueError, match="3 sizes"):
        growth.fit([1.0, 2.0, 2.0], [1.0, 2.0, 2.0])


def test_growth_is_fitted_for_each_contender_apart() -> None:
    rows = [
        {
            "model": model,
            "way": "eager",
            "mode": "infer",
            "dtype": "float32",
            "batch": 1,
            "size": [side, side],
            "images_per_second": 1e6 / (side * side) ** exponent,
            "memory": 5_000_000 + 30 * side * side,
        }
        for side in (100, 200, 400)
        for model, exponent in (("linear", 1.0), ("quadratic", 2.0))
    ]
    linear, quadratic = growth.growth(rows)
    assert (linear["model"], quadratic["model"]) == ("linear", "quadratic")
    assert linear["exponent"] == pytest.approx(1.0)
    assert quadratic["exponent"] == pytest.approx(2.0)
    assert linear["megabytes_per_megapixel"] == pytest.approx(30.0)
    assert growth.growth(rows[:4]) == []


def test_a_run_leaves_a_row_for_each_contender_and_setting(tmp_path: Path) -> None:
    document = bench.bench(plan(modes=("infer", "train"), dtypes=("float32", "bfloat16")), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "bench.json").read_text()) == document
    rows = document["rows"]
    assert len(rows) == 2 * 2 * 2
    assert document["notes"] == document["growth"] == []
    for row in rows:
        assert len(row["seconds"]) == 5
        assert row["spread"][0] <= row["images_per_second"] <= row["spread"][1]
        assert (row["repeats"], row["compile_seconds"], row["parity"], row["memory"]) == (1, None, None, None)
        assert row["ratio"] == 1 or row["model"] == "iwin_nano"
    assert document["versions"]["torch"] == torch.__version__
    assert {"machine", "device", "date", "command", "peer", "rounds", "least_seconds"} <= document.keys()
    with Image.open(tmp_path / "out" / "rates.png") as image:
        assert min(image.size) > 200
    assert not (tmp_path / "out" / "growth.png").exists()


def test_growth_is_drawn(tmp_path: Path) -> None:
    sizes = ((32, 32), (32, 64), (64, 64))
    document = bench.bench(plan(contenders=(), sizes=sizes, growth=True), tmp_path)
    (line,) = document["growth"]
    assert line["pixels"] == [1024, 2048, 4096]
    assert line["megabytes_per_megapixel"] is None
    assert math.isfinite(line["exponent"])
    assert (tmp_path / "growth.png").is_file()


def test_who_fails_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = contenders.ready

    def ready(contender: Contender, setting: Setting):
        if contender.name == "swin_nano":
            raise RuntimeError("no room\nat all")
        return usual(contender, setting)

    monkeypatch.setattr(contenders, "ready", ready)
    said: list[str] = []
    document = bench.bench(plan(), say=said.append)
    assert said == ["left out: swin_nano (infer, float32, batch 1, 32 x 32): no room"] == document["notes"]
    assert [(row["model"], row["ratio"]) for row in document["rows"]] == [("iwin_nano", None)]
    with pytest.raises(InputError, match=r"Nothing could be measured.*no room"):
        bench.bench(plan(contenders=()))


def test_a_way_that_is_missing_is_a_line_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "missing", lambda way, example: None if way == "eager" else f"{way} is not here")
    said: list[str] = []
    rows = bench.bench(plan(contenders=tuple(contenders.read("iwin_nano@all"))), say=said.append)["rows"]
    assert [row["way"] for row in rows] == ["eager", "eager"]
    assert said == [f"left out: iwin_nano@{way}: {way} is not here." for way in ("compiled", "openvino")]
    with pytest.raises(InputError, match="iwin_nano@compiled: compiled is not here"):
        bench.bench(plan(contenders=(Contender("iwin_nano", "compiled"),)))


def test_compiled_training_is_held_against_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parity is of the gradients: a step whose loss is scaled by 1.5 is off by a half."""
    monkeypatch.setattr(torch, "compile", lambda model, **options: lambda x: model(x))
    same = contenders.ready(Contender("iwin_nano", "compiled"), TRAINING)
    assert same.parity == 0
    assert same.compile_seconds is not None

    class Steeper(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            return 1.5 * gradient

    monkeypatch.setattr(torch, "compile", lambda model, **options: lambda x: Steeper.apply(model(x)))
    assert contenders.ready(Contender("iwin_nano", "compiled"), TRAINING).parity == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("name", ["iwin_nano", "timm/swin_tiny_patch4_window7_224"])
def test_recomputed_blocks_give_the_same_gradients_from_less_memory(name: str) -> None:
    if name.startswith("timm/"):
        pytest.importorskip("timm")
    made = {way: contenders.ready(Contender(name, way), TRAINING) for way in ("eager", "checkpointed")}
    assert made["checkpointed"].parity < 1e-5
    kept = {}
    for way, each in made.items():
        saved: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, saved=saved: saved.append(x.numel()) or x, lambda x: x):
            each.step()
        kept[way] = sum(saved)
    assert kept["checkpointed"] < 0.6 * kept["eager"], kept


def test_what_cannot_recompute_is_said_in_a_line() -> None:
    with pytest.raises(InputError, match="torchvision/resnet18 cannot recompute"):
        contenders.ready(Contender("torchvision/resnet18", "checkpointed"), TRAINING)


def test_other_ways_are_held_against_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(model, example, way):
        return torch.no_grad()(model if way == "eager" else lambda x: 1.25 * model(x))

    monkeypatch.setattr(ways, "prepare", prepare)
    setting = Setting("infer", "float32", 2, (32, 32), CPU)
    assert contenders.ready(Contender("iwin_nano", "compiled"), setting).parity == pytest.approx(0.25)
    assert contenders.ready(NANO, setting).parity is None


def test_a_step_trains_and_draws_nothing() -> None:
    """Same weights and pictures each time, and the loss they lead to; whatever was drawn from before."""
    pytest.importorskip("timm")
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made = contenders.ready(Contender("timm/swin_tiny_patch4_window7_224"), TRAINING)
        before = [tensor.clone() for tensor in made.tensors()[:5]]
        made.step()
        found.append([tensor.detach().clone() for tensor in made.tensors()[:5]])
        assert all(not torch.equal(a, b) for a, b in pairwise((before[0], found[-1][0])))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.skipif(not memory.RESET.exists(), reason="the peak of a step on the CPU is measured on Linux only")
def test_memory_holds_at_least_what_must_be_there() -> None:
    from vitrail.models.catalogue import create_model

    weights = 4 * sum(parameter.numel() for parameter in create_model("iwin_nano", size=32).parameters())
    forward = memory.peak(NANO, Setting("infer", "float32", 1, (32, 32), CPU))
    assert weights < forward < 3 * weights
    assert memory.measure(NANO, TRAINING) > 3 * weights  # and AdamW's two moments


def test_memory_that_cannot_be_had_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def peak(contender: Contender, setting: Setting) -> int:
        if contender == NANO:
            raise InputError("its process ended with -9.")
        return 7

    monkeypatch.setattr(memory, "peak", peak)
    document = bench.bench(plan(memory=True))
    assert [row["memory"] for row in document["rows"]] == [None, 7]
    assert document["notes"] == ["no memory of iwin_nano: its process ended with -9."]
    monkeypatch.undo()
    with pytest.raises(InputError, match="OpenVINO"):
        memory.peak(Contender("iwin_nano", "openvino"), TRAINING)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rounds": 4}, "rounds 4: .* 5 or more"),
        ({"batches": (4, 0)}, "batch 0"),
        ({"dtypes": ("float23",)}, "dtype 'float23' is none of float32, .* Nearest: float32"),
        ({"modes": ("inference",)}, "mode 'inference' is none of infer, train"),
        ({"modes": ("train",), "dtypes": ("float16",)}, "float16 does not train"),
        ({"growth": True}, "3 sizes or more, 1 came"),
    ],
)
def test_a_plan_that_cannot_be_measured(fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"contenders": (Contender("iwin_nono"),)}, "iwin_nono"),
        ({"peer": Contender("torchvision/resnet19")}, "resnet19"),
        ({"sizes": ((2, 2),)}, "from 4 to"),
        ({"contenders": (Contender("torchvision/alexnet"),)}, "torchvision/alexnet at 32x32"),
        ({"contenders": (Contender("dense_iwin_nano"),)}, "a classifier is wanted, such as iwin_nano"),
        ({"contenders": (Contender("iwin_nano", "openvino"),), "modes": ("train",)}, "openvino does not train"),
        ({"contenders": (Contender("iwin_nano", "checkpointed"),)}, "checkpointed is a way to train"),
    ],
)
def test_what_is_refused_before_anything_is_measured(
    fields: dict, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "measure", lambda *arguments: pytest.fail("measured"))
    with pytest.raises(InputError, match=message):
        bench.bench(plan(**fields))


def test_contenders_by_name_and_way() -> None:
    assert contenders.read("iwin_nano") == [NANO]
    assert contenders.read("timm/resnet18@compiled")[0].label == "timm/resnet18@compiled"
    assert [each.way for each in contenders.read("iwin_nano@all")] == list(ways.WAYS)
    with pytest.raises(InputError, match="'fast' is none of eager, compiled, openvino, optimized, checkpointed, all"):
        contenders.read("iwin_nano@fast")


def test_the_peer_takes_part_once() -> None:
    assert plan(peer=NANO).everyone() == [NANO]
    assert [each.name for each in plan().everyone()] == ["iwin_nano", "swin_nano"]


def test_the_machine_in_words() -> None:
    assert "thread" in machine(CPU)
    assert {"torch", "torchvision"} <= versions().keys()
