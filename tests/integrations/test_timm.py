"""timm's own questions to a backbone (its tests/test_models.py), asked of our models through its public API."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import vitrail
from vitrail import weights
from vitrail.errors import InputError
from vitrail.models.catalogue import ROWS, WEIGHTS

timm = pytest.importorskip("timm")
ours = pytest.importorskip("vitrail.integrations.timm")
create_optimizer_v2 = pytest.importorskip("timm.optim").create_optimizer_v2

TWO_LAYERS = {"head": "two_layer", "hidden": 24}
NANO = ["iwin_nano", "scalablevit_nano", "vitrail_swin_nano"]
HEADS = [*((name, {}) for name in NANO), ("scalablevit_nano", TWO_LAYERS)]
WIDTHS = [16, 32, 64, 128]
SIZES = [(64, 64), (61, 97)]


def pair(name: str, num_classes: int = 5, **spec: object) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The model of timm, and vitrail's own with the same weights."""
    theirs = timm.create_model(name, num_classes=num_classes, img_size=(64, 80), **spec).eval()
    own = vitrail.create_model(ours.NAMES[name], num_classes, (64, 80), **spec).eval()
    own.load_state_dict(theirs.state_dict())
    return theirs, own


def picture(size: tuple[int, int], batch: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(batch, channels, *size)


def test_every_classifier_has_a_name_that_timm_does_not_use() -> None:
    assert set(ours.NAMES.values()) == {name for name in ROWS if name.split("_")[0] in ("iwin", "swin", "scalablevit")}
    assert {"iwin_tiny", "scalablevit_base", "vitrail_swin_tiny"} <= set(ours.NAMES)
    entries = {name: timm.model_entrypoint(name) for name in timm.list_models()}
    assert {name for name, entry in entries.items() if entry.__module__ == ours.__name__} == set(ours.NAMES)
    elsewhere = {entry.__name__ for entry in entries.values() if entry.__module__ != ours.__name__}
    assert not elsewhere & set(ours.NAMES)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "spec"), HEADS)
def test_numbers_are_those_of_vitrail(name: str, spec: dict, size: tuple[int, int]) -> None:
    theirs, own = pair(name, **spec)
    x = picture(size)
    assert torch.equal(theirs(x), own(x))
    assert list(dict(theirs.named_parameters())) == list(dict(own.named_parameters()))
    for one, other in zip(theirs.forward_intermediates(x, intermediates_only=True), own.features(x), strict=True):
        assert torch.equal(one, other)


def test_starting_values_are_those_of_vitrail() -> None:
    torch.manual_seed(3)
    own = vitrail.create_model("iwin_nano", 7, (32, 48), drop_path=0.2)
    torch.manual_seed(3)
    theirs = timm.create_model("iwin_nano", num_classes=7, img_size=(32, 48), drop_path_rate=0.2)
    assert theirs.spec == own.spec and theirs.size == own.size
    assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in own.state_dict().items())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "spec"), HEADS)
def test_every_parameter_gets_a_gradient(name: str, spec: dict, size: tuple[int, int]) -> None:
    model = timm.create_model(name, num_classes=42, drop_path_rate=0.1, drop_rate=0.1, **spec).train()
    logits = model(picture(size))
    logits.mean().backward()
    assert logits.shape == (2, 42) and torch.isfinite(logits).all()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(("name", "spec"), HEADS)
