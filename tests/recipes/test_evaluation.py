"""A trained model measured, against the dullest loop: labels, views, damaged pictures, several processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

import several
import tiny
from vitrail.data import images
from vitrail.data.settings import Preprocessing
from vitrail.errors import InputError
from vitrail.models.catalogue import create_model
from vitrail.recipes import evaluation, use, use_classes
from vitrail.recipes.recipe import Digits, Folder
from vitrail.weights import save

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folders(tmp_path_factory.mktemp("data"), training=1, held_out=4)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained, with a head far from equal, so that its answers differ from picture to picture."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    torch.manual_seed(1)
    model = create_model("iwin_nano", 3, (32, 32), **tiny.SPEC)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    save(path, model, classes=sorted(tiny.COLOURS), preprocessing={})
    return path


@pytest.fixture(scope="module")
def trained(weights: Path) -> use_classes.Trained:
    return use.load(weights)


def logits(trained: use_classes.Trained, path: Path) -> torch.Tensor:
    """(K,) of one picture alone."""
    with torch.no_grad():
        return trained.model(trained.transform()(images.read(path))[None])[0]


def test_plain_labels_equal_the_dullest_loop(trained: use_classes.Trained, data: Path) -> None:
    asked = evaluation.ask(trained, Folder(str(data)))
    assert (asked.labels, asked.note) == ("plain", "")
    found = evaluation.evaluate(asked.trained, asked.pictures, CPU, batch=5)
    right, nats = 0, 0.0
    for index, name in enumerate(trained.classes):
        for path in sorted((data / "val" / name).iterdir()):
            logs = logits(trained, path).log_softmax(0)
            right += int(logs.argmax()) == index
            nats -= float(logs[index])
    result = found.metric.compute()
    assert found.counted == 12
    assert result["top1"] == pytest.approx(right / 12)
    assert result["nll"] == pytest.approx(nats / 12, rel=1e-5)
    assert 0 <= result["ece"] <= 1


def test_folders_of_numbers_are_indices(trained: use_classes.Trained, tmp_path: Path, data: Path) -> None:
    for index, name in enumerate(trained.classes):
        (tmp_path / str(index)).symlink_to(data / "val" / name)
    asked = evaluation.ask(trained, Folder(str(tmp_path)))
    assert asked.labels == "indices"
    assert "indices of the classes" in asked.note
    plain = evaluation.ask(trained, Folder(str(data)))
    for labels in ("auto", "indices", "order"):
        question = evaluation.ask(trained, Folder(str(tmp_path)), labels)
        found, same = (evaluation.evaluate(each.trained, each.pictures, CPU) for each in (question, plain))
        assert found.document() == same.document()
    with pytest.raises(InputError, match="'0' is none of the 3 classes"):
        evaluation.ask(trained, Folder(str(tmp_path)), "plain")


def test_a_subset_is_scored_among_its_classes_alone(trained: use_classes.Trained, tmp_path: Path, data: Path) -> None:
    for name in ("red", "blue"):
        (tmp_path / name).symlink_to(data / "val" / name)
    hint = evaluation.ask(trained, Folder(str(tmp_path)))
    assert "2 of the model's 3 classes" in hint.note
    assert hint.trained is trained
    assert not evaluation.ask(trained, Folder(str(tmp_path)), "plain").note

    asked = evaluation.ask(trained, Folder(str(tmp_path)), "subset")
    found = evaluation.evaluate(asked.trained, asked.pictures, CPU, task=asked.task)
    assert not trained.model.training
    kept, right, nats = [0, 2], 0, 0.0
    for index, name in enumerate(("blue", "red")):
        for path in (data / "val" / name).iterdir():
            logs = logits(trained, path)[kept].log_softmax(0)
            right += int(logs.argmax()) == index
            nats -= float(logs[index])
    assert found.classes == ("blue", "red")
    assert found.metric.compute()["top1"] == pytest.approx(right / 8)
    assert found.metric.compute()["nll"] == pytest.approx(nats / 8, rel=1e-5)


def test_real_counts_any_of_its_classes(trained: use_classes.Trained, tmp_path: Path, data: Path) -> None:
    files = sorted((data / "val").rglob("*.png"))
    for number, path in enumerate(files, start=1):
        (tmp_path / f"ILSVRC2012_val_{number:08d}.png").symlink_to(path)
    right = [[number % 3, (number + 1) % 3][: number % 4] for number in range(len(files))]  # every fourth has none
    (tmp_path / "real.json").write_text(json.dumps(right))
    asked = evaluation.ask(trained, Folder(str(tmp_path)), f"real={tmp_path / 'real.json'}")
    found = evaluation.evaluate(asked.trained, asked.pictures, CPU, batch=5, task=asked.task)
    some = [(path, chosen) for path, chosen in zip(files, right, strict=True) if chosen]
    hits = sum(int(logits(trained, path).argmax()) in chosen for path, chosen in some)
    assert found.counted == len(some) == 9
    assert found.metric.compute()["top1"] == pytest.approx(hits / 9)
    assert not found.rows()
    assert "confusion" not in found.document()


@pytest.mark.parametrize("share", [0.875, None])
@pytest.mark.parametrize("views", ["flip", "ten"])
def test_views_are_averaged_as_probabilities(
    trained: use_classes.Trained, data: Path, views: str, share: float | None
) -> None:
    from dataclasses import replace

    from vitrail.data.views import for_views

    trained = replace(trained, preprocessing=Preprocessing(share=share))
    files = sorted((data / "val").rglob("*.png"))[::3]
    transform = for_views(views, trained.size, trained.preprocessing)
    with torch.no_grad():
        expected = torch.stack(
            [
                sum(trained.model(view[None]).softmax(1)[0] for view in crops) / len(crops)
                for crops in (transform(images.read(path)) for path in files)
            ]
        )
    for batch in (1, 25):
        scores = use_classes.predict(trained, files, CPU, batch, progress=False, views=views).scores
        torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)
    pictures = evaluation.ask(trained, Folder(str(data))).pictures
    one, several = (evaluation.evaluate(trained, pictures, CPU, views=name).metric.compute() for name in ("one", views))
    assert one["nll"] != several["nll"]


def test_what_is_written_reads_back(trained: use_classes.Trained, data: Path, tmp_path: Path) -> None:
    asked = evaluation.ask(trained, Folder(str(data)))
    found = evaluation.evaluate(trained, asked.pictures, CPU)
    evaluation.write(found, {"views": "one", **found.document()}, tmp_path / "new" / "out", "tiny")
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == [
        "confusion.png",
        "evaluation.json",
        "per_class.csv",
        "reliability.png",
    ]
    document = json.loads((tmp_path / "new" / "out" / "evaluation.json").read_text())
    assert document == {"views": "one", **found.document()}
    with open(tmp_path / "new" / "out" / "per_class.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(trained.classes)
    assert sum(int(row["right"]) for row in rows) == int(found.metric.confusion.trace())


def test_labels_that_do_not_fit_are_one_line(trained: use_classes.Trained, data: Path) -> None:
    for labels in ("something", "real", "real=", "plain=x"):
        with pytest.raises(InputError, match="is none of auto, plain"):
            evaluation.ask(trained, Folder(str(data)), labels)
    with pytest.raises(InputError, match="--data FOLDER"):
        evaluation.ask(trained, Digits(), "subset")
    with pytest.raises(InputError, match="none of one, flip, ten"):
        evaluation.evaluate(trained, evaluation.ask(trained, Folder(str(data))).pictures, CPU, views="five")


def test_features_are_the_models_maps(trained: use_classes.Trained, data: Path) -> None:
    files = sorted((data / "val" / "red").iterdir())
    maps = trained.features(files, batch=3)
    assert [part.shape[0] for part in maps] == [4] * 4
    with torch.no_grad():
        expected = trained.model.features(torch.stack([trained.transform()(images.read(path)) for path in files]))
    for part, other in zip(maps, expected, strict=True):
        torch.testing.assert_close(part, other, rtol=1e-4, atol=1e-5)
    assert trained.features(images.read(files[0]))[-1].shape[0] == 1
    with pytest.raises(InputError, match="at least one picture"):
        trained.features([])


def test_damaged_pictures_are_left_out_in_one_process_and_in_two(weights: Path, tmp_path: Path) -> None:
    data = tiny.folders(tmp_path / "data", training=1, held_out=3)
    broken = data / "val" / "green" / "1.png"
    broken.write_bytes(broken.read_bytes()[:60])
    trained = use.load(weights)
    found = evaluation.evaluate(trained, evaluation.ask(trained, Folder(str(data))).pictures, CPU, batch=2)
    assert (found.counted, len(found.unreadable)) == (8, 1)
    assert "green/1.png" in found.unreadable[0]

    arguments = ["eval", weights, "--data", data, "--device", "cpu", "--workers", 0, "--batch", 4, "--json"]
    said = several.launch(2, "-m", "vitrail.cli.main", *map(str, arguments))
    assert not said[1]
    two = json.loads(said[0])
    for name, value in found.document().items():
        assert two[name] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), name
    for path in (data / "val").rglob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="None of the 9 pictures can be read"):
        evaluation.evaluate(trained, evaluation.ask(trained, Folder(str(data))).pictures, CPU)
