"""Every layout of videos gives the same clips, and says in one line what it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vitrail.data import clip_layouts, clip_lists
from vitrail.data.clip_lists import Line
from vitrail.data.clip_set import Clips
from vitrail.data.video import VideoFile
from vitrail.data.video_folder import FrameFolder
from vitrail.errors import InputError


def put(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def shown(clips: Clips) -> list[tuple[str, str]]:
    return [(key, clips.classes[target]) for key, target in zip(clips.keys, clips.targets, strict=True)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("videos/a.mp4 3", Line("videos/a.mp4", "3")),
        ("videos/a b.MP4 3", Line("videos/a b.MP4", "3")),
        ("a,b.webm,playing the flute", Line("a,b.webm", "playing the flute")),
        ("a.b.avi\tplaying, loudly", Line("a.b.avi", "playing, loudly")),
        ('"a b.mov", "x y"', Line("a b.mov", "x y")),
        ("/far/away.mkv  -1", Line("/far/away.mkv", "-1")),
        ("frames/a 250 3", Line("frames/a", "3", 250)),
        ("frames/a b c 250 3", Line("frames/a b c", "3", 250)),
        ("frames/a,250,dance", Line("frames/a", "dance", 250)),
        ("frames/a.mp4 250 3", Line("frames/a.mp4", "3", 250)),
        ("cat/0001.jpg\t0", None),
        ("cat/0001.jpg 0", None),
        ("a.mp4", None),
        ("frames/a 0 3", None),
        ("frames/a many 3", None),
        ("label,youtube_id,time_start,time_end,split", None),
        ("", None),
    ],
)
def test_lines_are_understood(line: str, said: Line | None) -> None:
    assert clip_lists.parse(line) == said


def test_real_lists_are_read_whole(shared_data: Path) -> None:
    root = shared_data / "video" / "clips11"
    assert clip_layouts.find(root) == "lists"
    training, held_out = clip_layouts.open_split(root)
    assert (len(training), len(held_out)) == (96, 42)
    assert training.classes == held_out.classes == tuple((root / "classes.txt").read_text().split())
    for clips in (training, held_out):
        assert all(clips.classes[target] in key for key, target in zip(clips.keys, clips.targets, strict=True))
    video = training[0].video
    assert isinstance(video, VideoFile) and video.count() == 20
    again = clip_layouts.open_held_out(root, "auto", training.classes[::-1])
    assert [again.classes[t] for t in again.targets] == [held_out.classes[t] for t in held_out.targets]


def test_labels_are_numbers_or_names(tmp_path: Path) -> None:
    named = put(tmp_path / "a", {"train.csv": "x.mp4,run\ny.mp4,jump\n", "val.csv": "z.mp4,run\n"})
    training, held_out = clip_layouts.open_split(named)
    assert (shown(training), shown(held_out)) == ([("x.mp4", "run"), ("y.mp4", "jump")], [("z.mp4", "run")])
    assert training.classes == ("jump", "run")
    ordered = put(tmp_path / "b", {"train.csv": "x.mp4,run\ny.mp4,jump\n", "classes.txt": "run\njump\n"})
    assert clip_layouts.open_held_out(ordered, "auto", ("jump", "run")).classes == ("jump", "run")
    numbers = put(tmp_path / "c", {"k400_train_list_videos.txt": "x.mp4 1\ny.mp4 0\nv.mp4 1\nw.mp4 0\n"})
    training, held_out = clip_layouts.open_split(numbers, held_out=0.5)
    assert training.classes == ("0", "1")
    assert sorted(training.targets) == sorted(held_out.targets) == [0, 1]
    years = put(tmp_path / "d", {"train.csv": "x.mp4 1999\ny.mp4 2000\n", "classes.txt": "2000\n1999\n"})
    assert clip_layouts.open_held_out(years, "auto", ("2000", "1999")).targets == [1, 0]  # names that look like numbers


def test_paths_may_begin_in_a_folder_of_the_part(tmp_path: Path) -> None:
    lists = {"train.csv": "x.mp4 0\ny.mp4 1\n", "val.csv": "z.mp4 0\n", "train/x.mp4": "", "videos_val/z.mp4": ""}
    training, held_out = clip_layouts.open_split(put(tmp_path, lists))
    assert (training.keys, held_out.keys) == (["train/x.mp4", "train/y.mp4"], ["videos_val/z.mp4"])


def test_folders_of_frames_stand_with_their_number(tmp_path: Path) -> None:
    put(tmp_path, {"train.txt": "f/a 3 0\nf/b 2 1\n", "classes.txt": "run\njump\n"})
    for name, count in (("a", 3), ("b", 2)):
        (tmp_path / "f" / name).mkdir(parents=True)
        for number in range(1, count + 1):
            Image.new("RGB", (8, 6), (number, 0, 0)).save(tmp_path / "f" / name / f"img_{number:05}.png")
    clips = clip_layouts.open_held_out(tmp_path, "auto", ("run", "jump"))
    video = clips[0].video
    assert isinstance(video, FrameFolder) and video.count() == 3
    assert video.frames([2])[0, 0, 0, 0] == 3
    assert clips.chosen([1])[0].video.count() == 2
    assert clips.digest(0) != clips.digest(1)


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"train.csv": "x.mp4 0\n\ny\n"}, r"train.csv: line 3, 'y', is neither `video.mp4 CLASS`"),
        ({"train.csv": "x.mp4 0\nx.mp4 1\n"}, "x.mp4 is there twice"),
        ({"train.csv": "x.mp4 0\ny.mp4 2\n", "classes.txt": "a\nb\n"}, "class 2, wanted 0 to 1, as classes.txt names"),
        ({"train.csv": "x.mp4 0\ny.mp4 2\n"}, "no training video of class '1'"),
        (
            {"train.csv": "x.mp4 jog\n", "classes.txt": "jogging\nrun\n"},
            "'jog' is none of the 2 classes. Nearest: jogging",
        ),
        ({"train.csv": "x.mp4 0\nf 20 1\n"}, r"videos and folders of frames in one list \(x.mp4, f\)"),
        (
            {"train.csv": "x.mp4 a\n", "train_list.txt": "y.mp4 a\n"},
            "two lists for train, train.csv and train_list.txt",
        ),
        ({"train.csv": "x.mp4 a\nw.mp4 c\n", "val.csv": "y.mp4 b\n"}, "'b' is none of the 2 classes"),
        ({"train.csv": "f 20 0\n"}, "f: cannot be read"),
        ({"val.csv": "x.mp4 0\n"}, "holds val but no train"),
        ({"cats/x.jpg": ""}, "no videos that vitrail knows; wanted one of lists"),
        ({"a/x.mp4": "", "A/y.mp4": ""}, "two classes are called alike"),
        ({"train/a/x.mp4": ""}, "holds train/ but no val/"),
        ({"train/a/x.mp4": "", "val/b/y.mp4": ""}, "'b' is none of the 1 classes"),
        ({"a/x.mp4": "", "b/y.txt": ""}, "a class without a video"),
        ({"labels.json": '{"a": "1"}', "train.json": "[]"}, "1 classes whose numbers are not 0 to 0"),
        ({"labels.json": '["a"]', "train.json": "[]"}, 'wanted {"name of a class": "its number", ...}'),
        ({"labels.json": '{"a": "0"}', "train.json": "[]"}, "no video in it"),
        ({"labels.json": '{"a": "0"}', "train.json": "[1]"}, "entry 0 is not"),
        ({"labels.json": '{"a": "0"}', "train.json": "[[[["}, "cannot be read as JSON"),
        (
            {"labels.json": '{"a x": "0"}', "train.json": '[{"id": "1", "template": "a [y]"}]'},
            "'a y' is none of the 1 cl",
        ),
        (
            {"train.csv": "x.mp4 0\n", "labels.json": "{}", "train.json": "[]"},
            "fits several layouts, lists and something",
        ),
    ],
)
def test_data_that_cannot_be_used_says_so_in_one_line(files: dict[str, str], line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=line) as caught:
        clip_layouts.open_split(put(tmp_path, files))
    assert "\n" not in str(caught.value)


def test_class_folders_are_parted_or_taken_as_they_are(tmp_path: Path) -> None:
    names = {
        f"{name}/deep/{n}.{suffix}": "" for name in ("a", "b") for n, suffix in enumerate(("mp4", "webm", "AVI", "mov"))
    }
    whole = put(tmp_path / "whole", {**names, "a/.hidden.mp4": "", "a/notes.txt": ""})
    assert clip_layouts.find(whole) == "videos"
    assert clip_layouts.find(put(tmp_path / "pictures", {"a/1.jpg": "", "b/2.jpg": "", "b/3.mp4": ""})) is None
    assert clip_layouts.find(put(tmp_path / "words", {"a/1.txt": "", "b/2.json": ""})) is None
    training, held_out = clip_layouts.open_split(whole, held_out=0.25)
    assert sorted(training.keys + held_out.keys) == sorted(names)
    assert (len(training), len(held_out)) == (6, 2)
    assert clip_layouts.open_split(whole, held_out=0.25)[1].keys == held_out.keys
    assert clip_layouts.open_split(whole, held_out=0.25, seed=1)[1].keys != held_out.keys
    parted = put(tmp_path / "parted", {"train/a/1.mp4": "", "train/b/2.mp4": "", "val/b/3.mp4": ""})
    training, held_out = clip_layouts.open_split(parted)
    assert (shown(training), shown(held_out)) == ([("a/1.mp4", "a"), ("b/2.mp4", "b")], [("b/3.mp4", "b")])
    assert held_out.name(0) == str(parted / "val" / "b" / "3.mp4")
    assert clip_layouts.open_held_out(parted, "videos", ("b", "a")).targets == [0]


@pytest.mark.parametrize("long", [False, True])
def test_something_something_is_read_as_it_is_downloaded(long: bool, tmp_path: Path) -> None:
    labels = {"Holding something": "1", "Moving something and something": "0"}
    entry = lambda number, template: {"id": str(number), "label": "a cup", "template": template}  # noqa: E731
    parts = {
        "labels": labels,
        "train": [entry(5, "Holding [something]"), entry(6, "Moving [something] and [something]")],
        "validation": [entry(7, "Holding [something]")],
        "test": [{"id": "8"}],
    }
    pattern = "labels/{}.json" if not long else "something-something-v2-{}.json"
    put(tmp_path, {pattern.format(name): json.dumps(part) for name, part in parts.items()})
    put(tmp_path, {"20bn-something-something-v2/5.webm": ""})
    assert clip_layouts.find(tmp_path) == "something"
    training, held_out = clip_layouts.open_split(tmp_path)
    assert training.classes == ("Moving something and something", "Holding something")
    assert training.keys == [f"20bn-something-something-v2/{n}.webm" for n in (5, 6)]
    assert (training.targets, held_out.targets) == ([1, 0], [1])
    assert clip_layouts.open_held_out(tmp_path, "auto", training.classes[::-1]).targets == [0]


def test_a_layout_of_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="layout='list' is none of auto, lists, videos, something. Nearest: lists"):
        clip_layouts.open_split(tmp_path, "list")