def test_default_cfg_heads_and_pooling(name: str, spec: dict) -> None:
    model = timm.create_model(name, **spec).eval()
    keys, cfg = set(model.state_dict()), model.default_cfg
    x = picture(cfg["input_size"][-2:], 1)
    maps = model.forward_features(x)
    assert maps.shape == (1, *cfg["pool_size"], model.num_features) and model.output_fmt == "NHWC"
    before = model.forward_head(maps, pre_logits=True)
    assert before.shape == (1, model.head_hidden_size)
    assert model(x).shape == (1, cfg["num_classes"])
    assert model.get_classifier().out_features == cfg["num_classes"]
    model.reset_classifier(0)
    assert model.num_classes == 0 and torch.equal(model(x), before)
    model.reset_classifier(0, "")
    assert model(x).shape == (1, *cfg["pool_size"], model.head_hidden_size)
    assert timm.create_model(name, num_classes=0, **spec)(x).shape == before.shape
    bare = timm.create_model(name, num_classes=0, global_pool="", **spec)
    assert bare(x).shape == (1, *cfg["pool_size"], bare.head_hidden_size)
    assert f"{cfg['classifier']}.weight" in keys
    assert f"{cfg['first_conv']}.weight" in keys


def test_the_two_layer_head_is_named() -> None:
    model = timm.create_model("scalablevit_small", device="meta")
    assert f"{model.default_cfg['classifier']}.weight" in model.state_dict()
    assert model.head_hidden_size == 4096 and model.num_features == 512


@pytest.mark.parametrize(("name", "spec"), HEADS)
def test_reset_classifier(name: str, spec: dict) -> None:
    model = timm.create_model(name, num_classes=3, **spec).eval()
    x = picture((64, 64))
    kept = model.trunk.state_dict()
    for pool, width in (("max", 128), ("catavgmax", 256), ("avg", 128), ("avgmax", 128)):
        model.reset_classifier(6, pool)
        assert model(x).shape == (2, 6) and model.global_pool == pool and model.num_classes == 6
        assert model.pool(model.forward_features(x)).shape == (2, width)
        assert model.get_classifier().weight.std().item() == pytest.approx(0.02, rel=0.25)
        assert timm.create_model(name, num_classes=6, global_pool=pool, **spec)(x).shape == (2, 6)
    assert all(torch.equal(value, model.trunk.state_dict()[key]) for key, value in kept.items())
    with pytest.raises(InputError, match="global_pool='sum' is none of 'avg'"):
        model.reset_classifier(6, "sum")


@pytest.mark.parametrize("name", NANO)
def test_features_only(name: str) -> None:
    theirs, own = pair(name)
    model = timm.create_model(name, features_only=True, img_size=(64, 80)).eval()
    assert model.feature_info.channels() == WIDTHS and model.feature_info.reduction() == [4, 8, 16, 32]
    missing, unexpected = model.model.load_state_dict(theirs.state_dict(), strict=False)
    assert missing == [] and all(key.startswith(("norm.", "head.")) for key in unexpected)
    for size in SIZES:
        x = picture(size)
        for one, other, stride in zip(model(x), own.features(x), model.feature_info.reduction(), strict=True):
            assert torch.equal(one, other)
            assert one.shape[-2:] == tuple(math.ceil(side / stride) for side in size)


@pytest.mark.parametrize("name", NANO)
def test_some_features_only(name: str) -> None:
    model = timm.create_model(name, features_only=True, out_indices=(0, -2), in_chans=2).train()
    assert model.feature_info.channels() == [16, 64] and model.feature_info.reduction() == [4, 16]
    assert len(model.model.trunk.stages) == 3, "stages that no map comes from are left out"
    maps = model(picture((64, 64), channels=2))
    assert [tuple(m.shape) for m in maps] == [(2, 16, 16, 16), (2, 64, 4, 4)]
    sum(m.sum() for m in maps).backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []
    hooked = timm.create_model(name, features_only=True, feature_cls="hook", in_chans=2)
    assert hooked.output_fmt == "NHWC"
    assert [m.shape[-1] for m in hooked(picture((64, 64), channels=2))] == WIDTHS


def test_features_of_three_stages() -> None:
    spec = {"depths": (1, 1, 1), "heads": (1, 1, 2)}
    maps = timm.create_model("vitrail_swin_nano", features_only=True, **spec)
    assert maps.feature_info.channels() == [m.shape[1] for m in maps(picture((32, 32)))] == WIDTHS[:3]


