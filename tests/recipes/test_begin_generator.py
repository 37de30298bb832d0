"""What a generator begins from: another's weights, with its own labels where the classes differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from small_generators import CLASSES, SPEC, kept, recipe
from vitrail.errors import InputError
from vitrail.models.catalogue import create_model
from vitrail.recipes import run
from vitrail.recipes.begin import LABELS, begin_from
from vitrail.recipes.run import Options
from vitrail.weights import load_weights, open_model
from vitrail.weights.formats import to_release

MORE = tuple("abcdefghijkl")


def fresh(classes: int = 10, **more: object):
    torch.manual_seed(1)
    return create_model("flashdit_nano_1", classes, (8, 8), **{**SPEC, **more})


def test_the_same_classes_keep_everything(tmp_path: Path) -> None:
    file, model = kept(tmp_path / "g.safetensors"), fresh()
    assert "the labels kept, their classes are the same" in begin_from(model, str(file), CLASSES)
    given = open_model(file)[0].state_dict()
    assert all(torch.equal(tensor, given[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("classes", [("a", "b", "c"), MORE, CLASSES[::-1]], ids=["fewer", "more", "as many"])
def test_other_classes_begin_anew_and_the_row_of_no_label_stays(tmp_path: Path, classes: tuple[str, ...]) -> None:
    file, model = kept(tmp_path / "g.safetensors"), fresh(len(classes))
    before, given = fresh(len(classes)).state_dict(), open_model(file)[0].state_dict()
    line = begin_from(model, str(file), classes)
    assert f"begins anew for {len(classes)} classes, its row of no label kept" in line
    assert line.startswith(f"{len(given) - 1} tensors from {file}")
    for name, tensor in model.state_dict().items():
        if name == LABELS:
            assert torch.equal(tensor[:-1], before[name][:-1]) and torch.equal(tensor[-1], given[name][-1])
        else:
            assert torch.equal(tensor, given[name])


@pytest.mark.parametrize(("theirs", "ours"), [(0.0, 0.1), (0.1, 0.0), (0.0, 0.0), (0.3, 0.1)])
def test_either_may_be_without_a_row_of_no_label(tmp_path: Path, theirs: float, ours: float) -> None:
    file = kept(tmp_path / "g.safetensors", label_drop=theirs)
    given = open_model(file)[0].state_dict()[LABELS]
    model, before = fresh(label_drop=ours), fresh(label_drop=ours).state_dict()[LABELS]
    line = begin_from(model, str(file), CLASSES)
    table = model.state_dict()[LABELS]
    assert torch.equal(table[:10], given[:10]) and len(table) == 10 + (ours > 0)
    assert ("a row of no label begins anew" in line) == (ours > 0 and theirs == 0)
    if ours:
        assert torch.equal(table[10], given[10] if theirs else before[10])
    # 11 rows are of 11 classes here, and of 10 and none there
    eleven = kept(tmp_path / "eleven.safetensors", classes=tuple("abcdefghijk"), label_drop=0.0)
    model = fresh()
    assert begin_from(model, str(eleven), CLASSES).endswith("the table of labels begins anew")
    assert torch.equal(model.state_dict()[LABELS], fresh().state_dict()[LABELS])


def test_a_run_begins_so_and_says_it(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = kept(tmp_path / "g.safetensors", classes=("a", "b", "c"))
    summary = run.train(replace(recipe(), epochs=1, weights=str(file)), tmp_path / "run", Options("cpu", workers=0))
    said = "the table of labels begins anew for 10 classes, its row of no label kept"
    assert said in capsys.readouterr().out
    assert summary and said in summary["begun"]
    assert open_model(tmp_path / "run" / "model.safetensors")[0].state_dict()[LABELS].shape == (11, 16)


def test_what_is_no_beginning_is_said(tmp_path: Path) -> None:
    file = kept(tmp_path / "g.safetensors")
    other = create_model("lightningdit_nano_1", 10, (8, 8), **SPEC)
    with pytest.raises(InputError, match="holds flashdit_nano_1, from which no lightningdit_nano_1 begins"):
        begin_from(other, str(file), CLASSES)
    with pytest.raises(InputError, match=r"trained with dim=16, .* has dim=32"):
        begin_from(fresh(dim=32), str(file), CLASSES)
    save_file(to_release(fresh()), tmp_path / "release.safetensors")
    with pytest.raises(InputError, match="`vitrail convert` writes into a file what it holds"):
        begin_from(fresh(), str(tmp_path / "release.safetensors"), CLASSES)


def test_load_weights_asks_before_it_leaves_labels_out(tmp_path: Path) -> None:
    file, model = kept(tmp_path / "g.safetensors"), fresh(3)
    with pytest.raises(InputError, match=r"11 rows of labels, flashdit_nano_1 with 3 classes 4; .*new_classes=True"):
        load_weights(model, file)
    before = fresh(3).state_dict()[LABELS]
    report = load_weights(model, file, new_classes=True)
    given, table = open_model(file)[0].state_dict()[LABELS], model.state_dict()[LABELS]
    assert report.renewed == (LABELS,) and LABELS not in (*report.loaded, *report.missing)
    assert torch.equal(table[:3], before[:3]) and torch.equal(table[3], given[10])
    whole = kept(tmp_path / "w.safetensors", label_drop=0.0)
    model = fresh(3, label_drop=0.0)
    load_weights(model, whole, new_classes=True)
    assert torch.equal(model.state_dict()[LABELS], fresh(3, label_drop=0.0).state_dict()[LABELS])
