"""Whole detectors and segmenters in OpenMMLab's names: there and back, what is recognised, and what is refused."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import openmmlab
import originals
import vitrail
from openmmlab import CASES, CHANNELS, SMALL, backbone, classes_of, original, told
from vitrail.errors import InputError
from vitrail.models.catalogue import KINDS
from vitrail.weights import load_weights, open_model, save
from vitrail.weights.convert import Wanted, convert
from vitrail.weights.formats import LAYOUTS
from vitrail.weights.heads import chosen
from vitrail.weights.recognise import name_of, recognise, show
from vitrail.weights.restore import restore


def training_file(state: dict[str, Tensor], names: tuple[str, ...] = ()) -> dict[str, object]:
    """What the toolboxes' checkpoints hold beside the tensors, with the names of classes."""
    meta = {
        "mmdet_version": "2.11.0",
        "epoch": 12,
        "config": "model = dict()",
        "CLASSES": names,
        "PALETTE": [[1, 2, 3]],
    }
    return {"meta": meta, "state_dict": state, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        value.dtype == other[key].dtype and torch.equal(value, other[key]) for key, value in one.items()
    )


@pytest.mark.parametrize(("kind", "family"), [*sorted(CASES.items()), ("mask_rcnn", "swin"), ("upernet", "mm")])
def test_there_and_back(kind, family, tmp_path):
    state = original(kind, family)
    torch.save(training_file(state), tmp_path / "in.pth")
    report = convert(tmp_path / "in.pth", tmp_path / "ours.safetensors", Wanted(fields=told(family)))
    assert report["name"].startswith(f"{kind}_{'swin' if family == 'mm' else family}") and not report["left_out"]
    assert (report["classes"], report["taken"]) == (classes_of(kind), "state_dict") and not report["notes"]
    model, document = open_model(tmp_path / "ours.safetensors")
    assert model.num_classes == classes_of(kind) and document["source"]["layout"] == report["layout"]
    buffers = ("index", "mask")
    assert report["tensors"] == len([key for key in state if not key.endswith(buffers)]) == len(model.state_dict())
    to = "release" if (kind, family) in {("mask_rcnn", "swin"), ("faster_rcnn", "swin"), ("upernet", "swin")} else "mm"
    for name in ("back.pth", "back.safetensors"):
        convert(tmp_path / "ours.safetensors", tmp_path / name, Wanted(to=to))
    assert same(torch.load(tmp_path / "back.pth")["state_dict"], state)
    assert same(load_file(tmp_path / "back.safetensors"), state)


def test_a_swin_of_the_papers_fork_becomes_openmmlabs(tmp_path):
    """And comes back the same: two files, one network."""
    torch.save({"state_dict": original("mask_rcnn", "swin")}, tmp_path / "fork.pth")
    convert(tmp_path / "fork.pth", tmp_path / "a.safetensors")
    convert(tmp_path / "a.safetensors", tmp_path / "mm.pth", Wanted(to="mm"))
    written = torch.load(tmp_path / "mm.pth")["state_dict"]
    assert "backbone.stages.0.blocks.0.attn.w_msa.qkv.weight" in written
    assert {key for key in written if not key.startswith("backbone.")} == set(
        openmmlab.heads("mask_rcnn", CHANNELS, classes_of("mask_rcnn"))
    )
    convert(tmp_path / "mm.pth", tmp_path / "b.safetensors")
    a, b = (open_model(tmp_path / f"{name}.safetensors")[0] for name in "ab")
    assert same(a.state_dict(), b.state_dict()) and type(a) is type(b)
    with pytest.raises(InputError, match=r"--prefix student\.: the backbone's names in .* begin with \.\.\.backbone\."):
        convert(tmp_path / "a.safetensors", tmp_path / "x.pth", Wanted(to="mm", prefix="student."))
    convert(tmp_path / "a.safetensors", tmp_path / "x.pth", Wanted(to="mm", prefix="student.backbone."))
    assert same({f"student.{k}": v for k, v in written.items()}, torch.load(tmp_path / "x.pth")["state_dict"])
    assert same(restore(torch.load(tmp_path / "x.pth")["state_dict"]).model.state_dict(), a.state_dict())