@pytest.mark.parametrize("name", NANO)
def test_forward_intermediates(name: str) -> None:
    model = timm.create_model(name).eval()
    info = timm.models.FeatureInfo(model.feature_info, len(model.feature_info))
    x = picture((61, 97))
    last, maps = model.forward_intermediates(x)
    assert torch.equal(last, model.forward_features(x))
    for m, width, stride in zip(maps, info.channels(), info.reduction(), strict=True):
        assert m.shape == (2, width, math.ceil(61 / stride), math.ceil(97 / stride))
    for one, other in zip(
        model.forward_intermediates(x, output_fmt="NHWC", intermediates_only=True), maps, strict=True
    ):
        assert torch.equal(one.movedim(-1, 1), other)
    normed = model.forward_intermediates(x, norm=True, intermediates_only=True)
    assert torch.equal(normed[-1].movedim(1, -1), last) and torch.equal(normed[0], maps[0])
    assert torch.equal(model.forward_intermediates(x, indices=2, intermediates_only=True)[0], maps[2])
    ran = []
    model.trunk.stages[3].register_forward_hook(lambda *_: ran.append(3))
    early, some = model.forward_intermediates(x, indices=[0, -3], stop_early=True)
    assert ran == [] and torch.equal(early.movedim(-1, 1), some[-1]) and torch.equal(some[0], maps[0])
    for wrong in ([4], 5, []):
        with pytest.raises(InputError, match="there are 4 stages, 0 to 3"):
            model.forward_intermediates(x, indices=wrong)
    with pytest.raises(InputError, match="NCHW or NHWC"):
        model.forward_intermediates(x, output_fmt="NLC")


