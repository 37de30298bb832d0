"""Frames by number: each is the frame with that number, upright, whatever the file; or one line says why not."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

import films
from vitrail.data import video, video_frames, video_index
from vitrail.data.video import VideoFile
from vitrail.errors import InputError

av = pytest.importorskip("av", reason="the extra `video` is not installed")

COUNT = 60
KINDS = {  # suffix, encoder, options
    "h264": ("mp4", "libx264", {"g": "12", "bf": "3", "preset": "fast"}),
    "h264 open": ("mkv", "libx264", {"g": "12", "bf": "3", "x264-params": "open-gop=1"}),
    "h264 without times": ("avi", "libx264", {"g": "12", "bf": "2", "preset": "fast"}),
    "hevc": ("mp4", "libx265", {"x265-params": "keyint=12:min-keyint=12:bframes=3:open-gop=1:log-level=none"}),
    "vp8": ("webm", "libvpx", {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "realtime"}),
    "vp9": ("webm", "libvpx-vp9", {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "25", "cpu-used": "8"}),
    "vp9 streamed": ("webm", "libvpx-vp9", {"g": "20", "cpu-used": "8"}),
    "av1": ("mp4", "libsvtav1", {"g": "20", "preset": "12", "svtav1-params": "lp=1"}),
    "mpeg4": ("avi", "mpeg4", {"g": "12"}),
    "mpeg4 with b": ("avi", "mpeg4", {"g": "12", "bf": "2"}),
    "mjpeg": ("mov", "mjpeg", {}),
}


def kind(name: str) -> tuple[str, str, dict[str, str]]:
    return KINDS[name]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of each kind, made when first asked for."""
    folder = tmp_path_factory.mktemp("films")

    class Made(dict):
        def __missing__(self, name: str) -> Path:
            suffix, codec, options = kind(name)
            pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            live = {"live": "1"} if name.endswith("streamed") else None  # neither duration nor an index
            path = folder / f"{name}.{suffix}"
            self[name] = films.write(path, films.numbered(COUNT), codec, pixels, options, container_options=live)
            return self[name]

    return Made()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_frame_asked_for_is_the_frame_with_that_number(name: str, made: dict[str, Path]) -> None:
    one = VideoFile(made[name])
    assert one.count() == COUNT
    whole = one.frames(range(COUNT))
    assert [films.number(frame) for frame in whole] == list(range(COUNT))
    dice = random.Random(0)
    for count in (1, 1, 2, 5):
        wanted = [dice.randrange(COUNT) for _ in range(count)]
        assert np.array_equal(one.frames(wanted), whole[wanted]), wanted  # the same bits, however they were come by
    assert np.array_equal(one.frames([COUNT - 1, 0, 0]), whole[[COUNT - 1, 0, 0]])