def test_names_of_classes_come_along_where_their_number_is_right(tmp_path):
    """As mmdetection 2 and mmengine write them; anything else there is no list of names."""
    state = original("semantic_fpn")
    count = classes_of("semantic_fpn")
    names = tuple(f"class {n}" for n in range(count))
    later = {"meta": {"dataset_meta": {"classes": names, "palette": None}, "seed": 1}, "state_dict": state}
    for held, wanted in (
        (training_file(state, names), names),
        (training_file(state, names[:-1]), ()),
        (later, names),
        ({"meta": {"CLASSES": list(range(count))}, "state_dict": state}, ()),
        ({"meta": None, "state_dict": state}, ()),
    ):
        torch.save(held, tmp_path / "in.pth")
        convert(tmp_path / "in.pth", tmp_path / "out.safetensors", Wanted(fields=told("scalablevit")))
        assert tuple(open_model(tmp_path / "out.safetensors")[1]["classes"]) == wanted


def test_half_precision_and_counts_that_are_not_there(tmp_path):
    """Files of old versions of PyTorch hold no num_batches_tracked."""
    state = {key: value.half() for key, value in original("upernet").items() if value.is_floating_point()}
    index = {key: value for key, value in original("upernet").items() if key.endswith("index")}
    assert index
    torch.save({"state_dict": state | index}, tmp_path / "in.pth")
    convert(tmp_path / "in.pth", tmp_path / "ours.safetensors")
    convert(tmp_path / "ours.safetensors", tmp_path / "back.pth", Wanted(to="release"))
    assert same(torch.load(tmp_path / "back.pth")["state_dict"], state | index)


@pytest.mark.parametrize("kind", sorted(CASES))
def test_whole_variants_are_known_by_names_and_shapes(kind):
    """The papers' widths, on the meta device: kind, classes, and no field that differs from the papers'."""
    for name in (
        "swin_tiny",
        "iwin_tiny",
        "scalablevit_small",
        *(("swin_base", "iwin_base") if kind == "upernet" else ()),
    ):
        with torch.device("meta"):
            model = vitrail.create_model(f"{kind}_{name}")
        for layout in ("release", *(("mm",) if "swin_" in name else ())):
            found = recognise(LAYOUTS[layout].write(model))
            assert found is not None and found.layout.name == layout
            above, _ = chosen(found, None)
            assert above is not None and (above.kind, above.classes, above.fields) == (kind, KINDS[kind].classes, {})
            assert name_of(found.kind, show(found).fields, True) == f"dense_{name}"


@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_tensor_that_is_missing_strange_or_of_another_shape(kind):
    """One line with its name, whichever it is."""
    state, fields = original(kind), told(CASES[kind])
    above = [key for key in state if not key.startswith("backbone.") and not key.endswith("tracked")]
    for key in (*above[::7], above[-1]):
        for changed in ({k: v for k, v in state.items() if k != key}, state | {key: torch.zeros(1, 2, 3, 4, 5)}):
            with pytest.raises(InputError) as caught:
                restore(changed, fields=fields)
            assert "\n" not in str(caught.value) and (key in str(caught.value) or "rows" in str(caught.value))
    for strange in ("roi_head.semantic_head.conv.weight", "decode_head.extra.bias", f"{above[0]}.more"):
        with pytest.raises(InputError, match=f"{strange} has no place in it"):
            restore(state | {strange: torch.zeros(3)}, fields=fields)


def test_foreign_heads_leave_the_backbone(tmp_path):
    state = {k: v for k, v in original("retinanet", "swin").items() if "retina_" not in k}
    state |= {"bbox_head.atss_cls.weight": torch.zeros(3, 8, 3, 3)}
    torch.save({"state_dict": state}, tmp_path / "in.pth")
    report = convert(tmp_path / "in.pth", tmp_path / "out.safetensors")
    assert report["name"].startswith("dense_swin") and "bbox_head.atss_cls.weight" in report["left_out"]
    with pytest.raises(InputError, match=r"The file holds no head that is known; retinanet_swin_tiny is a RetinaNet\."):
        restore(state, "retinanet_swin_tiny")


