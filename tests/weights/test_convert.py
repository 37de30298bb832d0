"""What a conversion recognises, asks for, changes and refuses."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

import originals
import vitrail
from vitrail.errors import InputError
from vitrail.layers.relative import resize_table
from vitrail.weights import load_weights, open_model, read, save
from vitrail.weights.convert import Wanted, convert
from vitrail.weights.formats import LAYOUTS, to_release
from vitrail.weights.recognise import name_of, recognise, show

SMALL = {"dim": 8, "depths": (1, 1, 1, 1)}


def released(tmp_path, name="swin_nano", classes=5, size=(224, 224), **more):
    """A release's file of a small network, and the network."""
    model = originals.fill(vitrail.create_model(name, classes, size, **{**SMALL, **more}))
    torch.save({"model": LAYOUTS["release"].write(model)}, tmp_path / "in.pth")
    return tmp_path / "in.pth", model


def test_every_variant_of_the_catalogue_is_known_by_its_shapes():
    """The name, and all that its shapes show, from the keys of each named classifier alone."""
    from vitrail.models.catalogue import FAMILIES

    for family in FAMILIES:
        for name, spec in family.VARIANTS.items():
            if name.endswith("_nano"):
                continue
            with torch.device("meta"):
                model = vitrail.create_model(name, 11)
            found = recognise(to_release(model))
            assert found is not None and found.kind is type(spec), name
            shown = show(found)
            assert shown.classes == 11 and not shown.dense
            for key, value in shown.fields.items():
                if key not in ("conv_stages", "kernels"):
                    assert getattr(spec, key) == value, (name, key)
            like = {"iwin_small_released": "iwin_small"}.get(name, name)
            assert name_of(found.kind, shown.fields, False) == like


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("swin_nano", {"in_channels": 1, "mlp_ratio": 2.0, "qkv_bias": False}, {}),
        ("swin_nano", {"position": "both"}, {}),
        ("swin_nano", {"position": "bias_only"}, {}),
        ("iwin_nano", {"kernels": (5, 3, 3, 3)}, {"heads": (1, 2, 4, 8)}),
        ("iwin_nano", {"down": "depthwise"}, {"heads": (1, 2, 4, 8)}),
        ("iwin_nano", {"down": "average", "position": "absolute"}, {"heads": (1, 2, 4, 8)}),
        ("iwin_nano", {"down": "merge", "position": "relative"}, {}),
        ("scalablevit_nano", {"depths": (2, 2, 2, 2)}, {"heads": (1, 2, 4, 8), "ratios": (1.25, 1.25, 1.25, 1.0)}),
    ],
)
def test_structure_follows_from_shapes(name, more, told, tmp_path):
    more = {"heads": (1, 2, 4, 8), **more}
    source, model = released(tmp_path, name, **more)
    convert(source, tmp_path / "out.safetensors", Wanted(fields=told))
    again, _ = open_model(tmp_path / "out.safetensors")
    x = torch.randn(1, model.spec.in_channels, 224, 224)
    with torch.no_grad():
        assert torch.equal(model(x), again(x))


