"""Our models behind transformers' Auto classes, with local folders and no network."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import vitrail
from vitrail.data.settings import Preprocessing
from vitrail.data.transforms import for_use
from vitrail.errors import InputError

hf = pytest.importorskip("transformers")
ours = pytest.importorskip("vitrail.integrations.huggingface")

NANO = ["iwin_nano", "scalablevit_nano", "swin_nano"]
ALL = ["stage1", "stage2", "stage3", "stage4"]
SMALL = {"image_size": 64, "spec": {"depths": [1, 1, 1, 1]}}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def wrapped(name: str, num_classes: int = 5) -> tuple[torch.nn.Module, torch.nn.Module]:
    own = vitrail.create_model(name, num_classes, (64, 80), drop_path=0.1).eval()
    return own, ours.wrap(own, "abcde"[:num_classes] if not name.startswith("dense_") else ())


def same_bits(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Every parameter and buffer, those too that a file leaves out, and how they lie in memory."""
    mine, theirs = (dict([*m.named_parameters(), *m.named_buffers()]) for m in (one, other))
    return mine.keys() == theirs.keys() and all(
        torch.equal(value, theirs[key]) and value.stride() == theirs[key].stride() for key, value in mine.items()
    )


@pytest.mark.parametrize("name", NANO)
def test_a_saved_folder_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    own, model = wrapped(name)
    x = torch.randn(2, 3, 61, 97)
    assert torch.equal(model(x).logits, own(x))
    model.save_pretrained(tmp_path)
    again = hf.AutoModelForImageClassification.from_pretrained(tmp_path)
    assert type(again) is ours.VitrailForImageClassification and not again.training
    assert same_bits(own, again)
    torch.testing.assert_close(again(x).logits, own(x))
    assert again.config.id2label == {0: "a", 1: "b", 2: "c", 3: "d", 4: "e"} and again.config.label2id["c"] == 2
    assert (again.config.name, again.config.build(5).spec) == (name, own.spec)
    assert hf.AutoConfig.from_pretrained(tmp_path).to_dict() == again.config.to_dict()
    fresh = vitrail.create_model(name, 5, (64, 80), drop_path=0.1).eval()
    report = vitrail.load_weights(fresh, tmp_path / "model.safetensors")
    assert report.missing == report.unexpected == () and torch.equal(fresh(x), own(x))


@pytest.mark.parametrize("name", [*NANO, *(f"dense_{name}" for name in NANO)])
def test_backbones(name: str, tmp_path: Path) -> None:
    own, model = wrapped(name)
    model.save_pretrained(tmp_path)
    x = torch.randn(1, 3, 61, 97)
    dense = name.startswith("dense_")
    maps = own(x) if dense else own.features(x)
    some = ours.VitrailBackbone.from_pretrained(tmp_path, out_features=["stage2", "stage4"])
    assert some.channels == [32, 128] and some.out_indices == [2, 4]
    found = some(x).feature_maps
    torch.testing.assert_close(list(found), [maps[1], maps[3]])
    if dense:
        assert all(torch.equal(one, other) for one, other in zip(model(x).feature_maps, maps, strict=True))
    config = ours.VitrailConfig(name=name, out_features=["stem", "stage1"], image_size=[64, 80])
    early = hf.AutoBackbone.from_config(config).eval()
    early.load_state_dict(some.state_dict())
    ran = []
    early.trunk.stages[1].register_forward_hook(lambda *_: ran.append(1))
    stem, first = early(x).feature_maps
    assert early.channels == [16, 16] and torch.equal(first, maps[0]) and ran == []
    assert torch.equal(stem, own.trunk.stem(x).movedim(-1, 1))
    hidden = early(x, output_hidden_states=True).hidden_states
    assert ran == [1] and [m.shape[1] for m in hidden] == [16, 16, 32, 64, 128]
    assert isinstance(early(x, return_dict=False), tuple)


def test_a_folder_of_a_classifier_says_its_maps_to_a_larger_model(tmp_path: Path) -> None:
    """UPerNet of transformers on our maps: made, saved, loaded."""
    backbone = ours.VitrailConfig(name="swin_nano", out_features=ALL, **SMALL)
    config = hf.UperNetConfig(backbone_config=backbone, hidden_size=8, num_labels=3, use_auxiliary_head=False)
    model = hf.UperNetForSemanticSegmentation(config).eval()
    assert type(model.backbone) is ours.VitrailBackbone
    model.save_pretrained(tmp_path)
    again = hf.UperNetForSemanticSegmentation.from_pretrained(tmp_path)
    assert same_bits(model, again)
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(model(x).logits, again(x).logits)
    assert again.config.backbone_config.spec == backbone.spec


