"""Our models against reference outputs of the papers' own code.

Every case of a folder runs, whatever its name and sizes: the small ones beside this file, or those in $VITRAIL_GOLDEN.
A case is `FAMILY/NAME.config.json` (constructor, inputs), `.keys.json` (the release's state dict) and `.safetensors`
(outputs in float64, stored as float32). Weights follow from the key names alone.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vitrail.geometry.windows import Windows, cut
from vitrail.layers.relative import relative_index
from vitrail.models import iwin, iwin_video, scalablevit, swin, swin_video
from vitrail.models.assemble import Backbone, Network, VideoClassifier
from vitrail.weights import load_weights
from vitrail.weights.formats import DERIVED, release_keys

FOLDER = Path(os.environ.get("VITRAIL_GOLDEN") or Path(__file__).parent / "golden")
GENERATION = ("flashdit", "transport")  # what test_golden_generation.py runs
CASES = sorted(path for path in FOLDER.glob("*/*.config.json") if path.parent.name not in GENERATION)

# argument of the official constructors -> field of our specs
FIELDS = {
    "embed_dim": "dim",
    "depths": "depths",
    "num_heads": "heads",
    "window_size": "window",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "drop_path_rate": "drop_path",
    "in_chans": "in_channels",
}
IGNORED = {
    "img_size",
    "num_classes",
    "pretrain_img_size",
    "ape",
    "patch_size",
    "patch_norm",
    "out_indices",
    "drop_rate",
    "attn_drop_rate",
    "frozen_stages",
    "use_checkpoint",
    "qk_scale",
    "norm_layer",
}
PRESETS = {
    "scalable_vit_small": "scalablevit_small",
    "scalable_vit_small_0": "scalablevit_small_plain",
    "scalable_vit_base": "scalablevit_base",
    "scalable_vit_large": "scalablevit_large",
}


def pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def fields(arguments: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments as fields of our spec; one that we do not know is an error, not silence."""
    unknown = set(arguments) - set(FIELDS) - IGNORED
    assert not unknown, f"constructor arguments not understood: {sorted(unknown)}"
    assert (
        np.ravel(arguments.get("patch_size", 4))[-1] == 4
        and arguments.get("patch_norm", True)
        and not arguments.get("qk_scale")
    )
    return {ours: value for theirs, ours in FIELDS.items() if (value := arguments.get(theirs)) is not None}


def finish(model: Network, spec: Any, size: tuple[int, int], classes: int) -> Network:
    model.name, model.spec, model.size, model.num_classes = "golden", spec, size, classes
    return model.double().eval()


def build_iwin(arguments: dict[str, Any]) -> Network:
    position = "absolute" if arguments.get("ape", True) else "none"  # the official default is True
    spec = iwin.IwinSpec(position=position, **fields(arguments))
    size, classes = pair(arguments.get("img_size", 224)), arguments.get("num_classes", 1000)
    return finish(iwin.classifier(spec, size, classes), spec, size, classes)


def build_iwin_dense(arguments: dict[str, Any]) -> Network:
    position = "absolute" if arguments.get("ape", False) else "none"
    spec = iwin.dense(iwin.IwinSpec(position=position, **{"window": 7} | fields(arguments)))
    size = pair(arguments.get("pretrain_img_size", 224))
    return finish(iwin.backbone(spec, size), spec, size, 0)


def build_swin(arguments: dict[str, Any], **more: Any) -> Network:
    position = "both" if arguments.get("ape", False) else "relative"
    spec = swin.SwinSpec(**{"position": position, "window": 7} | more | fields(arguments))
    size, classes = pair(arguments.get("img_size", 224)), arguments.get("num_classes", 1000)
    return finish(swin.classifier(spec, size, classes), spec, size, classes)


def build_swin_mlp(arguments: dict[str, Any]) -> Network:
    position = "absolute" if arguments.get("ape", False) else "none"
    return build_swin(arguments, mixer="mlp", shift="padding", position=position)


def build_swin_dense(arguments: dict[str, Any]) -> Network:
    position = "both" if arguments.get("ape", False) else "relative"
    spec = swin.dense(swin.SwinSpec(**{"position": position, "window": 7} | fields(arguments)))
    size = pair(arguments.get("pretrain_img_size", 224))
    return finish(swin.backbone(spec, size), spec, size, 0)