def test_heads_that_nothing_shows_are_asked_for(tmp_path):
    with torch.device("meta"):
        small = vitrail.create_model("iwin_small", 1000)
    state = {key: torch.zeros(value.shape, dtype=torch.bfloat16) for key, value in to_release(small).items()}
    save_file(state, tmp_path / "in.safetensors")
    line = r"No shape shows the heads .* --as one of 'iwin_small.in1k_224' \(heads 3, 4, 8, 16\)"
    with pytest.raises(InputError, match=line) as caught:
        convert(tmp_path / "in.safetensors", tmp_path / "out.safetensors")
    assert "\n" not in str(caught.value) and "'iwin_small.in22k_224' (heads 3, 6, 12, 24)" in str(caught.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_row_gives_heads_licence_preprocessing_and_its_number(tmp_path, monkeypatch):
    from vitrail.models import catalogue
    from vitrail.models.spec import Trained
    from vitrail.weights import convert as module

    source, model = released(tmp_path, "iwin_nano", heads=(1, 2, 2, 4))
    row = Trained(model.spec, (224, 224), 5)
    monkeypatch.setitem(catalogue.WEIGHTS, "iwin_nano.in1k_224", row)
    monkeypatch.setitem(module.origins.ORIGINS, "iwin_nano.in1k_224", module.origins.Origin("page", "MIT", None, 12.5))
    report = convert(source, tmp_path / "out.safetensors", Wanted(named="iwin_nano.in1k_224"))
    again, document = open_model(tmp_path / "out.safetensors")
    assert again.spec.heads == (1, 2, 2, 4) and report["licence"] == document["licence"] == "MIT"
    assert document["measured"]["top1"] == 12.5 and document["preprocessing"]["share"] == 0.875
    convert(tmp_path / "out.safetensors", tmp_path / "wide.safetensors", Wanted(size=(256, 256)))
    assert "measured" not in open_model(tmp_path / "wide.safetensors")[1]
    with pytest.raises(InputError, match=r"shapes show dim=8; iwin_tiny has dim=96"):
        convert(source, tmp_path / "other.safetensors", Wanted(named="iwin_tiny"))


def test_a_window_change_resizes_tables_and_is_recorded(tmp_path):
    source, model = released(tmp_path, depths=(2, 1, 1, 1))  # one block that shifts, whose mask shows the size
    report = convert(source, tmp_path / "out.safetensors", Wanted(size=(384, 384), window=12))
    again, document = open_model(tmp_path / "out.safetensors")
    assert again.size == (384, 384) and document["spec"]["window"] == 12
    assert report["changes"] == document["changes"]
    assert [change.split()[0] for change in report["changes"]] == ["size", "window", "5"]
    key = "trunk.stages.1.blocks.0.mix.body.bias.table"
    expected = resize_table(model.state_dict()[key], (7, 7), (12, 12))
    assert torch.equal(again.state_dict()[key], expected)
    convert(tmp_path / "out.safetensors", tmp_path / "timm.safetensors", Wanted(to="timm"))
    assert (
        load_file(tmp_path / "timm.safetensors")["layers.0.blocks.0.attn.relative_position_bias_table"].shape[0] == 529
    )


def test_tables_that_are_not_square_are_resized_from_their_own_window(tmp_path):
    """timm's clamped windows: 4 x 7 in a stage of this size."""
    torch.save(originals.timm_swin((64, 300)).state_dict(), tmp_path / "in.pth")
    convert(tmp_path / "in.pth", tmp_path / "a.safetensors", Wanted(size=(64, 300)))
    convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors", Wanted(size=(224, 224)))
    a, b = (open_model(tmp_path / f"{name}.safetensors")[0].state_dict() for name in "ab")
    key = "trunk.stages.2.blocks.0.mix.body.bias.table"
    assert torch.equal(b[key], resize_table(a[key], (4, 7), (7, 7)))


def test_rows_of_the_22k_head_become_the_1k_head(tmp_path, shared_data):
    rows = [int(line) for line in (shared_data / "imagenet" / "map22kto1k.txt").read_text().split()]
    source, model = released(tmp_path, classes=21841, size=(224, 224))
    wanted = Wanted(rows=rows, rows_from="map22kto1k.txt")
    report = convert(source, tmp_path / "out.safetensors", wanted)
    again, _ = open_model(tmp_path / "out.safetensors")
    assert again.num_classes == report["classes"] == len(rows) == 1000
    for k in (0, 1, 999):
        assert torch.equal(again.head.weight[k], model.head.weight[rows[k]])
        assert torch.equal(again.head.bias[k], model.head.bias[rows[k]])
    assert report["changes"] == ["classes 21841 -> 1000, rows picked by map22kto1k.txt"]


def test_what_a_head_cannot_give(tmp_path):
    source, _ = released(tmp_path)
    for wanted, said in (
        (Wanted(rows=[5], rows_from="r.txt"), "r.txt: row 5 of a head with 5 classes"),
        (Wanted(rows=[], rows_from="r.txt"), "no rows"),
        (Wanted(classes=("a", "b")), "2 names for 5 classes"),
        (Wanted(to="tim"), "No layout is called 'tim'. Nearest: timm"),
        (Wanted(named="swin_tny"), "Nearest: swin_tiny"),
        (Wanted(named="scalablevit_small"), "is Swin in the release's names; scalablevit_small is ScalableViT"),
        (Wanted(fields={"heads": (2, 2, 4, 8)}, named="swin_nano"), "show dim=8; swin_nano has dim=16"),
    ):
        with pytest.raises(InputError, match=said):
            convert(source, tmp_path / "out.safetensors", wanted)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_moving_average_and_module_before_names_are_taken_off(tmp_path):
    source, model = released(tmp_path)
    state = torch.load(source)["model"]
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}, "x": 1}, source)
    report = convert(source, tmp_path / "out.safetensors")
    assert report["taken"] == "state_dict module."
    torch.save({"model_ema": state, "epoch": 3}, source)
    assert convert(source, tmp_path / "out.safetensors")["taken"] == "model_ema"
    assert torch.equal(open_model(tmp_path / "out.safetensors")[0].head.weight, model.head.weight)


