from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

import vitrail
from vitrail.errors import InputError
from vitrail.models import iwin, swin
from vitrail.models.spec import Trained
from vitrail.weights import load_weights, open_model, save
from vitrail.weights.formats import to_release

SMALL = {"dim": 8, "depths": (1, 2), "heads": (1, 2), "mlp_ratio": 2.0}


def swin_model(**more):
    return vitrail.create_model("swin_nano", 3, **{"size": (32, 32), "window": 4, **SMALL, **more})


def iwin_model(**more):
    return vitrail.create_model("iwin_nano", 3, **{"size": (32, 32), "window": 4, "kernels": (3, 3), **SMALL, **more})


def untouched(model):
    """A check that loading left a model as it was."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    return lambda: all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_our_names_from_a_dict_and_a_wrapper():
    source, target = swin_model(), swin_model()
    report = load_weights(target, {"model": source.state_dict(), "epoch": 3})
    assert report.layout == "our"
    assert torch.equal(target.head.weight, source.head.weight)


def test_heads_that_a_file_does_not_show_must_be_named():
    model = vitrail.create_model("iwin_small", size=64)
    state = to_release(model)
    with pytest.raises(InputError, match=r"does not show the heads.*'iwin_small.in1k_224' \(heads 3, 4, 8, 16\)"):
        load_weights(model, state)
    with pytest.raises(InputError, match=r"trained with heads=\(3, 4, 8, 16\), iwin_small has heads=\(3, 6, 12, 24\)"):
        load_weights(model, state, trained_as="iwin_small.in1k_224")
    load_weights(model, state, trained_as="iwin_small.in22k_224", new_window=True)


def test_heads_that_a_bias_table_shows_need_no_name():
    load_weights(swin_model(), to_release(swin_model()))


def test_our_file_says_its_heads(tmp_path):
    save(tmp_path / "a.safetensors", iwin_model())
    load_weights(iwin_model(), tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"heads=\(1, 2\).*heads=\(2, 4\)"):
        load_weights(iwin_model(heads=(2, 4)), tmp_path / "a.safetensors")


def test_another_window_is_resized_when_asked():
    source, target = swin_model(), swin_model(size=(48, 48), window=6)
    intact = untouched(target)
    with pytest.raises(InputError, match="a table of window 4.*pass new_window=True"):
        load_weights(target, to_release(source))
    assert intact()
    report = load_weights(target, to_release(source), new_window=True)
    assert len(report.resized) == 3
    again = load_weights(swin_model(size=(48, 48), window=6), target.state_dict())
    assert not again.resized


def test_a_window_that_no_tensor_shows_is_still_noticed():
    source, target = iwin_model(), iwin_model(window=2)
    with pytest.raises(InputError, match="trained with windows 4x4, iwin_nano at .* has 2x2; .*new_window=True"):
        load_weights(target, to_release(source), trained_as=source, partial=True)
    load_weights(target, to_release(source), trained_as=source, new_window=True, partial=True)


def test_another_number_of_classes_keeps_a_fresh_head_when_asked():
    source, target = swin_model(), vitrail.create_model("swin_nano", 7, size=(32, 32), window=4, **SMALL)
    fresh = target.head.weight.clone()
    with pytest.raises(InputError, match="the file has 3 classes, swin_nano 7; build it with num_classes=3"):
        load_weights(target, to_release(source))
    report = load_weights(target, to_release(source), new_classes=True)
    assert report.renewed == ("head.weight", "head.bias")
    assert torch.equal(target.head.weight, fresh)


def test_a_partial_load_is_reported_key_by_key():
    source, target = swin_model(), swin_model()
    state = to_release(source)
    state["extra.weight"] = state.pop("norm.weight")
    intact = untouched(target)
    with pytest.raises(InputError, match=r"1 missing \(norm.weight\); 1 unexpected \(extra.weight\)"):
        load_weights(target, state)
    assert intact()
    report = load_weights(target, state, partial=True)
    assert (report.missing, report.unexpected) == (("norm.weight",), ("extra.weight",))
    assert "missing (1): norm.weight" in str(report)


def test_derived_buffers_are_left_to_the_model():
    state = {**to_release(swin_model()), "layers.0.blocks.0.attn.relative_position_index": torch.zeros(16, 16)}
    report = load_weights(swin_model(), state)
    assert report.derived == ("layers.0.blocks.0.attn.relative_position_index",)


def test_a_classifier_lends_its_trunk_to_a_dense_backbone():
    report = load_weights(
        vitrail.create_model("dense_swin_nano", size=(32, 32), window=4, **SMALL),
        swin_model().state_dict(),
        partial=True,
    )
    assert set(report.unexpected) == {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert set(report.missing) == {f"norms.{i}.{n}" for i in (0, 1) for n in ("weight", "bias")}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "is empty"),
        ({"a": 3}, "'a' is none"),
        ({1: torch.zeros(3)}, "1 is none"),
        (3, "int came"),
        ({"head.weight": torch.zeros(3, 16, dtype=torch.int8)}, "weights are floating-point numbers"),
        ({"conv1.weight": torch.zeros(3)}, "None of the 1 keys fits swin_nano"),
    ],
)
def test_other_things_are_refused(state, message):
    with pytest.raises(InputError, match=message):
        load_weights(swin_model(), state)


def test_another_width_is_refused():
    with pytest.raises(InputError, match="another width, depth, head count or structure"):
        load_weights(swin_model(), to_release(swin_model(dim=16, heads=(1, 2))))
    with pytest.raises(InputError, match="another width, depth, head count or structure"):
        load_weights(swin_model(), to_release(swin_model(heads=(2, 4))))


def test_another_family_or_row_is_refused():
    with pytest.raises(InputError, match="IwinSpec weights, swin_nano is a SwinSpec"):
        load_weights(swin_model(), {"x": torch.zeros(1)}, trained_as=Trained(iwin.IwinSpec(), (32, 32)))
    with pytest.raises(InputError, match="No weights row is called 'swin_tiny.in1k'. Nearest: swin_tiny.in1k_224"):
        load_weights(swin_model(), {"x": torch.zeros(1)}, trained_as="swin_tiny.in1k")
    with pytest.raises(InputError, match="trained with position="):
        load_weights(
            swin_model(), {"x": torch.zeros(1)}, trained_as=Trained(swin.SwinSpec(position="none", **SMALL), (32, 32))
        )


def bad_files(tmp_path):
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "text.safetensors").write_text("hello, this is not a tensor file")
    save(tmp_path / "whole.safetensors", swin_model())
    whole = (tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "truncated.safetensors").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "weights.pth").write_bytes(b"\x80\x04")
    return [("none", "No file at"), ("weights.pth", "is a pickle")] + [
        (f"{name}.safetensors", "is not a whole safetensors file") for name in ("empty", "text", "truncated")
    ]


def test_bad_files_get_one_line(tmp_path):
    for name, message in bad_files(tmp_path):
        for read in (open_model, lambda path: load_weights(swin_model(), path)):
            with pytest.raises(InputError, match=message) as caught:
                read(tmp_path / name)
            assert "\n" not in str(caught.value)


def test_a_file_that_says_nothing_or_lies_is_refused(tmp_path):
    tensors = {name: value.contiguous() for name, value in swin_model().state_dict().items()}
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="does not say what model it holds"):
        open_model(tmp_path / "a.safetensors")
    load_weights(swin_model(), tmp_path / "a.safetensors")
    document = {"name": "swin_nano", "size": [32, 32], "num_classes": 4, "spec": {}}
    save_file(tensors, tmp_path / "b.safetensors", metadata={"vitrail": json.dumps(document)})
    with pytest.raises(InputError, match="does not fit the swin_nano it names"):
        open_model(tmp_path / "b.safetensors")
    for field, value in (("size", None), ("size", "abc"), ("name", ["x"]), ("classes", 3), ("spec", [1])):
        save_file(tensors, tmp_path / "c.safetensors", metadata={"vitrail": json.dumps({**document, field: value})})
        with pytest.raises(InputError, match=f"not sound: {field}="):
            open_model(tmp_path / "c.safetensors")


def test_other_models_and_rows_are_refused():
    with pytest.raises(InputError, match="Linear came"):
        load_weights(torch.nn.Linear(2, 2), {"trunk.a": torch.zeros(1)})
    with pytest.raises(InputError, match="trained_as=3"):
        load_weights(swin_model(), {"trunk.a": torch.zeros(1)}, trained_as=3)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path, swin_model())
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save(path, swin_model(), classes=object())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("name", ["torchvision/resnet18", "dense_torchvision/resnet18"])
def test_another_librarys_own_file_loads(name):
    """Parameters and buffers, all or nothing; a backbone leaves the head over."""
    import torchvision

    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=5).eval()
    model = vitrail.create_model(name, **({} if "dense" in name else {"num_classes": 5})).eval()
    theirs.bn1.running_mean.fill_(0.5)
    report = load_weights(model, theirs.state_dict())
    assert not report.missing and len(report.unexpected) == (2 if "dense" in name else 0)
    own = model.state_dict()
    assert any(key.endswith("bn1.running_mean") and bool((value == 0.5).all()) for key, value in own.items())
    short = theirs.state_dict()
    del short["layer1.0.conv1.weight"]
    with pytest.raises(InputError, match="1 missing"):
        load_weights(model, short)
