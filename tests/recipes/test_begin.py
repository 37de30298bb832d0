"""What models begin from: detectors and segmenters weights of their backbone, too, models of clips a picture's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import boxed
from vitrail import weights
from vitrail.errors import InputError
from vitrail.models.assemble import Network
from vitrail.models.catalogue import create_model
from vitrail.recipes.begin import begin_from
from vitrail.recipes.find import find
from vitrail.recipes.overrides import apply
from vitrail.weights.formats import LAYOUTS, release_keys, to_release

NAMES = ["blue", "green", "red"]
BODY = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 2}
REGIONS = {"channels": 16, "width": 16}
SPECS: dict[str, dict[str, Any]] = {
    "retinanet_swin_nano": {**BODY, "channels": 16, "tower": 1},
    "mask_rcnn_iwin_nano": {**BODY, **REGIONS},
    "cascade_mask_rcnn_swin_nano": {**BODY, **REGIONS},
    "upernet_swin_nano": {**BODY, "channels": 16},
    "semantic_fpn_iwin_nano": {**BODY, "pyramid": 16, "channels": 16},
    "retinanet_timm/resnet10t": {"channels": 16, "tower": 1},
}


def make(name: str, classes: int = 3, seed: int = 1, **more: Any) -> Network:
    """Every parameter and statistic is a number of its own, so that one that stays behind is seen."""
    torch.manual_seed(seed)
    model = create_model(name, classes, (64, 64), **{**SPECS.get(name, BODY), **more})
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.normal_().abs_()
    return model


def saved(path: Path, model: Network, **document: Any) -> str:
    weights.save(path, model, classes=NAMES[: model.num_classes], **document)
    return str(path)


def keep(state: dict[str, Tensor], path: Path) -> None:
    """As anybody would: without a word on what it is."""
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def changed(model: Network, act: Callable[[], object]) -> set[str]:
    before = copy.deepcopy(model.state_dict())
    act()
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}


def floats(model: Network) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_file_of_its_kind_gives_everything_but_other_classes(tmp_path: Path, name: str) -> None:
    given = make(name)
    file = saved(tmp_path / "given.safetensors", given)
    model = make(name, seed=2)
    assert "all heads kept" in begin_from(model, file, NAMES)
    assert all(torch.equal(tensor, floats(model)[key]) for key, tensor in floats(given).items())
    # what has another shape with another number of classes counts them
    shapes = [{key: tensor.shape for key, tensor in floats(make(name, classes)).items()} for classes in (3, 5)]
    counting = {key for key in shapes[0] if shapes[0][key] != shapes[1][key]}
    for classes in (["red", "green", "blue"], ["a", "b", "c", "d", "e"]):
        model = make(name, len(classes), seed=2)
        said: list[str] = []
        moved = changed(model, lambda: said.append(begin_from(model, file, classes)))  # noqa: B023
        assert "what counts classes begins anew" in said[0]
        assert moved == floats(model).keys() - counting and counting
        assert all(torch.equal(floats(given)[key], floats(model)[key]) for key in moved)


@pytest.mark.parametrize("name", ["cascade_mask_rcnn_swin_nano", "retinanet_swin_nano", "upernet_swin_nano"])
def test_a_classifier_gives_its_trunk(tmp_path: Path, name: str) -> None:
    given = make("swin_nano")
    model = make(name, seed=2, window=4)  # larger windows than the classifier's
    said: list[str] = []
    moved = changed(model, lambda: said.append(begin_from(model, saved(tmp_path / "c.safetensors", given), NAMES)))
    assert "neck and heads, and output norms, begin anew" in said[0] and "4 tables resized" in said[0]
    trunk = {key for key in floats(model) if key.startswith("backbone.trunk.")}
    assert moved == trunk
    for key in trunk:
        theirs = given.state_dict()[key.removeprefix("backbone.")]
        assert key.endswith("bias.table") or torch.equal(model.state_dict()[key], theirs), key


def test_iwins_convolutions_come_and_go_with_the_size(tmp_path: Path) -> None:
    """A small classifier has none in its third stage, a large one has some in its last; dense backbones the reverse."""
    few = make("iwin_nano", window=(4, 4, 4, 2))
    all_over = make("iwin_nano", conv_stages=(0, 1, 2, 3))
    for given, part in (
        (few, "2 tensors of new convolutions begin anew"),
        (all_over, "2 tensors of convolutions that"),
    ):
        model = make("mask_rcnn_iwin_nano", seed=2)
        line = begin_from(model, saved(tmp_path / "iwin.safetensors", given), NAMES)
        assert part in line, line
        theirs = to_release(given)
        ours = release_keys(model.backbone)  # type: ignore[arg-type]
        state = model.backbone.state_dict()  # type: ignore[union-attr]
        for name, key in ours.items():
            if name.startswith("trunk.") and key.name in theirs:
                assert torch.equal(key.write(state[name])[key.name], theirs[key.name]), name


def test_a_backbone_keeps_its_output_norms_whatever_stood_on_it(tmp_path: Path) -> None:
    for name in ("dense_swin_nano", "cascade_mask_rcnn_swin_nano", "upernet_swin_nano"):
        given = make(name)
        model = make("retinanet_swin_nano", seed=2)
        line = begin_from(model, saved(tmp_path / "given.safetensors", given), NAMES)
        assert "neck and heads begin anew" in line
        inner = getattr(given, "backbone", given)
        mine = model.backbone.state_dict()  # type: ignore[union-attr]
        assert all(torch.equal(tensor, mine[key]) for key, tensor in inner.state_dict().items())


def test_files_in_others_names_are_taken_by_what_they_hold(tmp_path: Path) -> None:
    classifier, whole = make("swin_nano"), make("cascade_mask_rcnn_swin_nano")
    keep(to_release(classifier), tmp_path / "classifier.safetensors")
    model = make("cascade_mask_rcnn_swin_nano", seed=2)
    assert "neck and heads" in begin_from(model, str(tmp_path / "classifier.safetensors"), NAMES)
    assert torch.equal(model.backbone.trunk.stem.project.weight, classifier.trunk.stem.project.weight)  # type: ignore[union-attr]
    keep(LAYOUTS["release"].write(whole), tmp_path / "whole.safetensors")
    assert "what counts classes begins anew" in begin_from(model, str(tmp_path / "whole.safetensors"), NAMES)
    assert torch.equal(model.rpn.state_dict()["conv.weight"], whole.rpn.state_dict()["conv.weight"])  # type: ignore[operator]
    keep(to_release(make("iwin_nano")), tmp_path / "iwin.safetensors")
    with pytest.raises(InputError, match="say what it was trained as"):  # nothing in it shows the heads
        begin_from(make("mask_rcnn_iwin_nano"), str(tmp_path / "iwin.safetensors"), NAMES)


def test_another_librarys_backbone_takes_its_classifier(tmp_path: Path) -> None:
    name = "timm/resnet10t"
    given = create_model(name, 3, (64, 64))
    files = [tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors", tmp_path / "dense.safetensors"]
    saved(files[0], given)
    inside = {key.removeprefix("model."): tensor for key, tensor in given.state_dict().items()}
    keep(inside, files[1])
    dense = create_model(f"dense_{name}", 0, (64, 64))
    dense.load_state_dict({k: v for k, v in given.state_dict().items() if ".fc." not in k})
    weights.save(files[2], dense)
    for file in files:
        model = create_model(f"faster_rcnn_{name}", 3, (64, 64), **REGIONS)
        assert "neck and heads begin anew" in begin_from(model, str(file), NAMES)
        mine = model.backbone.state_dict()  # type: ignore[union-attr]
        assert all(torch.equal(tensor, mine[key]) for key, tensor in given.state_dict().items() if ".fc." not in key)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("retinanet_swin_nano", ("swin_nano", {"depths": (1, 1, 2, 1)}), "trained with depths="),
        ("retinanet_swin_nano", ("swin_nano", {"heads": (1, 2, 2, 2)}), "trained with heads="),
        ("retinanet_swin_nano", ("iwin_nano", {}), "holds iwin_nano, which has no backbone of retinanet_swin_nano"),
        ("retinanet_swin_nano", ("timm/resnet10t", None), "has no backbone of retinanet_swin_nano"),
        ("retinanet_swin_nano", ("retinanet_swin_nano", {"channels": 24}), "another width, depth"),
        ("retinanet_swin_nano", ("retinanet_swin_nano", {"tower": 2}), "0 tensors missing, 4 left over"),
        ("mask_rcnn_iwin_nano", ("mask_rcnn_swin_nano", REGIONS), "holds mask_rcnn_swin_nano, which has no"),
        ("retinanet_timm/resnet10t", ("swin_nano", {}), "is not the weights of dense_timm/resnet10t"),
        ("retinanet_timm/resnet10t", ("timm/resnet18", None), "dense_timm/resnet10t"),
    ],
)
def test_what_does_not_fit_is_said_and_leaves_the_model_alone(
    tmp_path: Path, name: str, given: tuple[str, dict | None], said: str
) -> None:
    source = create_model(given[0], 3, (64, 64)) if given[1] is None else make(given[0], **given[1])
    file, model = saved(tmp_path / "given.safetensors", source), make(name, seed=2)
    moved: set[str] = set()

    def begin() -> None:
        with pytest.raises(InputError, match=said) as caught:
            begin_from(model, file, NAMES)
        assert file in str(caught.value) and "\n" not in str(caught.value)

    moved = changed(model, begin)
    assert not moved or "left over" in said


def test_a_run_of_boxes_goes_on_from_another(tmp_path: Path) -> None:
    from vitrail.recipes import run

    data = boxed.coco(tmp_path / "data")
    short = ["epochs=1", "batch=2", "preprocessing.resize.least=32", "preprocessing.resize.most=32"]
    short += ["augment.resize.least=32", "augment.resize.most=48", f"data.path={data}"]
    spec = [f"model.overrides.{key}={value}" for key, value in {**BODY, "channels": 16, "tower": 1}.items()]
    options = run.Options("cpu", workers=0)
    assert run.train(apply(find("finetune_boxes"), [*short, *spec, "model.size=64"]), tmp_path / "one", options)
    recipe = apply(find("finetune_boxes"), [*short, f"weights={tmp_path / 'one'}", "groups.frozen=5"])
    assert run.train(recipe, tmp_path / "two", options)
    one, two = (weights.open_model(tmp_path / name / "model.safetensors")[0] for name in ("one", "two"))
    assert two.name == "retinanet_iwin_nano" and two.spec == one.spec
    trunk = {key: tensor for key, tensor in one.state_dict().items() if key.startswith("backbone.trunk.")}
    assert all(torch.equal(tensor, two.state_dict()[key]) for key, tensor in trunk.items())
    assert not torch.equal(one.state_dict()["head.deltas.weight"], two.state_dict()["head.deltas.weight"])


CLIPS: dict[str, dict[str, Any]] = {
    "video_iwin_nano": {**BODY, "frames": 8},
    "video_swin_nano": {**BODY, "frames": 8, "window": (2, 2, 2)},
}


def clips(name: str, classes: int = 3, seed: int = 2, **more: Any) -> Network:
    return make(name, classes, seed, **{**CLIPS[name], **more}).eval()


@pytest.mark.parametrize("name", sorted(CLIPS))
@torch.no_grad()
def test_clips_begin_as_a_picture_is_seen(tmp_path: Path, name: str) -> None:
    given = make(name.removeprefix("video_")).eval()
    for tensor in given.state_dict().values():
        tensor.mul_(0.3)
    model = clips(name)
    head = {key: tensor.clone() for key, tensor in model.state_dict().items() if key.startswith("head.")}
    line = begin_from(model, saved(tmp_path / "given.safetensors", given), NAMES)
    assert f"each frame is seen as by {given.name}, and the head begins anew" in line
    assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in head.items())
    x = torch.randn(2, 3, 64, 64)
    still = model.features(x[:, :, None].expand(-1, -1, 8, -1, -1))
    for expected, found in zip(given.features(x), still, strict=True):
        torch.testing.assert_close(found, expected[:, :, None].expand_as(found), rtol=1e-4, atol=1e-4)
    if "swin" in name:  # a release's file shows what it is
        keep(to_release(given), tmp_path / "theirs.safetensors")
        again = clips(name, seed=3)
        assert "each frame is seen" in begin_from(again, str(tmp_path / "theirs.safetensors"), NAMES)
        assert torch.equal(again.trunk.stem.project.weight, model.trunk.stem.project.weight)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(CLIPS))
def test_clips_begin_from_clips_of_another_length(tmp_path: Path, name: str) -> None:
    given = clips(name, seed=1)
    file = saved(tmp_path / "given.safetensors", given)
    model = clips(name)
    line = begin_from(model, file, NAMES)
    assert "the head kept" in line and "resized" not in line
    assert all(torch.equal(a, b) for a, b in zip(given.parameters(), model.parameters(), strict=True))
    other = {"video_iwin_nano": {"frames": 16}, "video_swin_nano": {"frames": 16, "window": (4, 2, 2)}}[name]
    tables = {
        "video_iwin_nano": {"trunk.stem.time.table"},
        "video_swin_nano": {n for n in floats(model) if "table" in n},
    }
    for classes, head in ((NAMES, "the head kept"), (["a", "b", "c", "d"], "the head begins anew")):
        model = clips(name, len(classes), **other)
        said: list[str] = []
        moved = changed(model, lambda: said.append(begin_from(model, file, classes)))  # noqa: B023
        assert head in said[0] and f"{len(tables[name])} tables resized" in said[0]
        assert {key for key in floats(model) if key.startswith("head.")}.isdisjoint(moved) == (classes != NAMES)
        for key in moved - tables[name]:
            assert torch.equal(model.state_dict()[key], given.state_dict()[key]), key


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("video_iwin_nano", ("iwin_nano", {"heads": (1, 1, 1, 2)}), "iwin_nano has heads="),
        ("video_iwin_nano", ("swin_nano", {}), "begins from a network with a IwinSpec; swin_nano is another"),
        ("video_iwin_nano", ("retinanet_iwin_nano", {"channels": 16, "tower": 1}), "retinanet_iwin_nano is another"),
        ("video_swin_nano", ("video_iwin_nano", CLIPS["video_iwin_nano"]), "video_iwin_nano is another"),
        ("video_swin_nano", ("timm/resnet10t", None), "timm/resnet10t is another"),
        ("video_iwin_nano", ("video_iwin_nano", {"frames": 8, "time": "kernel"}), "trained with time=kernel"),
        ("video_iwin_nano", ("iwin_nano", {"conv_stages": (0, 1, 2, 3)}), "video_iwin_nano has nothing for"),
    ],
)
def test_what_no_clips_begin_from_is_said(tmp_path: Path, name: str, given: tuple[str, dict | None], said: str) -> None:
    source = create_model(given[0], 3, (64, 64)) if given[1] is None else make(given[0], **given[1])
    file, model = saved(tmp_path / "given.safetensors", source), clips(name)

    def begin() -> None:
        with pytest.raises(InputError, match=said) as caught:
            begin_from(model, file, NAMES)
        assert "\n" not in str(caught.value)

    assert not changed(model, begin)


def test_a_run_of_clips_goes_on_from_pictures_and_from_clips(tmp_path: Path) -> None:
    from vitrail.recipes import run

    short = ["epochs=1", "batch=4", "data.kind=moving", "data.count=24", "data.frames=6", "augment.crop=none"]
    short += ["preprocessing.sampling.length=4", "preprocessing.sampling.interval=1"]
    options = run.Options("cpu", workers=0)
    picture = create_model("iwin_nano", 3, (32, 32), **BODY)
    file = saved(tmp_path / "picture.safetensors", picture, preprocessing={"mean": (0.1, 0.2, 0.3)})
    assert run.train(apply(find("finetune_clips"), [*short, f"weights={file}"]), tmp_path / "one", options)
    frozen = apply(find("finetune_clips"), [*short, f"weights={tmp_path / 'one'}", "groups.frozen=5"])
    assert run.train(frozen, tmp_path / "two", options)
    one, two = (weights.open_model(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert one[0].input_size == two[0].input_size == (4, 32, 32)
    assert one[1]["preprocessing"] == two[1]["preprocessing"] and one[1]["preprocessing"]["mean"] == [0.1, 0.2, 0.3]
    trunk = {key: tensor for key, tensor in one[0].state_dict().items() if key.startswith("trunk.")}
    assert all(torch.equal(tensor, two[0].state_dict()[key]) for key, tensor in trunk.items())
    assert not torch.equal(one[0].state_dict()["head.fc.weight"], two[0].state_dict()["head.fc.weight"])