def build_iwin_video(arguments: dict[str, Any], frames: int, size: tuple[int, int]) -> Network:
    stages = len(arguments["depths"])
    more = {"window": (tuple(arguments["window_size"]),) * stages}
    spec = iwin_video.VideoIwinSpec(frames=frames, patch_time=arguments["patch_size"][0], **fields(arguments) | more)
    return finish(iwin_video.classifier(spec, size, VIDEO_CLASSES), spec, size, VIDEO_CLASSES)


def build_swin_video(arguments: dict[str, Any], frames: int, size: tuple[int, int]) -> Network:
    spec = swin_video.VideoSwinSpec(frames=frames, patch_time=arguments["patch_size"][0], **fields(arguments))
    return finish(swin_video.classifier(spec, size, VIDEO_CLASSES), spec, size, VIDEO_CLASSES)


def build_scalablevit(arguments: dict[str, Any]) -> Network:
    if "preset" in arguments:
        spec, size, classes = scalablevit.VARIANTS[PRESETS[arguments["preset"]]], (224, 224), 1000
    else:
        dims = arguments["embed_dims"]
        assert dims == [dims[0] * 2**stage for stage in range(len(dims))] and len(set(arguments["mlp_ratios"])) == 1
        spec = scalablevit.ScalableViTSpec(
            dim=dims[0],
            depths=arguments["depths"],
            heads=arguments["num_heads"],
            window=arguments["wss"],
            ratios=arguments["c_ratios"],
            reductions=arguments["sr_ratios"],
            mlp_ratio=arguments["mlp_ratios"][0],
            qkv_bias=arguments.get("qkv_bias", True),
            head="plain" if arguments.get("plain_head") else "two_layer",
        )
        size, classes = pair(arguments["img_size"]), arguments["num_classes"]
    return finish(scalablevit.classifier(spec, size, classes), spec, size, classes)


VIDEO_CLASSES = 7  # the head that the notes of the video cases describe
VIDEO = {"iwin_video": build_iwin_video, "swin_video": build_swin_video}
BUILDERS = {
    "iwin_cls": build_iwin,
    "iwin_dense": build_iwin_dense,
    "swin_cls": build_swin,
    "swin_mlp": build_swin_mlp,
    "swin_dense": build_swin_dense,
    "scalablevit": build_scalablevit,
}


def build(config: dict[str, Any]) -> Network:
    """The model of a case."""
    if config["family"] in VIDEO:
        *_, frames, height, width = config["inputs"][0]["shape"]
        return VIDEO[config["family"]](config["constructor"], frames, (height, width))
    return BUILDERS[config["family"]](config["constructor"])


def drawn(text: str, shape: list[int]) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def reference_state(path: Path, scale: float) -> dict[str, Tensor]:
    """The state dict of the case: parameters by the rule of the golden README; buffers are left to the model."""
    entries = json.loads(path.read_text())
    if path.parent.name in VIDEO:
        width = next(shape[0] for key, shape, _ in entries if key == "norm.weight")
        head = {"cls_head.fc_cls.weight": [VIDEO_CLASSES, width], "cls_head.fc_cls.bias": [VIDEO_CLASSES]}
        entries += [[key, shape, "param"] for key, shape in head.items()]
    state = {}
    for key, shape, kind in entries:
        if kind != "param":
            state[key] = torch.zeros(shape)
            continue
        state[key] = scale * drawn(key, shape)
        if len(shape) == 1 and key.endswith(".weight"):
            state[key] += 1
    return state


def outputs(model: Network, x: Tensor) -> dict[str, Tensor]:
    """Everything that a case may have stored."""
    if isinstance(model, Backbone):
        return {f"feat{stage}": value for stage, value in enumerate(model(x))}
    if isinstance(model, VideoClassifier):
        return {"feat": model.norm(model.trunk(x)[-1]).movedim(-1, 1), "logits": model(x)}
    found = {f"stage{stage}": value for stage, value in enumerate(model.features(x))}
    return found | {"pooled": model.embed(x), "logits": model(x)}


def assert_agree(found: dict[str, Tensor], expected: dict[str, Tensor], limit: float) -> None:
    for name, reference in expected.items():
        assert found[name].shape == reference.shape, name
        difference = (found[name].double() - reference.double()).abs().max().item()
        assert difference <= limit * max(1.0, reference.abs().max().item()), (name, difference)


