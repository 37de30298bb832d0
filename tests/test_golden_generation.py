"""FlashDiT, its sampler and its loss against reference outputs of the papers' own code: the cases of `test_golden`'s
folder that generate pictures.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import test_golden as golden
from vitrail.flow.loss import errors
from vitrail.flow.path import along
from vitrail.flow.sample import follow_noise
from vitrail.flow.sampling import Sampling
from vitrail.flow.solvers import euler, follow
from vitrail.flow.timesteps import moments
from vitrail.models import flashdit
from vitrail.models.generator import Generator
from vitrail.weights import load_weights

CASES = sorted(path for family in golden.GENERATION for path in (golden.FOLDER / family).glob("*.config.json"))

FIELDS = {
    "hidden_size": "dim",
    "depth": "depth",
    "num_heads": "heads",
    "patch_size": "patch",
    "in_channels": "in_channels",
    "window_size": "window",
    "class_dropout_prob": "label_drop",
    "mlp_ratio": "mlp_ratio",
    "use_qknorm": "qk_norm",
    "learn_sigma": "learn_sigma",
    "use_checkpoint": "checkpoint",
}
# theirs -> ours, by whether theirs is on
SWITCHES = {
    "use_swiglu": {"mlp": ("gelu", "swiglu")},
    "use_rmsnorm": {"norm": ("layer", "rms")},
    "wo_shift": {"shifts": (True, False)},
}
IGNORED = {"input_size", "num_classes", "use_rope"}


def generator(arguments: dict[str, Any]) -> Generator:
    """The model of the official constructor's arguments, in double precision."""
    unknown = set(arguments) - set(FIELDS) - set(SWITCHES) - IGNORED
    assert not unknown, f"constructor arguments not understood: {sorted(unknown)}"
    fields = {FIELDS[name]: value for name, value in arguments.items() if name in FIELDS}
    for name, choice in SWITCHES.items():
        fields |= {ours: values[bool(arguments.get(name, False))] for ours, values in choice.items()}
    spec = flashdit.FlashDiTSpec(**{"window": 8} | fields)
    size = golden.pair(arguments.get("input_size", 16))
    model = flashdit.generator(spec, size, arguments.get("num_classes", 1000))
    return golden.finish(model, spec, size, arguments.get("num_classes", 1000))  # type: ignore[return-value]


def filled(arguments: dict[str, Any], keys: Path, scale: float) -> Generator:
    model = generator(arguments)
    report = load_weights(model, golden.reference_state(keys, scale), trained_as=model)
    assert not report.missing and not report.unexpected
    return model