@pytest.mark.parametrize("name", NANO)
def test_starting_values_are_those_of_vitrail(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    own = vitrail.create_model(name, 3, (64, 64), depths=(1, 1, 1, 1))
    torch.manual_seed(1)
    config = ours.VitrailConfig(name=name, num_labels=3, **SMALL)
    model = hf.AutoModelForImageClassification.from_config(config)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in own.state_dict().items())
    model.save_pretrained(tmp_path)
    torch.manual_seed(2)
    other = hf.AutoModelForImageClassification.from_pretrained(tmp_path, num_labels=40, ignore_mismatched_sizes=True)
    assert other.head.weight.shape == (40, 128) and not other.head.bias.any()
    assert other.head.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert all(torch.equal(v, own.state_dict()[k]) for k, v in other.state_dict().items() if not k.startswith("head."))


@pytest.mark.parametrize("name", NANO)
def test_loss_gradients_and_recomputing(name: str) -> None:
    config = ours.VitrailConfig(name=name, num_classes=3, **SMALL)
    model = ours.VitrailForImageClassification(config).train()
    x, labels, found = torch.randn(4, 3, 61, 75), torch.tensor([0, 2, 1, 1]), []
    for recompute in (False, True):
        model.zero_grad()
        if recompute:
            model.activation_checkpointing_enable()
        assert model.gradient_checkpointing is recompute
        out = model(x, labels=labels)
        assert out.loss.item() == pytest.approx(F.cross_entropy(out.logits, labels).item())
        out.loss.backward()
        found.append([parameter.grad.clone() for parameter in model.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_pictures_become_the_same_numbers(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 91, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "picture.png")
    wrapped("swin_nano")[1].save_pretrained(tmp_path)
    for share, size in ((0.875, (64, 64)), (None, (48, 80))):
        settings = Preprocessing(share, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.3, 0.1))
        sides = {"height": size[0], "width": size[1]}
        ours.VitrailImageProcessor(sides, share, "bilinear", settings.mean, settings.std).save_pretrained(tmp_path)
        processor = hf.AutoImageProcessor.from_pretrained(tmp_path)
        assert processor.settings == settings
        wanted = for_use(size, settings)(image)
        for given in (image, pixels, torch.from_numpy(pixels).permute(2, 0, 1), tmp_path / "picture.png"):
            assert torch.equal(processor(given, return_tensors="pt")["pixel_values"], wanted[None])
        assert torch.equal(processor([image, pixels], return_tensors="pt")["pixel_values"][1], wanted)
    with pytest.raises(InputError, match="uint8 pixels are wanted"):
        processor(pixels / 255)


def test_the_pipeline_of_transformers(tmp_path: Path) -> None:
    own, model = wrapped("iwin_nano")
    model.save_pretrained(tmp_path)
    ours.VitrailImageProcessor({"height": 64, "width": 80}).save_pretrained(tmp_path)
    image = Image.effect_noise((90, 75), 60).convert("RGB")
    (best, *_) = hf.pipeline("image-classification", model=str(tmp_path), device="cpu")(image)
    shares = own(for_use((64, 80), Preprocessing())(image)[None]).softmax(1)[0]
    assert best["label"] == "abcde"[shares.argmax()] and best["score"] == pytest.approx(shares.max().item())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "iwin_nanno"}, "No model for pictures is called 'iwin_nanno'. Nearest: iwin_nano"),
        ({"spec": {"windw": 7}}, "IwinSpec has no field 'windw'"),
        ({"name": "swin_nano", "spec": {"heads": [1, 2]}}, "2 entries; 4 stages need 4"),
    ],
)
def test_a_config_that_is_wrong_is_one_line(fields: dict, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        ours.VitrailConfig(**fields)
    assert "\n" not in str(caught.value)


def test_what_they_cannot_be_is_one_line() -> None:
    with pytest.raises(InputError, match="dense_iwin_nano has no classes; iwin_nano has"):
        ours.VitrailForImageClassification(ours.VitrailConfig(name="dense_iwin_nano"))
    with pytest.raises(InputError, match="2 names came for the 5 classes of iwin_nano"):
        ours.wrap(vitrail.create_model("iwin_nano", 5), ["a", "b"])
    with pytest.raises(InputError, match="none of vitrail's own"):
        ours.wrap(vitrail.create_model("torchvision/resnet18", 5, (64, 64)))
