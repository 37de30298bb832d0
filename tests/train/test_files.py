"""A file is there whole or as it was before."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrail.train.files import replacing


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with pytest.raises(KeyError), replacing(path) as file:  # noqa: PT012
        file.write(b"half")
        raise KeyError
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["state"]