@pytest.mark.parametrize(("name", "spec"), HEADS)
def test_prune_intermediate_layers(name: str, spec: dict) -> None:
    model = timm.create_model(name, **spec).eval()
    x = picture((64, 64))
    wanted = model.forward_intermediates(x, indices=[0, 1], intermediates_only=True)
    assert model.prune_intermediate_layers([0, 1]) == [0, 1]
    assert model.num_features == model.head_hidden_size == 32 and model.num_classes == 0
    assert not any(key.startswith(("norm.", "head.", "trunk.stages.2")) for key in model.state_dict())
    for one, other in zip(model.forward_intermediates(x, intermediates_only=True), wanted, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(model(x).movedim(-1, 1), wanted[-1])


@pytest.mark.parametrize("name", NANO)
def test_checkpointing_changes_no_gradient(name: str) -> None:
    model = timm.create_model(name, num_classes=3).train()
    x, found = picture((48, 64)), []
    for enable in (False, True):
        model.zero_grad()
        model.set_grad_checkpointing(enable)
        assert all(stage.recompute is enable for stage in model.trunk.stages)
        model(x).square().mean().backward()
        found.append([parameter.grad.clone() for parameter in model.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("name", NANO)
def test_other_input_channels(name: str, channels: int) -> None:
    model = timm.create_model(name, in_chans=channels, num_classes=4)
    assert model.in_chans == channels and model(picture((64, 64), channels=channels)).shape == (2, 4)


@pytest.mark.parametrize(("name", "spec"), HEADS)
def test_timm_groups_parameters_as_vitrail_does(name: str, spec: dict) -> None:
    model = timm.create_model(name, **spec)
    layers = timm.models.group_parameters(model, model.group_matcher(), reverse=True)
    assert layers == {key: model.layer_of(key) for key, _ in model.named_parameters()}
    coarse = timm.models.group_parameters(model, model.group_matcher(coarse=True), reverse=True)
    assert coarse["trunk.stem.project.weight"] == 0 and coarse["trunk.stages.3.blocks.0.mix.norm.weight"] == 4
    assert model.no_weight_decay() <= set(layers)
    optimizer = create_optimizer_v2(model, "adamw", weight_decay=0.05, layer_decay=0.8)
    decayed = {p for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    assert not decayed & {dict(model.named_parameters())[key] for key in model.no_weight_decay()}


def test_a_tag_builds_what_its_weights_pin() -> None:
    model = timm.create_model("iwin_small.in1k_384", device="meta")
    row = WEIGHTS["iwin_small.in1k_384"]
    assert (model.spec, model.size) == (row.spec, (384, 384)) and model.spec.heads == (3, 4, 8, 16)
    assert model.default_cfg["input_size"] == (3, 384, 384) and model.default_cfg["pool_size"] == (12, 12)
    assert timm.create_model("iwin_small", device="meta").spec.heads == (3, 6, 12, 24)
    assert timm.create_model("vitrail_swin_base.in22k_224", device="meta").num_classes == 21841


def test_named_weights_of_iwin_tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRAIL_WEIGHTS", str(tmp_path))
    own = vitrail.create_model("iwin_tiny").eval()
    weights.save(tmp_path / "iwin_tiny.in1k_224.safetensors", own)
    model = timm.create_model("iwin_tiny", pretrained=True, features_only=True).eval()
    assert model.feature_info.channels() == [96, 192, 384, 768]
    x = picture((64, 97), 1)
    assert all(torch.equal(one, other) for one, other in zip(model(x), own.features(x), strict=True))


@pytest.mark.parametrize(("name", "spec"), HEADS)
def test_vitrails_files_load(name: str, spec: dict, tmp_path: Path) -> None:
    own = vitrail.create_model(ours.NAMES[name], 5, (64, 64), **spec).eval()
    file, x = tmp_path / "m.safetensors", picture((64, 64))
    weights.save(file, own, classes=list("abcde"))
    plain = timm.create_model(name, num_classes=5, img_size=64, checkpoint_path=str(file), **spec)
    overlay = {"pretrained_cfg_overlay": {"file": str(file)}, "pretrained": True, "img_size": 64}
    said = timm.create_model(name, **overlay)  # the file says its spec and classes
    loaded = timm.create_model(name, num_classes=5, img_size=64, **spec)
    assert vitrail.load_weights(loaded, file).missing == ()
    for model in (plain, said, loaded):
        assert torch.equal(model.eval()(x), own(x))
    new = timm.create_model(name, num_classes=7, **overlay)
    assert new(x).shape == (2, 7) and torch.equal(new.forward_features(x), own.norm(own.trunk(x)[-1]))
    grey = timm.create_model(name, in_chans=1, **overlay)
    key = grey.default_cfg["first_conv"] + ".weight"
    torch.testing.assert_close(grey.state_dict()[key], own.state_dict()[key].sum(1, keepdim=True))
    maps = timm.create_model(name, features_only=True, **overlay)(x)
    assert all(torch.equal(one, other) for one, other in zip(maps, own.features(x), strict=True))
    weights.save(tmp_path / "back.safetensors", loaded)
    again, _ = weights.open_model(tmp_path / "back.safetensors")
    assert torch.equal(again(x), own(x))


def test_timms_own_folder(tmp_path: Path) -> None:
    model = timm.create_model("vitrail_swin_nano", num_classes=3, depths=(1, 1, 1, 1)).eval()
    timm.models.save_for_hf(model, tmp_path)
    again = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    x = picture((48, 48))
    assert torch.equal(model(x), again(x))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("iwin_tiny", {"pretrained": True}, r"iwin_tiny\.in1k_224: not at .*iwin_tiny\.in1k_224\.safetensors"),
        ("iwin_nano", {"pretrained": True}, "No trained weights are known for iwin_nano; .*file"),
        ("iwin_nano", {"attn_drop_rate": 0.1}, "IwinSpec has no field 'attn_drop_rate'"),
        ("iwin_nano", {"img_size": 2}, "size=2"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    name: str, options: dict, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRAIL_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match=said) as caught:
        timm.create_model(name, **options)
    assert "\n" not in str(caught.value)