def geometry_tensors(config: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors that the names of a geometry case ask for."""
    found = {}
    numbers = lambda text: tuple(map(int, re.findall(r"\d+", text)))  # noqa: E731
    for name in config["outputs"]:
        if match := re.fullmatch(r"(\d+)x(\d+)_w(\w+)\.(rearranged|windows)", name):
            height, width = int(match[1]), int(match[2])
            window = numbers(match[3]) * (1 if "x" in match[3] else 2)
            source = torch.arange(height * width).reshape(1, height, width, 1)
            windows = cut(source, window, interleaved=True)  # (1, Gh, Gw, Mh, Mw, 1)
            if match[4] == "windows":
                found[name] = windows.reshape(-1, window[0] * window[1])
            else:
                found[name] = windows[0, ..., 0].permute(0, 2, 1, 3).reshape(height, width)
        elif match := re.fullmatch(r"\w*relative_position_index_w([\d_]+)", name):
            window = numbers(match[1])
            found[name] = relative_index(window * 2 if len(window) == 1 else window)
        elif match := re.fullmatch(r"\w*mask_([\dx]+)_w(\d+)_s(\d+)", name):
            grid = numbers(match[1])
            size, shift = (tuple(map(int, text)) * (len(grid) // len(text)) for text in (match[2], match[3]))
            mask = Windows(size, shift=shift).mask(grid)
            found[name] = torch.where(mask, 0.0, -100.0)
        else:
            raise AssertionError(f"geometry output {name!r} is not understood")
    return found


def run_interpolation(config: dict[str, Any], path: Path, expected: dict[str, Tensor]) -> None:
    """Weights of one window loaded into a model of another."""
    source = build_swin(config["constructor"]["source"])
    target = build_swin(config["constructor"]["target"])
    state = reference_state(path, config["weight_scale"])
    load_weights(source, state)
    report = load_weights(target, state, trained_as=source, new_window=True)
    assert report.resized and not report.missing and not report.unexpected
    values = dict(target.named_parameters())
    tables = {f"table:{key.name}": key.theirs(values[name]) for name, key in release_keys(target).items()}
    x = drawn(f"input:{config['name']}", config["inputs"][0]["shape"])
    assert_agree(tables | outputs(target, x), expected, 2e-6)
    assert_agree(outputs(target.float(), x.float()), {"logits": expected["logits"]}, 1e-5)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.removesuffix(".config.json"))
@torch.no_grad()
def test_case(path: Path, record_property) -> None:
    config = json.loads(path.read_text())
    family = config["family"]
    if family not in (*BUILDERS, *VIDEO, "geometry", "swin_interp"):
        record_property("golden_absent", family)
        pytest.skip(f"family {family} is not built yet")
    record_property("golden", family)
    stem = path.name.removesuffix(".config.json")
    expected = load_file(path.with_name(f"{stem}.safetensors"))
    assert set(expected) == set(config["outputs"])
    if family == "geometry":
        found = geometry_tensors(config)
        for name, reference in expected.items():
            assert torch.equal(found[name].to(reference.dtype), reference), name
        return
    keys = path.with_name(f"{stem}.keys.json")
    if family == "swin_interp":
        run_interpolation(config, keys, expected)
        return
    model = build(config)
    state = reference_state(keys, config["weight_scale"])
    report = load_weights(model, state, trained_as=model)
    assert not report.missing and not report.unexpected
    assert all(DERIVED.search(key) for key in report.derived)
    x = drawn(f"input:{config['name']}", config["inputs"][0]["shape"])
    assert_agree(outputs(model, x), expected, 2e-6)
    assert_agree(outputs(model.float(), x.float()), expected, 1e-5)


def test_the_folder_has_cases() -> None:
    assert CASES, f"no golden cases in {FOLDER}"


def test_the_generator_agrees_with_the_reference() -> None:
    path = FOLDER / "rng_check.json"
    if not path.exists():
        pytest.skip(f"{FOLDER} has no rng_check.json")
    for key, check in json.loads(path.read_text()).items():
        values = drawn(key, check["shape"]).flatten()
        assert values[:4].tolist() == pytest.approx(check["first"], rel=1e-15)
        assert values.sum().item() == pytest.approx(check["sum"], rel=1e-12)
