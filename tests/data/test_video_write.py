"""A video written and opened again: its frames, their times, its rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="the extra `video` is not installed")

import films  # noqa: E402
from vitrail.data import video_write  # noqa: E402
from vitrail.data.video import VideoFile  # noqa: E402
from vitrail.errors import InputError  # noqa: E402

RATES = {"24000/1001": 24000 / 1001, "25": 25.0, "30000/1001": 30000 / 1001, "7.5": 7.5}


@pytest.mark.parametrize("rate", sorted(RATES))
@pytest.mark.parametrize("codec", ["libx264", "mpeg4", None])
def test_frames_rate_and_times_come_back(codec: str | None, rate: str, tmp_path: Path) -> None:
    film, each = films.numbered(20, 64, 72), RATES[rate]
    with open(tmp_path / "a.mp4", "wb") as file:
        video_write.write(file, ((at / each, frame) for at, frame in enumerate(film)), each, codec)
    one = VideoFile(tmp_path / "a.mp4")
    assert [films.number(frame) for frame in one.frames(range(20))] == list(range(20))
    assert one.seconds() == pytest.approx(np.arange(21) / each, abs=2e-5)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.height, stream.width, stream.pix_fmt) == (20, 64, 72, "yuv420p")
        assert float(stream.average_rate) == pytest.approx(each, rel=1e-4)
        assert stream.codec_context.name == ("mpeg4" if codec == "mpeg4" else "h264")


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.2, 15))
    times -= times[0]
    with open(tmp_path / "a.mp4", "wb") as file:
        video_write.write(file, zip(times, films.numbered(15), strict=True), 10)
    assert VideoFile(tmp_path / "a.mp4").seconds()[:-1] == pytest.approx(times, abs=1e-5)


def test_colours_and_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colour = np.asarray([200, 40, 90], dtype=np.uint8)
    with open(tmp_path / "a.mp4", "wb") as file:
        video_write.write(file, [(0.0, np.tile(colour, (32, 32, 1)))], 25)
    assert np.abs(VideoFile(tmp_path / "a.mp4").frames([0])[0].astype(int) - colour).max() <= 4
    assert video_write._there("mpeg4") and not video_write._there("no such codec")
    monkeypatch.setattr(video_write, "_there", lambda codec: codec == "mpeg4")
    with open(tmp_path / "b.mp4", "wb") as file:
        video_write.write(file, [(0.0, np.zeros((32, 32, 3), np.uint8))], 25)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    monkeypatch.setattr(video_write, "_there", lambda codec: False)
    with open(tmp_path / "c.mp4", "wb") as file, pytest.raises(InputError, match="encodes neither of libx264, mpeg4"):
        video_write.write(file, [], 25)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with open(tmp_path / "c.mp4", "wb") as file, pytest.raises(InputError, match=r"pip install 'vitrail\[video\]'"):
        video_write.write(file, [], 25)