def test_what_a_name_asks_for():
    """The whole, of which the backbone is as named; the backbone alone; another whole."""
    state, fields = original("mask_rcnn", "swin"), {"depths": (1, 1, 1, 1)}
    small = fields | {"dim": 8, "heads": (1, 2, 2, 4)}
    whole = restore(state, "mask_rcnn_swin_small", small | {"score": 0.2}).model
    assert whole.name == "mask_rcnn_swin_small" and whole.spec.score == 0.2 and whole.regions.keep.score == 0.2
    assert restore(state, "swin_small", small).model.name == "mask_rcnn_swin_small"
    alone = restore(state, "dense_swin_small", small)
    assert alone.model.name == "dense_swin_small" and len(alone.left_out) == len(
        openmmlab.heads("mask_rcnn", CHANNELS, 2)
    )
    for named, said in (
        ("cascade_rcnn_swin_tiny", "The file holds a Mask R-CNN; cascade_rcnn_swin_tiny is a Cascade R-CNN."),
        ("mask_rcnn_swim_tiny", "No model is called 'mask_rcnn_swim_tiny'. Nearest: mask_rcnn_swin_tiny"),
        ("mask_rcnn_iwin_tiny", "The file is Swin in the release's names; dense_iwin_tiny is Iwin"),
        ("mask_rcnn_swin_tiny", "shapes show dim=8"),
    ):
        with pytest.raises(InputError, match=said):
            restore(state, named)
    with pytest.raises(InputError, match=r"No shape shows the heads of this Iwin \(dim 8"):
        restore(original("mask_rcnn", "iwin"))


def test_shapes_that_are_not_ours():
    agnostic = original("cascade_rcnn") | {
        f"roi_head.bbox_head.{n}.fc_reg.{part}": torch.zeros(shape)
        for n in range(3)
        for part, shape in (("weight", (4, 16)), ("bias", (4,)))
    }
    with pytest.raises(InputError, match="offsets that all classes share"):
        restore(agnostic)
    on_output = original("retinanet") | {"neck.fpn_convs.3.conv.weight": torch.zeros(8, 8, 3, 3)}
    with pytest.raises(
        InputError, match=r"neck.fpn_convs.3.conv.weight: the file has \(8, 8, 3, 3\), a .* \(8, 64, 3, 3\)"
    ):
        restore(on_output, fields=told("scalablevit"))
    one = {key: value for key, value in original("cascade_rcnn").items() if not key.startswith("roi_head.bbox_head.1.")}
    one = {key: value for key, value in one.items() if not key.startswith("roi_head.bbox_head.2.")}
    with pytest.raises(InputError, match="cascade has 1 stages; two or 3"):
        restore(one)


def test_a_stage_that_was_not_read_has_no_output_norm(tmp_path):
    """RetinaNet on the last three stages."""
    state = {k: v for k, v in original("retinanet", "swin").items() if not k.startswith("backbone.norm0.")}
    torch.save({"state_dict": state}, tmp_path / "in.pth")
    report = convert(tmp_path / "in.pth", tmp_path / "ours.safetensors")
    assert report["changes"] == ["2 tensors that the file does not have begin anew: backbone.norms.0.weight"]
    convert(tmp_path / "ours.safetensors", tmp_path / "back.pth", Wanted(to="release"))
    assert same(torch.load(tmp_path / "back.pth")["state_dict"], state)


def test_a_head_on_no_auxiliary_and_a_single_stage_with_convolutions(tmp_path):
    """What differs from the papers' heads and is shown by names: it is built so."""
    state = {k: v for k, v in original("upernet", "swin").items() if not k.startswith("auxiliary_head.")}
    model = restore(state).model
    assert model.auxiliary is None and model.spec.auxiliary == 0
    assert same(LAYOUTS["release"].write(model), state)
    cascade = original("cascade_mask_rcnn", "swin")
    single = {
        k.replace("_head.0.", "_head."): v for k, v in cascade.items() if "_head.1." not in k and "_head.2." not in k
    }
    model = restore(single).model
    assert model.name.startswith("mask_rcnn_swin") and model.spec.box_head == "conv"
    assert same(LAYOUTS["release"].write(model), single)


def built(kind: str = "mask_rcnn", classes: int | None = None, **more):
    own = {"channels": 8, **({"width": 16} if "rcnn" in kind else {})}
    classes = classes_of(kind) if classes is None else classes
    return vitrail.create_model(f"{kind}_swin_nano", classes, (64, 64), **(SMALL | own | more))


