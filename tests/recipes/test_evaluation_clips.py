"""A classifier of clips measured: beside the dullest loop, in views, by every layout, damaged, in two processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("av", reason="the extra `video` is not installed")

import several
import vitrail
from small_clips import CLASSES, film, folder, kept, slowly
from vitrail.data import clip_batches
from vitrail.errors import InputError
from vitrail.recipes import evaluations
from vitrail.recipes.asking import Asked, Setting
from vitrail.recipes.evaluation import Evaluation
from vitrail.recipes.recipe import Data, Folder, Moving, Videos

SETTING = Setting(torch.device("cpu"), print, workers=0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("weights") / "one.safetensors")


def videos(root: Path, each: int = 3) -> Path:
    """Class folders, some of the videos shorter than a clip; the last class has none."""
    for number in range(2 * each):
        film(root / CLASSES[number % 2] / f"{number}.mp4", (20, 13, 5)[number % 3], seed=number)
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return videos(tmp_path_factory.mktemp("data"))


def measured(weights: Path, data: Path | str | None, said: Data | None = None, **asked: object) -> Evaluation:
    found = evaluations.measured(
        vitrail.load(weights),
        weights,
        data and str(data),
        said,
        Asked(**asked),
        SETTING,  # type: ignore[arg-type]
    )
    assert isinstance(found, Evaluation)
    return found


@pytest.mark.parametrize("views", ["one", "2x3"])
def test_numbers_are_those_of_the_dullest_loop(weights: Path, data: Path, views: str) -> None:
    trained, confusion, nats = vitrail.load(weights), torch.zeros(3, 3), 0.0
    paths = sorted(data.rglob("*.mp4"))
    for path in paths:
        target, count = CLASSES.index(path.parent.name), {0: 20, 1: 13, 2: 5}[int(path.stem) % 3]
        clips = 2 if views == "2x3" else 1
        free = max(count - 8, 0)
        firsts = [int((k + 0.5) * (free + 1) / clips) if free else 0 for k in range(clips)]
        crops = range(3) if views == "2x3" else [None]
        shares = torch.stack(
            [
                slowly(trained, path, [(first + 2 * t) % count for t in range(4)], crop)
                for first in firsts
                for crop in crops
            ]
        ).mean(0)
        confusion[target, int(shares.argmax())] += 1
        nats -= float(shares[target].log())
    found = measured(weights, data, views=views)
    document = found.document()
    assert document["confusion"] == confusion.tolist() and document["videos"] == 6
    assert document["top1"] == pytest.approx(float(confusion.diagonal().sum()) / 6)
    assert document["nll"] == pytest.approx(nats / 6, abs=5e-3) and 0 <= document["ece"] <= 1
    assert document["views"] == ("2x3" if views == "2x3" else "1x1")
    assert document["per_class"]["running"] is None
    for batch in (1, 4, 100):  # they change nothing
        assert measured(weights, data, views=views, batch=batch).document()["nll"] == pytest.approx(document["nll"])
    assert found.line().endswith("of 6 videos")
    assert found.tables()[0].titles == ("class", "videos", "top-1")
    assert len(found.tables(worst=1)[0].rows) == 1


def test_views_of_several_videos_are_not_in_memory_together(
    weights: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    plain = clip_batches.ClipBatches.join

    def join(self: clip_batches.ClipBatches, *arguments: object) -> clip_batches.ClipBatch:
        made = plain(self, *arguments)  # type: ignore[arg-type]
        seen.append((*made.images.shape[:2], made.images.element_size()))
        return made

    monkeypatch.setattr(clip_batches.ClipBatches, "join", join)
    measured(weights, data, views="4x3")
    assert seen == [(1, 12, 1)] * 6
    seen.clear()
    measured(weights, data, views="1x3", batch=7)
    assert seen == [(2, 3, 1)] * 3


def test_what_is_written_reads_back(weights: Path, data: Path, tmp_path: Path) -> None:
    found = measured(weights, data)
    found.write(tmp_path / "out", "one")
    names = {"evaluation.json", "per_class.csv", "confusion.png", "reliability.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == json.loads(json.dumps(found.document()))
    with open(tmp_path / "out" / "per_class.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["class"], row["videos"]) for row in rows] == [("falling", "3"), ("jumping", "3"), ("running", "0")]


def test_every_layout_is_measured_on_its_held_out_part(weights: Path, data: Path, tmp_path: Path) -> None:
    whole = measured(weights, data).document()
    lists = tmp_path / "lists"
    for path in sorted(data.rglob("*.mp4")):
        place = lists / "videos" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
    rows = [f"videos/{path.name} {CLASSES.index(path.parent.name)}" for path in sorted(data.rglob("*.mp4"))]
    (lists / "classes.txt").write_text("\n".join(CLASSES))
    (lists / "train.csv").write_text("videos/0.mp4 0\n")
    (lists / "val.csv").write_text("\n".join(rows))
    assert measured(weights, lists).document() == whole
    frames = tmp_path / "frames"
    trained, right = vitrail.load(weights), 0
    for number in range(4):
        folder(frames / "all" / str(number), 9, number)
        (told,) = trained.predict(frames / "all" / str(number), top=1)
        right += told[0][0] == CLASSES[number % 3]
    (frames / "val.txt").write_text("".join(f"all/{number} 9 {number % 3}\n" for number in range(4)))
    (frames / "train.txt").write_text("all/0 9 0\n")
    (frames / "classes.txt").write_text("\n".join(CLASSES))
    found = measured(weights, frames).document()
    assert found["videos"] == 4 and found["top1"] == pytest.approx(right / 4)


def test_what_a_run_held_out_is_what_it_is_measured_on(weights: Path, data: Path, tmp_path: Path) -> None:
    two = kept(tmp_path / "two.safetensors", CLASSES[:2])
    assert measured(two, None, Videos(str(data), held_out=0.34)).counted == 2
    assert measured(two, data).counted == 6
    motions = ["left", "right", "growing", "shrinking", "clockwise", "anticlockwise"]
    drawn = kept(tmp_path / "drawn.safetensors", motions)
    found = measured(drawn, None, Moving(24, frames=6))
    assert found.counted == 6 and found.document()["top5"] >= found.document()["top1"]
    assert measured(drawn, "moving", Moving(24, frames=6)).counted == 6
    for arguments, said in (
        ((weights, None), "--data FOLDER"),
        ((weights, None, Folder(str(data))), "says what videos show, and its data has none"),
        ((weights, "moving"), "this model has others"),
        ((kept(tmp_path / "s.safetensors", ["a", "b"]), data), "none of the 2 classes"),
        ((weights, tmp_path), "no videos that vitrail knows"),
    ):
        with pytest.raises(InputError, match=said):
            measured(*arguments)  # type: ignore[arg-type]
    for asked, said in (
        ({"labels": "plain"}, "--labels is not for a classifier of videos"),
        ({"top": 3}, "--top is not for"),
        ({"views": "ten"}, "wanted clips x crops"),
    ):
        with pytest.raises(InputError, match=said):
            measured(weights, data, **asked)


def test_damaged_videos_are_left_out_in_one_process_and_in_two(weights: Path, tmp_path: Path) -> None:
    root = videos(tmp_path / "data", 2)
    (root / "falling" / "2.mp4").write_bytes(b"no video")
    found = measured(weights, root, views="1x3")
    assert (found.counted, len(found.unreadable)) == (3, 1) and "2.mp4" in found.unreadable[0]
    assert found.line().endswith("of 3 videos, 1 unreadable")
    command = ["eval", weights, "--data", root, "--views", "1x3", "--device", "cpu", "--workers", 0, "--json"]
    first, second = several.launch(2, "-m", "vitrail.cli.main", *map(str, command))
    assert not second
    said, alone = json.loads(first), found.document()
    for name in ("nll", "ece"):  # summed in another order
        assert said.pop(name) == pytest.approx(alone.pop(name), rel=1e-5)
    assert said == alone
    for path in root.rglob("*.mp4"):
        path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="None of the 4 videos can be read"):
        measured(weights, root)
