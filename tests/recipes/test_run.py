"""A whole run on a few small pictures: what it leaves, how it resumes, and the model it gives back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import tiny
from vitrail.data.settings import Augment, Preprocessing
from vitrail.errors import InputError
from vitrail.recipes import asking, classifying, evaluation, run, sources, use, use_classes
from vitrail.recipes.find import of_run
from vitrail.recipes.recipe import SGD, Digits, Folder, Model, from_json, to_json
from vitrail.train.processes import ALONE
from vitrail.train.record import read
from vitrail.weights import open_model, save

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folders(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    augment = Augment(crop=(0.5, 1.0), flip=0.5, mixup=0.2, cutmix=0.2)
    preprocessing = Preprocessing(share=None, interpolation="bilinear")
    run.train(tiny.recipe(data, augment=augment, preprocessing=preprocessing), out, run.Options("cpu", workers=0))
    return out


def test_a_run_leaves_all_its_files(finished: Path, data: Path) -> None:
    always = ("recipe.json", "metrics.jsonl", "steps.jsonl", "checkpoints")
    assert sorted(path.name for path in finished.iterdir()) == sorted(always + run.OUTCOME + classifying.PICTURES)
    summary = json.loads((finished / "summary.json").read_text())
    assert (summary["model"], summary["pictures"], summary["held_out"], summary["epochs"]) == ("iwin_nano", 12, 6, 6)
    assert summary["top1"] == read(finished)[-1]["top1"] >= 0.8
    assert of_run(finished).data == Folder(str(data))
    for name in ("curves", "confusion", "predictions"):
        with Image.open(finished / f"{name}.png") as image:
            assert min(image.size) > 200


def test_a_run_stopped_and_resumed_ends_with_the_same_bits(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vitrail.train import loop

    measured = []

    def stop(*arguments: object) -> object:
        measured.append(1)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return measure(*arguments)

    measure = loop.measure
    monkeypatch.setattr(loop, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        run.train(of_run(finished), tmp_path / "run", run.Options("cpu", workers=0))
    monkeypatch.undo()
    assert len(read(tmp_path / "run")) == 2
    with pytest.raises(InputError, match="has not finished"):
        use.load(tmp_path / "run")
    run.train(of_run(finished), tmp_path / "run", run.Options("cpu", workers=0), resume="auto")
    whole, resumed = (open_model(each / "model.safetensors")[0].state_dict() for each in (finished, tmp_path / "run"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_what_cannot_start_writes_nothing(finished: Path, data: Path, tmp_path: Path) -> None:
    recipe, out = of_run(finished), tmp_path / "new"
    for wrong, message in (
        (replace(recipe, model=Model("iwin_nanno")), "Nearest: iwin_nano"),
        (replace(recipe, model=Model("dense_iwin_nano", (32, 32))), "iwin_nano is its classifier"),
        (replace(recipe, model=Model("iwin_nano", (32, 32), {"windoww": 3})), "windoww"),
        (replace(recipe, data=Folder()), "--data FOLDER"),
        (replace(recipe, data=Folder(str(tmp_path / "none"))), "no such folder"),
    ):
        with pytest.raises(InputError, match=message):
            run.train(wrong, out, run.Options("cpu"))
        assert not out.exists()
    options = run.Options("cpu", workers=0)
    with pytest.raises(InputError, match="holds a run already"):
        run.train(recipe, finished, options)
    with pytest.raises(InputError, match=r"another recipe \(epochs, seed\)"):
        run.train(replace(recipe, epochs=9, seed=1), finished, options, resume="auto")
    with pytest.raises(InputError, match="no such checkpoint"):
        run.train(recipe, out, options, resume=tmp_path / "none.pt")
    assert not out.exists()


def test_resuming_begins_where_there_is_nothing(data: Path, tmp_path: Path) -> None:
    recipe = tiny.recipe(data, epochs=1)
    assert run.train(recipe, tmp_path / "run", run.Options("cpu", workers=0), resume="auto")
    assert len(read(tmp_path / "run")) == 1
    (state,) = (tmp_path / "run" / "checkpoints").glob("*.pt")
    summary = run.train(recipe, tmp_path / "run", run.Options("cpu", workers=0), resume=state)
    assert summary and summary["best_epoch"] == 1


def test_a_run_that_failed_at_once_does_not_stand_in_the_way(tmp_path: Path) -> None:
    data = tiny.folders(tmp_path / "data")
    broken = data / "train" / "red" / "1.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:60])
    with pytest.raises(InputError, match=r"red/1\.png: not a readable picture"):
        run.train(tiny.recipe(data, epochs=1), tmp_path / "run", run.Options("cpu", workers=0))
    broken.write_bytes(whole)
    assert run.train(tiny.recipe(data, epochs=1), tmp_path / "run", run.Options("cpu", workers=0))["pictures"] == 12


def test_the_optimizer_is_the_recipes(data: Path) -> None:
    with run.joined(CPU) as processes:
        plan, _ = run.prepare(tiny.recipe(data, optimizer=SGD(lr=0.3, momentum=0.8)), CPU, processes)
    assert isinstance(plan.optimizer, torch.optim.SGD)
    assert plan.optimizer.param_groups[0]["momentum"] == 0.8
    assert max(plan.rate(step) for step in range(len(plan.training) * plan.epochs)) == pytest.approx(0.3)


def test_the_trained_model_is_the_same_in_use(finished: Path, data: Path) -> None:
    trained = use.load(finished)
    assert trained.classes == ("blue", "green", "red")
    assert trained.preprocessing == of_run(finished).preprocessing
    pictures = sources.open_held_out(Folder(str(data)), trained.classes)
    metric = evaluation.evaluate(trained, pictures, CPU, batch=4).metric
    assert metric.compute()["top1"] == read(finished)[-1]["top1"]
    files = asking.gather([data / "val", data / "train" / "red" / "0.png"])
    assert len(files) == 7
    prediction = use_classes.predict(trained, files, CPU, batch=3)
    assert (prediction.scores[:6].argmax(1) == torch.tensor([0, 0, 1, 1, 2, 2])).sum() == metric.confusion.trace()
    assert "red" in use_classes.cells(trained, files, prediction)[-1].caption


def test_what_is_no_trained_model_is_one_line(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run"):
        use.load(tmp_path)
    model, document = open_model(finished / "model.safetensors")
    save(tmp_path / "nameless.safetensors", model)
    with pytest.raises(InputError, match="does not name the classes"):
        use.load(tmp_path / "nameless.safetensors")
    save(tmp_path / "odd.safetensors", model, classes=document["classes"], preprocessing={"share": "most"})
    with pytest.raises(InputError, match=r"preprocessing: share"):
        use.load(tmp_path / "odd.safetensors")
    with pytest.raises(InputError, match="no such file"):
        asking.gather([tmp_path / "none.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures in it"):
        asking.gather([tmp_path / "empty"])


def test_data_by_word_or_path() -> None:
    assert sources.named("digits") == Digits()
    assert sources.named("here", Folder("there", held_out=0.5, seed=3)) == Folder("here", held_out=0.5, seed=3)
    assert sources.named("here", Folder("there", layout="zip")) == Folder("here", layout="zip")
    with pytest.raises(InputError, match="--data FOLDER"):
        sources.open_held_out(Folder(), ("a", "b"))
    assert sources.workers(Digits(), None) == 0
    assert sources.workers(Folder("x"), 3) == 3
    with pytest.raises(InputError, match="classes 0 to 9"):
        sources.open_held_out(Digits(), ("a", "b"))


def test_a_run_begins_from_the_weights_of_another(finished: Path, tmp_path: Path) -> None:
    """All but the head, whose classes are the new data's; also where the windows are others."""
    other = tiny.folders(tmp_path / "other")
    (other / "train" / "red").rename(other / "train" / "scarlet")
    (other / "val" / "red").rename(other / "val" / "scarlet")
    source = open_model(finished / "model.safetensors")[0]
    for overrides in ({}, {"window": (2, 2, 2, 1)}):
        recipe = tiny.recipe(
            other, weights=str(finished), model=Model("iwin_nano", (32, 32), {**tiny.SPEC, **overrides})
        )
        plan, held_out = run.prepare(recipe, CPU, ALONE)
        assert held_out.classes == ("blue", "green", "scarlet")
        for name, value in source.named_parameters():
            assert torch.equal(plan.model.get_parameter(name), value) != name.startswith("head."), name
    assert from_json(to_json(recipe)).weights == str(finished)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Model("swin_nano", (32, 32), dict(tiny.SPEC)), "Iwin in .* swin_nano is Swin"),
        (Model("iwin_nano", (32, 32)), "trained with dim=8, iwin_nano has dim=16"),
    ],
)
def test_weights_of_another_architecture_are_refused(finished: Path, data: Path, model: Model, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run.prepare(tiny.recipe(data, weights=str(finished), model=model), CPU, ALONE)
    with pytest.raises(InputError, match="No file at"):
        run.prepare(tiny.recipe(data, weights="nowhere"), CPU, ALONE)


def test_the_model_given_back_answers(finished: Path, data: Path) -> None:
    import vitrail

    trained = vitrail.load(finished)
    files = [data / "val" / name / "0.png" for name in tiny.COLOURS]
    answers = trained.predict(files, top=2)
    assert [answer[0][0] for answer in answers] == list(tiny.COLOURS)
    assert all(0 <= second[1] <= first[1] <= 1 for first, second in answers)
    with Image.open(files[0]) as image:
        for picture in (image, str(files[0])):
            ((name, share), _) = trained.predict(picture, top=2)[0]
            assert (name, share) == ("blue", pytest.approx(answers[0][0][1], rel=1e-4))
    assert trained.predict([]) == []
    with pytest.raises(InputError, match="nothing.png"):
        trained.predict("nothing.png")