def test_load_weights_takes_the_same_names(tmp_path):
    state, model = original("mask_rcnn", "mm"), built(depths=originals.SHAPE["depths"])
    report = load_weights(model, {"state_dict": state})
    assert not report.missing and not report.unexpected and len(report.loaded) == len(model.state_dict())
    assert same(LAYOUTS["mm"].write(model), state)
    other = built(classes=2, depths=originals.SHAPE["depths"])
    before = other.regions.boxes[0].scores.weight.clone()
    with pytest.raises(InputError, match=r"regions.boxes.0.scores.weight: the file has .* rows, .* with 2 classes 3;"):
        load_weights(other, state)
    report = load_weights(other, state, new_classes=True)
    assert len(report.renewed) == 6 and torch.equal(other.regions.boxes[0].scores.weight, before)
    assert torch.equal(other.rpn.scores.weight, state["rpn_head.rpn_cls.weight"])
    with pytest.raises(InputError, match="1 missing .regions.masks.0.masks.bias"):
        load_weights(model, {k: v for k, v in state.items() if k != "roi_head.mask_head.conv_logits.bias"})
    with pytest.raises(InputError, match="The file is Swin in OpenMMLab's names; dense_iwin_nano is Iwin"):
        load_weights(vitrail.create_model("mask_rcnn_iwin_nano", 3), state)


def test_wholes_and_backbones_lend_each_other_what_they_share(tmp_path):
    """In our own files: all of one, what another kind has too, and backbones; the release's backbones too."""
    model, twin, other = built(), built(), built("faster_rcnn", 3)
    save(tmp_path / "whole.safetensors", model)
    load_weights(twin, tmp_path / "whole.safetensors")
    assert same(twin.state_dict(), model.state_dict())
    report = load_weights(other, tmp_path / "whole.safetensors", partial=True, new_classes=True)
    assert same(other.backbone.state_dict(), model.backbone.state_dict()) and not report.missing
    alone = vitrail.create_model("dense_swin_nano", size=(64, 64), **SMALL)
    load_weights(alone, tmp_path / "whole.safetensors", partial=True)
    assert same(alone.state_dict(), model.backbone.state_dict())
    save(tmp_path / "alone.safetensors", originals.fill(alone))
    load_weights(model, tmp_path / "alone.safetensors", partial=True)
    assert same(alone.state_dict(), model.backbone.state_dict())
    load_weights(model, backbone("swin"), partial=True)
    assert model.backbone.trunk.stem.project.weight.equal(backbone("swin")["backbone.patch_embed.proj.weight"])
    with pytest.raises(
        InputError, match=r"trained with heads=\(1, 2, 2, 4\), dense_swin_nano has heads=\(1, 1, 2, 4\)"
    ):
        load_weights(built(heads=(1, 1, 2, 4)), tmp_path / "whole.safetensors")


def test_our_file_for_another_size_and_its_refusals(tmp_path):
    model = originals.fill(built())
    save(tmp_path / "whole.safetensors", model)
    report = convert(tmp_path / "whole.safetensors", tmp_path / "wide.safetensors", Wanted(size=(96, 128), window=12))
    again, _ = open_model(tmp_path / "wide.safetensors")
    assert again.size == (96, 128) and again.spec.backbone["window"] == 12 and len(report["changes"]) == 3
    assert same(again.neck.state_dict(), model.neck.state_dict())
    for wanted, said in (
        (Wanted(named="retinanet_swin_nano"), "holds Mask R-CNN on Swin, mask_rcnn_swin_nano; retinanet_swin_nano is"),
        (Wanted(named="mask_rcnn_iwin_nano"), "holds Swin; mask_rcnn_iwin_nano is Iwin"),
        (Wanted(to="timm"), "has no place for backbone.trunk.stem.project.weight of mask_rcnn_swin_nano"),
        (Wanted(rows=[0]), "has no classes whose rows could be picked"),
    ):
        with pytest.raises(InputError, match=said):
            convert(tmp_path / "whole.safetensors", tmp_path / "x.safetensors", wanted)
    save(tmp_path / "global.safetensors", built(global_attention=True))
    with pytest.raises(InputError, match="attention over its whole last map"):
        convert(tmp_path / "global.safetensors", tmp_path / "x.safetensors", Wanted(to="mm"))
    assert not (tmp_path / "x.safetensors").exists()
