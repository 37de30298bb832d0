"""A classifier of clips in use: beside a slow loop over frames, as time goes on, and what it draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

av = pytest.importorskip("av", reason="the extra `video` is not installed")

import vitrail  # noqa: E402
from small_clips import CLASSES, film, folder, kept, slowly  # noqa: E402
from vitrail.data.clip_settings import ClipPreprocessing, Sampling, views_of  # noqa: E402
from vitrail.data.video import VideoFile  # noqa: E402
from vitrail.errors import InputError  # noqa: E402
from vitrail.recipes import use, use_clips  # noqa: E402
from vitrail.recipes.asking import Asked  # noqa: E402
from vitrail.recipes.use_clips import TrainedClips  # noqa: E402
from vitrail.tasks import recognise_time  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("weights") / "one.safetensors")


@pytest.fixture(scope="module")
def trained(weights: Path) -> TrainedClips:
    opened = vitrail.load(weights)
    assert isinstance(opened, TrainedClips)
    return opened


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("films") / "a.mp4")


def test_it_is_opened_as_what_it_is(trained: TrainedClips, tmp_path: Path) -> None:
    assert trained.classes == tuple(CLASSES) and trained.size == (32, 32)
    assert trained.preprocessing == ClipPreprocessing(sampling=Sampling(4, 2))
    silent = vitrail.load(kept(tmp_path / "silent.safetensors", note="nothing said"))
    assert silent.preprocessing.sampling == Sampling(4, 2)  # the usual interval, the length that was built
    for said, message in (({"sampling": {"length": 8}}, "8 frames and its model was built for 4"), ({"x": 1}, "x")):
        with pytest.raises(InputError, match=message):
            vitrail.load(kept(tmp_path / "bad.safetensors", preprocessing=said))


def test_averaged_views_are_those_of_a_slow_loop(trained: TrainedClips, video: Path) -> None:
    span, count = 8, 30
    firsts = [int((k + 0.5) * (count - span + 1) / 2) for k in range(2)]
    views = [slowly(trained, video, [first + 2 * t for t in range(4)], crop) for first in firsts for crop in range(3)]
    assert torch.stack(views).std(0).max() > 0.02  # views that are alike would show nothing
    found = trained.shares(VideoFile(video), "2x3")
    torch.testing.assert_close(found, torch.stack(views).mean(0), atol=2e-3, rtol=0)
    once = slowly(trained, video, [11 + 2 * t for t in range(4)])
    torch.testing.assert_close(trained.shares(VideoFile(video)), once, atol=2e-3, rtol=0)
    (told,) = trained.predict(video, top=2, views="2x3")
    best = found.sort(descending=True)
    assert told == [(CLASSES[k], pytest.approx(float(p))) for p, k in zip(*(each[:2] for each in best), strict=True)]
    assert trained.predict([str(video), VideoFile(video)]) == trained.predict([video]) * 2


def test_windows_slide_over_all_of_a_video(trained: TrainedClips, video: Path) -> None:
    found = trained.over_time(video)
    firsts = [0, 4, 8, 12, 16, 20, 22]
    assert found.spans == tuple((first, first + 8) for first in firsts)
    assert found.unit == "seconds" and found.clock == pytest.approx(np.arange(31) / 25)
    assert found.middles == pytest.approx([(first + 4) / 25 for first in firsts])
    for first, shares in zip(firsts, found.shares, strict=True):
        once = slowly(trained, video, [first + 2 * t for t in range(4)])
        torch.testing.assert_close(torch.from_numpy(shares), once, atol=2e-3, rtol=0)
    times = np.linspace(-1, 2, 40)
    plain = np.stack([np.interp(times, found.middles, column) for column in found.shares.T], 1)
    assert found.at(times) == pytest.approx(plain, abs=1e-6)
    assert trained.over_time(video, step=11).spans == ((0, 8), (11, 19), (22, 30))


def test_a_short_video_and_a_folder_of_frames_are_one_window_or_several(trained: TrainedClips, tmp_path: Path) -> None:
    short, frames = film(tmp_path / "s.webm", 5, codec="libvpx"), folder(tmp_path / "frames")
    found = trained.over_time(short)
    assert found.spans == ((0, 5),)
    assert found.shares[0] == pytest.approx(trained.shares(VideoFile(short)).numpy(), abs=1e-6)
    found = trained.over_time(frames)
    assert (found.unit, list(found.clock)) == ("frames", list(range(13)))
    assert found.spans == ((0, 8), (4, 12)) and list(found.middles) == [4, 8]
    once = slowly(trained, frames, [4, 6, 8, 10])
    torch.testing.assert_close(torch.from_numpy(found.shares[1]), once, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("count", "span", "step", "firsts"),
    [(1, 8, 4, [0]), (8, 8, 4, [0]), (9, 8, 4, [0, 1]), (16, 8, 4, [0, 4, 8]), (17, 8, 4, [0, 4, 8, 9])],
)
def test_windows_leave_no_frame_out(count: int, span: int, step: int, firsts: list[int]) -> None:
    found = recognise_time.windows(count, span, step)
    assert [first for first, _ in found] == firsts
    assert {at for first, behind in found for at in range(first, behind)} == set(range(count))


def test_few_frames_are_in_memory_however_long_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    plain = recognise_time.video_stream.in_order

    def in_order(*arguments: object):
        for number, frame in plain(*arguments):
            decoded.append(number)
            yield number, frame

    monkeypatch.setattr(recognise_time.video_stream, "in_order", in_order)
    path = film(tmp_path / "long.mp4", 150)
    spans = recognise_time.windows(150, 8, 4)
    clips = recognise_time._clips(VideoFile(path), spans, Sampling(4, 2), (32, 32), 0.875)
    for (first, _), clip in zip(spans, clips, strict=True):
        assert clip.shape == (3, 4, 32, 32)
        assert decoded[-1] == first + 6  # nothing is decoded before it is needed
        held = clips.gi_frame.f_locals["kept"]
        assert len(held) <= 5 and min(held) >= first
    assert decoded == sorted(set(decoded))  # each once, in order
    assert len(decoded) > 70


def test_answers_tell_when(trained: TrainedClips, video: Path, tmp_path: Path) -> None:
    frames = folder(tmp_path / "frames")
    answers = use.answer(trained, [video, frames], Asked(top=2, views="1x3"))
    one, other = answers.document()
    assert (one["file"], one["frames"], one["seconds"], one["unit"]) == (str(video), 30, pytest.approx(1.2), "seconds")
    assert (other["frames"], other["seconds"], other["unit"]) == (12, None, "frames")
    assert [(each["start"], each["end"]) for each in other["timeline"]] == [(0, 8), (4, 12)]
    assert [each["start"] for each in one["timeline"]] == pytest.approx([k / 25 for k in (0, 4, 8, 12, 16, 20, 22)])
    assert [each["end"] for each in one["timeline"]] == pytest.approx([k / 25 for k in (8, 12, 16, 20, 24, 28, 30)])
    (told,) = trained.predict(video, 2, "1x3")
    assert [(each["name"], each["probability"]) for each in one["classes"]] == [
        (name, pytest.approx(share)) for name, share in told
    ]
    assert all(len(each["classes"]) == 2 for each in one["timeline"])
    name, share = told[0]
    assert answers.lines()[0].startswith(f"{video}   {name} {100 * share:.1f} %   ")


def test_classes_that_lead_longest_come_first() -> None:
    shares = np.asarray([[0.5, 0.1, 0.4], [0.5, 0.1, 0.4], [0.0, 0.9, 0.1], [0.45, 0.1, 0.45]])
    assert use_clips.leading(shares, 2) == [0, 1] and use_clips.leading(shares, 9) == [0, 1, 2]


@pytest.mark.parametrize(("turned", "size"), [(None, (266, 480)), ((90, False, False), (480, 266))])
def test_the_annotated_video_has_the_frames_of_the_first(
    trained: TrainedClips, tmp_path: Path, turned: tuple | None, size: tuple[int, int]
) -> None:
    source = film(tmp_path / "a.mov", 14, rate=12, turned=turned)
    answers = use.answer(trained, [source], Asked(out=tmp_path / "b.mp4"))
    answers.draw(tmp_path / "b.mp4", "it")
    made, given = VideoFile(tmp_path / "b.mp4"), VideoFile(source)
    with av.open(str(tmp_path / "b.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.frames, float(stream.average_rate), stream.pix_fmt) == (14, 12.0, "yuv420p")
        assert (stream.height, stream.width) == size
    assert made.seconds() == pytest.approx(given.seconds(), abs=1e-4)
    for number in (0, 7, 13):  # above the panel it is the same frame, upright
        shown, plain = made.frames([number])[0], given.frames([number])[0]
        small = np.asarray(Image.fromarray(shown).resize(plain.shape[1::-1], Image.Resampling.BOX)).astype(int)
        half = len(plain) // 2
        assert np.abs(small[:half] - plain[:half]).mean() < 14
        assert np.abs(small[-half // 2 :] - plain[-half // 2 :]).mean() > 28
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mov", "b.mp4"]


def test_drawings_of_one_of_several_and_of_each(trained: TrainedClips, video: Path, tmp_path: Path) -> None:
    frames = folder(tmp_path / "in" / "a")
    files = [video, frames]
    for name, asked in (("one.png", files[:1]), ("rows.png", files)):
        use.answer(trained, asked, Asked(out=tmp_path / name)).draw(tmp_path / name, "it")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "rows.png") as rows:
        assert rows.height > 1.7 * one.height
    use.answer(trained, files, Asked(out=tmp_path / "new")).draw(tmp_path / "new", "it")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a-2.mp4", "a-2.png", "a.mp4", "a.png"]
    with av.open(str(tmp_path / "new" / "a-2.mp4")) as container:
        assert (container.streams.video[0].frames, float(container.streams.video[0].average_rate)) == (12, 25.0)


def test_what_is_gathered(trained: TrainedClips, weights: Path, tmp_path: Path) -> None:
    film(tmp_path / "all" / "deep" / "b.webm", 3, codec="libvpx")
    film(tmp_path / "all" / "a.MP4", 3)
    Image.new("RGB", (8, 8)).save(tmp_path / "all" / "cover.png")
    found = use.gather(trained, [tmp_path / "all"])
    assert [path.name for path in found] == ["a.MP4", "b.webm"]
    (tmp_path / "many").mkdir()
    frames = [folder(tmp_path / "many" / name, 3) for name in ("x", "y")]
    assert use.gather(trained, [frames[0], tmp_path / "many"]) == [frames[0], *frames]
    (tmp_path / "none").mkdir()
    for path, said in (
        (tmp_path / "all" / "cover.png", "is a picture, and this model looks at videos"),
        (tmp_path / "none", "no videos in it"),
        (tmp_path / "gone.mp4", "no such file"),
    ):
        with pytest.raises(InputError, match=said):
            use.gather(trained, [path])
    pictures = use.Trained(torch.nn.Identity(), (), (8, 8), None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is a video, and this model looks at pictures"):
        use.gather(pictures, [tmp_path / "all" / "a.MP4"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"views": "ten"}, "wanted clips x crops"),
        ({"views": "0x3"}, "wanted clips x crops"),
        ({"views": "40x4"}, "are 160; wanted 120 at most"),
        ({"score": 0.5}, "--score is not for a classifier of videos; it takes --top, --views, --out"),
        ({"tile": 8}, "--tile is not for"),
        ({"out": "gone/x.png"}, "in a folder that exists"),
        ({"out": "x.avi"}, r"wanted a .png file, an .mp4 file or a folder"),
        ({"out": "a.mp4"}, "is a video that is asked about"),
        ({"out": "words/x"}, "words is a file"),
        ({"out": "."}, "a.mp4 is a video that is asked about"),
    ],
)
def test_choices_that_cannot_be_are_one_line(
    trained: TrainedClips, tmp_path: Path, asked: dict[str, object], said: str
) -> None:
    path = film(tmp_path / "a.mp4", 3)
    (tmp_path / "words").write_text("words")
    before = path.read_bytes()
    if "out" in asked:
        asked = {"out": tmp_path / str(asked["out"])}
    with pytest.raises(InputError, match=said) as caught:
        use.answer(trained, [path], Asked(**asked))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.mp4", "words"] and path.read_bytes() == before


def test_videos_that_cannot_be_read_are_one_line_and_nothing_is_written(
    trained: TrainedClips, video: Path, tmp_path: Path
) -> None:
    words, gaps = tmp_path / "words.mp4", folder(tmp_path / "gaps")
    words.write_text("no video")
    (gaps / "img_00009.png").unlink()
    before = sorted(tmp_path.iterdir())
    for path, name in ((words, "words.mp4"), (gaps, "img_00009.png")):
        for out in (None, tmp_path / "x.png", tmp_path / "x.mp4", tmp_path / "new"):
            with pytest.raises(InputError, match=name) as caught:
                use.answer(trained, [path], Asked(out=out)).document()
            assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="is for one video, and these are 2"):
        use.answer(trained, [video, gaps], Asked(out=tmp_path / "x.mp4"))
    assert sorted(tmp_path.iterdir()) == before


def test_a_video_that_breaks_off_while_it_is_written_leaves_nothing(
    trained: TrainedClips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = film(tmp_path / "a.mp4", 12), tmp_path / "b.mp4"
    out.write_bytes(b"earlier")
    answers = use.answer(trained, [source], Asked(out=out))
    plain = use_clips.video_stream.in_order

    def breaking(*arguments: object):
        for number, frame in plain(*arguments):
            if number == 7:
                raise InputError("a.mp4: frame 7 of 12 cannot be decoded.")
            yield number, frame

    monkeypatch.setattr(use_clips.video_stream, "in_order", breaking)
    with pytest.raises(InputError, match="frame 7"):
        answers.draw(out, "it")
    assert out.read_bytes() == b"earlier" and sorted(each.name for each in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_views_are_clips_times_crops() -> None:
    found = [views_of(text) for text in ("4x3", "one", "10X1")]
    assert [(views.clips, views.crops) for views in found] == [(4, 3), (1, 1), (10, 1)]