def outputs(model: Generator, config: dict[str, Any], dtype: torch.dtype) -> dict[str, Tensor]:
    """All that a case of the family flashdit may have stored."""
    model = model.to(dtype)
    batch, *latent = config["inputs"][0]["shape"]
    x = golden.drawn(f"input:{config['name']}", [batch, *latent]).to(dtype)
    t = torch.linspace(0.05, 0.95, batch, dtype=torch.float64).to(dtype)
    y = torch.arange(batch) * 3 % model.num_classes
    found: dict[str, Tensor] = {}
    handles = [
        block.register_forward_hook(lambda _, __, out, name=f"block{n}": found.update({name: out.flatten(1, 2)}))
        for n, block in enumerate(model.blocks())
    ]
    found["cond"] = model.trunk.time(t) + model.trunk.labels(y)
    found["out"] = model(x, t, y)
    for handle in handles:
        handle.remove()
    if cfg := config.get("cfg"):
        half = x[: batch // 2]
        t2 = torch.full((batch,), cfg["t2"], dtype=dtype)
        found["cfg_out"] = halves(model, half, t, y[: batch // 2], cfg["scale"])
        found["cfg_out_t2"] = halves(model, half, t2, y[: batch // 2], cfg["scale"] if cfg["t2"] >= 0.11 else 1.0)
    return found


def halves(model: Generator, x: Tensor, t: Tensor, labels: Tensor, scale: float) -> Tensor:
    """Both halves as the release gives them: with label, then without, both with the same three guided channels (with
    scale 1, where guidance has not begun, the label's).

    `t` holds the moments of both halves, which the cases let differ: so the halves are put together by hand here.
    """
    none = torch.full_like(labels, model.null)
    label, without = model(torch.cat([x, x]), t, torch.cat([labels, none])).chunk(2)
    steered = without[:, :3] + scale * (label[:, :3] - without[:, :3])
    return torch.cat([torch.cat([steered, half[:, 3:]], 1) for half in (label, without)])


def check_model(config: dict[str, Any], stem: Path, expected: dict[str, Tensor]) -> None:
    model = filled(config["constructor"], stem.with_suffix(".keys.json"), config["weight_scale"])
    golden.assert_agree(outputs(model, config, torch.float64), expected, 2e-6)
    golden.assert_agree(outputs(model, config, torch.float32), expected, 1e-5)


def check_euler(config: dict[str, Any], stem: Path, expected: dict[str, Tensor]) -> None:
    said = config["constructor"]
    assert (said["path"], said["prediction"], said["method"]) == ("Linear", "velocity", "euler")
    x = golden.drawn(f"input:{config['name']}", config["inputs"][0]["shape"]).float().double()
    shift = said["timestep_shift"] or 1.0  # the release reads 0 as none
    grid = moments(said["num_steps"] - 1, shift)
    found = follow(euler, lambda x, t: torch.sin(3 * x) * t - 0.5 * x, x, grid)
    golden.assert_agree({"t_grid": grid, "x_final": found}, expected, 2e-6)


def check_target(config: dict[str, Any], stem: Path, expected: dict[str, Tensor]) -> None:
    shapes = {entry["name"]: entry.get("shape") for entry in config["inputs"]}
    data, noise = (golden.drawn(f"input:{config['name']}:{name}", shapes[name]) for name in ("x1", "x0"))
    x, truth = along(noise, data, torch.tensor(config["inputs"][2]["value"], dtype=torch.float64))
    mse, cosine = errors(torch.tanh(x), truth)
    golden.assert_agree({"xt": x, "ut": truth, "mse": mse, "cos": cosine}, expected, 2e-6)


def check_sampling(config: dict[str, Any], stem: Path, expected: dict[str, Tensor]) -> None:
    said = config["constructor"]
    model = filled(said["model"], stem.with_suffix(".keys.json"), config["weight_scale"])
    z = golden.drawn(f"input:{config['name']}", config["inputs"][0]["shape"]).float().double()
    labels = torch.tensor(said["labels"])
    sampling = Sampling(
        steps=said["num_steps"] - 1,
        shift=said["timestep_shift"],
        scale=said["cfg_scale"],
        channels=3,
        start=said["cfg_interval_start"],
    )
    found = {"sample": follow_noise(model, z, labels, sampling, model.null)}
    found["sample_null_half"] = null_half(model, z, labels, sampling)
    golden.assert_agree(found, expected, 2e-6)


def null_half(model: Generator, z: Tensor, labels: Tensor, sampling: Sampling) -> Tensor:
    """What the release carries along for the labels of none: it is moved, and never read."""

    def field(both: Tensor, moment: float) -> Tensor:
        scale = sampling.scale if moment >= sampling.start else 1.0
        half = both[: len(labels)]
        return halves(model, half, both.new_full((len(both),), moment), labels, scale)

    return follow(euler, field, torch.cat([z, z]), moments(sampling.steps, sampling.shift))[len(labels) :]


def checker(config: dict[str, Any]) -> Callable[[dict[str, Any], Path, dict[str, Tensor]], None]:
    if config["family"] == "flashdit":
        return check_model
    if "model" in config["constructor"]:
        return check_sampling
    return check_euler if "num_steps" in config["constructor"] else check_target


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.removesuffix(".config.json"))
@torch.no_grad()
def test_case(path: Path, record_property) -> None:
    config = json.loads(path.read_text())
    record_property("golden", config["family"])
    stem = Path(str(path).removesuffix(".config.json") + ".case")  # its dots stay when a suffix is replaced
    expected = load_file(stem.with_suffix(".safetensors"))
    assert set(expected) == set(config["outputs"])
    checker(config)(config, stem, expected)


def no_interleave(model: Generator) -> None:
    for attention in golden_attentions(model):
        attention.windows = replace(attention.windows, interleaved=False)


def plain_gates(model: Generator) -> None:
    for block in model.blocks():
        for name in ("gate", "gate_conv", "gate_mlp"):
            shift_bias(block.modulation, name, -1.0)


def gate_of_the_convolution_first(model: Generator) -> None:
    for block in model.blocks():
        names = block.modulation.names
        block.modulation.names = (names[-1], *names[:-1])


def another_epsilon(model: Generator) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.RMSNorm):
            module.eps = 1e-5


def halves_of_swiglu_swapped(model: Generator) -> None:
    for block in model.blocks():
        for tensor in (block.mlp.w12.weight, block.mlp.w12.bias):
            first, second = tensor.data.chunk(2)
            tensor.data = torch.cat([second, first])


def sines_first(model: Generator) -> None:
    cosines, sines = model.trunk.time.fc1.weight.data.chunk(2, 1)
    model.trunk.time.fc1.weight.data = torch.cat([sines, cosines], 1)


def golden_attentions(model: Generator) -> list[Any]:
    return [block.attention for block in model.blocks()]


def shift_bias(modulation: Any, name: str, amount: float) -> None:
    dim = modulation.linear.in_features
    at = modulation.names.index(name) * dim
    modulation.linear.bias.data[at : at + dim] += amount


MISTAKES = [
    no_interleave,
    plain_gates,
    gate_of_the_convolution_first,
    another_epsilon,
    halves_of_swiglu_swapped,
    sines_first,
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
@torch.no_grad()
def test_mistakes_are_caught(mistake: Callable[[Generator], None], record_property) -> None:
    stem = Path(__file__).parent / "golden" / "flashdit" / "flashdit_micro_p1_w4_swiglu_rms.case"
    config = json.loads(stem.with_suffix(".config.json").read_text())
    expected = load_file(stem.with_suffix(".safetensors"))
    model = filled(config["constructor"], stem.with_suffix(".keys.json"), config["weight_scale"])
    mistake(model)
    found = outputs(model, config, torch.float64)["out"]
    worst = ((found - expected["out"]).abs().max() / expected["out"].abs().max().clamp(min=1)).item()
    record_property("golden_mistake", f"{mistake.__name__} on {config['name']}: {worst:.1e}")
    assert worst > 2e-6


def test_there_are_cases() -> None:
    assert {path.parent.name for path in CASES} == set(golden.GENERATION)
