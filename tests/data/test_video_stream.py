"""Frames in order, one at a time: the same bits as frames by number, and when each is shown."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="the extra `video` is not installed")

import films  # noqa: E402
from vitrail.data import moving, video, video_stream  # noqa: E402
from vitrail.data.video import VideoFile  # noqa: E402
from vitrail.data.video_folder import open_folder  # noqa: E402
from vitrail.data.video_frames import shrunk  # noqa: E402
from vitrail.errors import InputError  # noqa: E402

KINDS = {  # suffix, encoder, options: times that are out of order, none, and key frames few and many
    "h264": ("mp4", "libx264", {"g": "12", "bf": "3", "preset": "fast"}),
    "h264 without times": ("avi", "libx264", {"g": "12", "bf": "2", "preset": "fast"}),
    "vp9": ("webm", "libvpx-vp9", {"g": "20", "cpu-used": "8"}),
}
SAME = lambda size: size  # noqa: E731


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("cover", [None, (20, 20)])
def test_they_are_the_frames_by_number(kind: str, cover: tuple[int, int] | None, tmp_path: Path) -> None:
    suffix, codec, options = KINDS[kind]
    one = VideoFile(films.write(tmp_path / f"a.{suffix}", films.numbered(40), codec, options=options), threads=2)
    for wanted in (range(40), [0, 2, 4, 31], [39]):
        found = list(video_stream.in_order(one, wanted, partial(shrunk, cover=cover)))
        assert [number for number, _ in found] == list(wanted)
        assert np.array_equal(np.stack([frame for _, frame in found]), one.frames(wanted, cover))


def test_frames_are_decoded_as_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, decoded, plain = films.write(tmp_path / "a.mp4", films.numbered(60)), 0, video._decoded

    def counted(*arguments: object):
        nonlocal decoded
        for frame in plain(*arguments):
            decoded += 1
            yield frame

    monkeypatch.setattr(video, "_decoded", counted)
    frames = VideoFile(path).stream(range(50), SAME)
    for number in range(0, 50, 10):
        while next(frames)[0] < number:
            pass
        assert decoded == number + 1
    assert len(list(frames)) == 9 and decoded == 50  # none after the last


@pytest.mark.parametrize("turned", [(90, False, False), (180, True, False), (270, False, True)])
def test_they_stand_upright_and_fit_what_is_asked(turned: tuple[int, bool, bool], tmp_path: Path) -> None:
    one = VideoFile(films.write(tmp_path / "a.mov", films.numbered(3), turned=turned))
    plain, seen = one.frames([1])[0], []

    def fit(size: tuple[int, int]) -> tuple[int, int]:
        seen.append(size)
        return size[0] // 2, size[1] // 2

    assert np.array_equal(next(one.stream([1], SAME))[1], plain)
    small = [frame for _, frame in one.stream([0, 1, 2], fit)]
    assert seen == [plain.shape[:2]]
    assert {frame.shape[:2] for frame in small} == {(plain.shape[0] // 2, plain.shape[1] // 2)}
    box = np.asarray(Image.fromarray(plain).reduce(2)).astype(int)
    assert np.abs(small[1] - box).mean() < 6


def test_a_frame_that_is_not_there_is_said_when_its_turn_comes(shared_data: Path) -> None:
    one = VideoFile(shared_data / "video" / "awkward" / "corrupted.mp4")
    got = []
    with pytest.raises(InputError, match=r"corrupted\.mp4: ") as caught:
        got += [number for number, _ in one.stream(range(one.count()), partial(shrunk, cover=(90, 90)))]
    assert "\n" not in str(caught.value)


def test_times_are_those_of_the_file(tmp_path: Path) -> None:
    even = VideoFile(films.write(tmp_path / "a.mp4", films.numbered(5), rate=10))
    assert even.seconds() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    counted = VideoFile(films.write(tmp_path / "b.avi", films.numbered(5), "libx264", options={"bf": "2"}, rate=10))
    assert counted.index().times is None and counted.seconds() == pytest.approx(np.arange(6) / 10)
    path = tmp_path / "uneven.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 1000)
        stream.height, stream.width, stream.pix_fmt = 40, 72, "yuv420p"
        for milliseconds, pixels in zip((500, 540, 700, 740), films.numbered(4), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts = milliseconds
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert VideoFile(path).seconds() == pytest.approx([0, 0.04, 0.2, 0.24, 0.28])
    assert VideoFile(films.write(tmp_path / "c.mp4", films.numbered(1), rate=10)).seconds() == pytest.approx([0, 0.1])


def test_folders_of_frames_and_drawn_clips(tmp_path: Path) -> None:
    for number, pixels in enumerate(films.numbered(12)):
        image = Image.fromarray(pixels)
        (image.resize((80, 44)) if number == 5 else image).save(tmp_path / f"f_{number:03d}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    one = open_folder(tmp_path)
    assert one.count() == 12 and video_stream.seconds(one) is None
    for cover in (None, (20, 20)):
        found = list(video_stream.in_order(one, [0, 4, 5, 11], partial(shrunk, cover=cover)))
        assert np.array_equal(np.stack([frame for _, frame in found]), one.frames([0, 4, 5, 11], cover))
    (tmp_path / "f_007.png").unlink()
    with pytest.raises(InputError, match="f_007.png"):
        list(video_stream.in_order(open_folder(tmp_path), range(12), SAME))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no frames; wanted pictures such as"):
        open_folder(tmp_path / "none")
    drawn = moving.Moving(2, 6).video(0)
    frames = [frame for _, frame in video_stream.in_order(drawn, range(6), SAME)]
    assert np.array_equal(np.stack(frames), drawn.frames(range(6))) and video_stream.seconds(drawn) is None