def test_seeking_spares_decoding(made: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0
    plain = video._decoded

    def counted(*arguments: object):
        nonlocal decoded
        for frame in plain(*arguments):
            decoded += 1
            yield frame

    monkeypatch.setattr(video, "_decoded", counted)
    assert films.number(VideoFile(made["h264"]).frames([50])[0]) == 50
    assert decoded <= 12
    decoded = 0
    assert len(VideoFile(made["h264"]).frames(range(0, COUNT, 2))) == 30
    assert decoded < COUNT - 5  # frames between that no other refers to


def test_packets_tell_frames_times_and_keys() -> None:
    def packets(*rows: tuple[int | None, bool, int]) -> list[object]:
        class Packet(bytes):
            def __new__(cls, pts: int | None, key: bool, head: int):
                one = super().__new__(cls, [head])
                one.pts, one.is_keyframe, one.is_discard, one.size = pts, key, False, 1
                return one

        return [Packet(*row) for row in rows]

    def no() -> int:
        raise AssertionError

    stored = packets((0, True, 16), (30, False, 16), (10, False, 16), (20, True, 16), (21, False, 0))
    index = video_index.read(stored, "h264", False, no, "a")
    assert index.count == 5
    assert [index.time(n) for n in range(5)] == [0, 10, 20, 21, 30]
    assert [index.key_before(n) for n in range(5)] == [0, 0, 2, 2, 2]
    assert [index.number(time) for time in (20, 22, None, 31)] == [2, None, None, None]
    assert video_index.read(stored, "vp8", False, no, "a").count == 4  # the last one is never shown
    for untold in (
        packets((0, True, 0), (None, False, 0)),
        packets((0, True, 0), (0, False, 0)),
        packets((3, False, 0)),
    ):
        assert video_index.read(untold, "h264", False, lambda: 7, "a").times is None
    assert video_index.read(stored, "h264", True, lambda: 7, "a").count == 7
    with pytest.raises(InputError, match="a: no frame in it"):
        video_index.read([], "h264", False, no, "a")


def test_a_jump_that_lands_too_late_is_made_good(made: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    late = lambda self, frame: min(frame + 12, self.count - 1) // 12 * 12  # noqa: E731
    monkeypatch.setattr(video_index.Index, "key_before", late)
    assert [films.number(frame) for frame in VideoFile(made["h264"]).frames([3, 20, 31])] == [3, 20, 31]


@pytest.mark.parametrize("name", ["h264", "hevc", "vp9"])
def test_threads_change_nothing(name: str, made: dict[str, Path]) -> None:
    wanted = [2, 30, 31, 59]
    assert np.array_equal(VideoFile(made[name], threads=3).frames(wanted), VideoFile(made[name]).frames(wanted))


OUTCOMES = {  # frames, upright height and width; or a word of why not
    "corrupted.mp4": "not a readable video",
    "h264_10bits.mp4": (30, 200, 200),
    "h265_video.mp4": (10, 128, 128),
    "no_duration.webm": (74, 720, 1280),
    "transparent.webm": (150, 200, 200),
    "video_90.mov": (3, 568, 320),
}


def test_awkward_files_decode_upright_or_fail_in_one_line(shared_data: Path) -> None:
    folder = shared_data / "video" / "awkward"
    assert sorted(path.name for path in folder.iterdir()) == sorted(OUTCOMES)
    for name, outcome in OUTCOMES.items():
        one = VideoFile(folder / name)
        if isinstance(outcome, str):
            for ask in (one.about, lambda one=one: one.frames(range(one.count()))):
                with pytest.raises(InputError, match=outcome) as caught:
                    ask()
                assert name in str(caught.value) and "\n" not in str(caught.value)
            continue
        with av.open(str(folder / name)) as container:  # the plain way: every frame, turned by PyAV's own angle
            plain = [
                np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90) for frame in container.decode(video=0)
            ]
        step = max(len(plain) // 8, 1)
        assert (one.count(), *plain[0].shape[:2]) == outcome
        assert np.array_equal(one.frames(range(0, len(plain), step)), np.stack(plain[::step]))
        about = one.about()
        assert (about.count, *about.middle.shape[:2]) == outcome
        assert np.array_equal(about.middle, plain[len(plain) // 2])


def test_frames_before_the_damage_can_be_had(shared_data: Path) -> None:
    one = VideoFile(shared_data / "video" / "awkward" / "corrupted.mp4")
    assert one.frames([0, 5], cover=(90, 90)).shape == (2, 90, 160, 3)


@pytest.mark.parametrize("upended", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_every_orientation_is_undone(degrees: int, mirrored: bool, upended: bool, tmp_path: Path) -> None:
    """The file's matrix is taken as it stands, row vectors times matrix, on the corners of the picture."""
    stored = np.zeros((2, 32, 48, 3), dtype=np.uint8)
    stored[:, :16, :24], stored[:, :16, 24:], stored[:, 16:, :24] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    path = films.write(tmp_path / "a.mp4", stored, "libx264", turned=(degrees, mirrored, upended))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        side = [bytes(one) for one in frame.side_data if one.type.name == "DISPLAYMATRIX"]
        matrix = np.frombuffer(side[0], dtype="=i4").reshape(3, 3)[:2, :2] / 65536 if side else np.eye(2)
        plain = frame.to_ndarray(format="rgb24")
    assert np.array_equal(np.abs(matrix).round(), np.eye(2) if degrees % 180 == 0 else np.eye(2)[::-1])
    shown = VideoFile(path).frames([0])[0]
    centre = lambda size: np.asarray([(size[1] - 1) / 2, (size[0] - 1) / 2])  # noqa: E731
    for x, y in ((5, 5), (40, 5), (5, 25), (40, 25)):
        there = (np.asarray([x, y]) - centre(plain.shape)) @ matrix + centre(shown.shape)
        column, row = there.round().astype(int)
        assert np.array_equal(shown[row, column], plain[y, x]), (x, y, column, row)


@pytest.mark.parametrize(
    ("size", "cover", "new"),
    [
        ((40, 72), None, (40, 72)),
        ((40, 72), (20, 20), (20, 36)),
        ((40, 72), (20, 40), (22, 40)),
        ((40, 72), (20, 49), (40, 72)),
        ((40, 72), (80, 80), (40, 72)),
    ],
)
def test_a_video_is_shrunk_as_long_as_it_covers(size, cover, new, made: dict[str, Path]) -> None:
    assert video_frames.shrunk(size, cover) == new
    one = VideoFile(made["h264"])
    small, large = one.frames([7], cover)[0], one.frames([7])[0].astype(float)
    assert small.shape[:2] == new
    assert abs(small.mean() - large.mean()) < 2


def test_colours_are_those_that_were_written(tmp_path: Path) -> None:
    colour = np.asarray([200, 40, 90], dtype=np.uint8)
    path = films.write(tmp_path / "a.mp4", np.tile(colour, (3, 32, 32, 1)))
    assert np.abs(VideoFile(path).frames([1])[0].astype(int) - colour).max() <= 3


def test_limits_hold_before_memory_is_taken(made: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    one = VideoFile(made["h264"])
    with monkeypatch.context() as patch:
        patch.setattr(video_frames, "MOST_BYTES", 72 * 40 * 3 * 5)
        assert len(one.frames(range(5))) == 5
        with pytest.raises(InputError, match="6 frames of 72 x 40 are more than the limit"):
            one.frames(range(6))
        with pytest.raises(InputError, match="6 frames of 72 x 40 are more than the limit"):
            one.frames([0] * 6)
    with monkeypatch.context() as patch:
        patch.setattr(video_frames, "MOST_PIXELS", 100)
        with pytest.raises(InputError, match="72 x 40 pixels are more than the limit of 100"):
            one.frames([0])
    monkeypatch.setattr(video_index, "MOST_FRAMES", 10)
    monkeypatch.setattr(video, "_indices", video_index.Remembered())
    with pytest.raises(InputError, match="more than 10 frames"):
        one.count()


def _broken(folder: Path, made: dict[str, Path]) -> dict[str, Path]:
    """Files that are no video, or half of one."""
    content = made["h264"].read_bytes()
    written = {
        "empty.mp4": b"",
        "words.mp4": b"this is no video\n" * 50,
        "half.mp4": content[: len(content) // 2],  # its index stood at the end
        "head.webm": made["vp9"].read_bytes()[:200],
        "list.mp4": f"#EXTM3U\n#EXTINF:10,\n{made['h264']}\n#EXT-X-ENDLIST\n".encode(),
        "join.mp4": f"ffconcat version 1.0\nfile '{made['h264']}'\n".encode(),
    }
    for name, bytes_ in written.items():
        (folder / name).write_bytes(bytes_)
    return {name: folder / name for name in written}


def test_what_is_no_video_fails_in_one_line_that_names_it(tmp_path: Path, made: dict[str, Path]) -> None:
    broken = _broken(tmp_path, made)
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    sound = tmp_path / "sound.mkv"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", 8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
    other = films.write(tmp_path / "other.mkv", films.numbered(3), "ffv1")
    paths = [*broken.values(), tmp_path / "pipe.mp4", tmp_path / "folder.mp4", tmp_path / "none.mp4", sound, other]
    for path in paths:
        for ask in (VideoFile(path).count, VideoFile(path).about, lambda path=path: VideoFile(path).frames([0])):
            with pytest.raises(InputError) as caught:
                ask()
            assert path.name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(InputError, match="is coded as ffv1; wanted one of h264"):
        VideoFile(other).count()
    with pytest.raises(InputError, match="holds no pictures"):
        VideoFile(sound).count()


def test_numbers_that_are_no_frame_are_refused(made: dict[str, Path]) -> None:
    for wanted in ([], [-1], [COUNT], [0, 99]):
        with pytest.raises(InputError, match="wanted some of its frames 0 to 59"):
            VideoFile(made["h264"]).frames(wanted)


def test_a_file_that_has_changed_is_looked_through_again(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    films.write(path, films.numbered(5))
    assert VideoFile(path).count() == 5
    films.write(path, films.numbered(9))
    os.utime(path, ns=(1, 1))
    assert VideoFile(path).count() == 9


def test_few_indices_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_index, "KEPT", 2)
    made: list[int] = []
    kept = video_index.Remembered()

    def make(number: int) -> video_index.Index:
        made.append(number)
        return video_index.Index(number, None, np.empty(0))

    for number in (1, 2, 1, 3, 1, 2):
        assert kept.get(number, lambda number=number: make(number)).count == number
    assert made == [1, 2, 3, 2]  # 2 was the one not asked for longest when 3 came


def test_without_pyav_the_line_says_what_to_install(made: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'vitrail\[video\]'"):
        VideoFile(made["h264"]).about()