def test_one_recogniser_serves_load_weights():
    """The same state dicts load into a network of ours; another family is refused by name."""
    x = torch.randn(1, 3, 224, 224)
    for theirs in (originals.timm_swin(), originals.torchvision_swin(), originals.hugging_face_swin()):
        ours = vitrail.create_model("swin_tiny", 5, **originals.SHAPE)
        report = load_weights(ours, theirs.state_dict())
        assert not report.missing and not report.unexpected
        with torch.no_grad():
            y = theirs(x)
            torch.testing.assert_close(ours.eval()(x), getattr(y, "logits", y), rtol=0, atol=1e-5)
    other = vitrail.create_model("iwin_nano", 5)
    with pytest.raises(InputError, match="The file is Swin in transformers' state_dict names; iwin_nano is Iwin"):
        load_weights(other, theirs.state_dict())
    backbone = vitrail.create_model("dense_swin_tiny", **originals.SHAPE)
    report = load_weights(backbone, originals.mm_swin(), partial=True)
    assert not report.missing and {key.split(".")[0] for key in report.unexpected} == {"rpn_head", "roi_head"}


def test_in_and_out_are_two_files(tmp_path):
    source, _ = released(tmp_path)
    convert(source, tmp_path / "ours.safetensors")
    before = (tmp_path / "ours.safetensors").read_bytes()
    for target, said in (
        (tmp_path / "ours.safetensors", "is the file that is read"),
        (tmp_path / "ours.pth", r"ends in \.safetensors"),
        (tmp_path / "none" / "x.safetensors", "no folder"),
    ):
        with pytest.raises(InputError, match=said):
            convert(tmp_path / "ours.safetensors", target)
    assert (tmp_path / "ours.safetensors").read_bytes() == before


def test_a_layout_without_a_place_says_so(tmp_path):
    _, model = released(tmp_path, "iwin_nano")
    save(tmp_path / "iwin.safetensors", model)
    for to in ("timm", "mm"):
        with pytest.raises(InputError, match="has no place for trunk.stem.project.weight of iwin_nano"):
            convert(tmp_path / "iwin.safetensors", tmp_path / "x.pth", Wanted(to=to))
    assert not (tmp_path / "x.pth").exists()


def test_tensors_that_nobody_uses_stay_out_of_the_network(tmp_path):
    torch.save(originals.hugging_face_swin("SwinBackbone").state_dict(), tmp_path / "in.pth")
    convert(tmp_path / "in.pth", tmp_path / "ours.safetensors")
    assert not any("layernorm" in key for key in read(tmp_path / "ours.safetensors")[0])
    assert any("layernorm" in key for key in read(tmp_path / "ours.safetensors", beside=True)[0])
    model, _ = open_model(tmp_path / "ours.safetensors")
    load_weights(model, tmp_path / "ours.safetensors")
