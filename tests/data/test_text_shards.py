from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from vitrail.data.text_codes import Bytes, Characters
from vitrail.data.text_files import open_held_out, open_texts
from vitrail.data.text_set import Texts
from vitrail.data.text_shards import write
from vitrail.errors import InputError

WIDE = "".join(map(chr, range(0x4E00, 0x4E00 + 100)))


def texts(codes, *tokens: int) -> Texts:
    return Texts([np.array(tokens)], ["t"], codes, "t")


class Many(Bytes):
    """More tokens than 16 bits number."""

    vocabulary = 70_000


@pytest.mark.parametrize("codes", [Bytes(), Characters(WIDE), Many()])
def test_written_and_read(tmp_path, codes):
    tokens = np.random.default_rng(0).integers(codes.vocabulary, size=103)
    out = tmp_path / "packed"
    written = write(out, texts(codes, *tokens[:90]), texts(codes, *tokens[90:]), most=40)
    names = [f"train-0000{n}.safetensors" for n in (0, 1, 2)] + ["val-00000.safetensors"]
    assert [path.name for path in written] == names == sorted(path.name for path in out.iterdir())
    with safe_open(written[1], "numpy") as file:  # another reader than ours
        assert file.get_tensor("tokens").tolist() == tokens[40:80].tolist()
        assert file.get_tensor("tokens").dtype == (np.uint32 if codes.vocabulary > 2**16 else np.uint16)
    if not isinstance(codes, Many):
        training, held_out = open_texts(out)
        assert training.codes.document() == codes.document()
        assert training.read(0, 90).tolist() == tokens[:90].tolist()
        assert held_out.read(0, 13).tolist() == tokens[90:].tolist()
        assert all(isinstance(part, np.memmap) for part in training.parts)
        assert open_held_out(out, codes).read(0, 13).tolist() == tokens[90:].tolist()


def test_shards_and_files_give_the_same_batches(tmp_path):
    (tmp_path / "a.txt").write_text("to be or not to be, that is the question " * 20)
    fresh = open_texts(tmp_path / "a.txt", "characters")
    write(tmp_path / "packed", *fresh, most=100)
    packed = open_texts(tmp_path / "packed")
    for one, other in zip(fresh, packed, strict=True):
        assert one.draw(5, 30, 1, 2).tokens.equal(other.draw(5, 30, 1, 2).tokens)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "empty").mkdir()
    good = texts(Bytes(), 1, 2, 3)
    with pytest.raises(InputError, match="holds something already; give a new or an empty folder"):
        write(tmp_path, good, good)
    with pytest.raises(InputError, match="notes is a file, wanted a folder"):
        write(tmp_path / "notes", good, good)
    (written, _) = write(tmp_path / "empty", good, good)
    assert written == tmp_path / "empty" / "train-00000.safetensors" and written.is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "notes"]


def test_one_shard_has_its_end_held_out(tmp_path):
    write(tmp_path, texts(Bytes(), *range(20)), texts(Bytes(), 7))
    first, second = open_texts(tmp_path / "train-00000.safetensors")
    assert (len(first), second.read(0, 2).tolist()) == (18, [18, 19])


def test_a_failure_leaves_nothing_half_written(tmp_path, monkeypatch):
    done, write_bytes = [], Path.write_bytes

    def full(path, content):
        assert not (tmp_path / "packed").exists()  # no reader finds some of the shards
        if len(done) == 2:
            raise OSError("no space")
        done.append(path)
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path / "packed", texts(Bytes(), 1, 2, 3), texts(Bytes(), 3), most=1)
    assert len(done) == 2 and list(tmp_path.iterdir()) == []


def test_what_is_wrong_is_said_in_one_line(tmp_path):
    good = texts(Bytes(), 1, 2, 3)
    with pytest.raises(InputError, match="t: token 300 stands in it; its vocabulary ends at 255"):
        write(tmp_path / "a", texts(Bytes(), 300), good)
    with pytest.raises(InputError, match=r"its tokens are characters \(2\), wanted the same bytes \(256\)"):
        write(tmp_path / "b", good, texts(Characters("ab"), 1))
    write(tmp_path / "c", good, good)
    with pytest.raises(InputError, match="holds shards already"):
        write(tmp_path / "c", good, good)
    with pytest.raises(InputError, match=r"its tokens are bytes \(256\), wanted the same characters \(2\)"):
        open_held_out(tmp_path / "c", Characters("ab"))
    path = tmp_path / "c" / "train-00000.safetensors"
    whole = path.read_bytes()
    for content, message in (
        (whole[:-1], "is not a whole safetensors file"),
        (b"", "is not a whole safetensors file"),
        (b"\xff" * 64, "is not a whole safetensors file"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            open_texts(tmp_path / "c")
    document = {"vitrail": json.dumps({"tokens": {"kind": "bytes"}})}
    for tensors, metadata in (
        ({"tokens": np.zeros((2, 2), np.uint16)}, document),
        ({"tokens": np.zeros(2, np.float32)}, document),
        ({"weight": np.zeros(2, np.uint16)}, document),
        ({"tokens": np.zeros(2, np.uint16)}, {}),
        ({"tokens": np.zeros(2, np.uint16)}, {"vitrail": "[]"}),
    ):
        save_file(tensors, path, metadata)
        with pytest.raises(InputError, match="is no shard of tokens"):
            open_texts(tmp_path / "c")
    save_file({"tokens": np.array([5, 999], np.uint16)}, path, document)
    with pytest.raises(InputError, match=r"train-00000.safetensors: token 999 stands in it"):
        open_texts(tmp_path / "c")[0].draw(1, 1, 0, 0)
    other = {"vitrail": json.dumps({"tokens": {"kind": "characters", "alphabet": "ab"}})}
    save_file({"tokens": np.zeros(2, np.uint16)}, tmp_path / "c" / "train-00001.safetensors", other)
    with pytest.raises(InputError, match="train-00001.safetensors: its tokens stand for something else than those of"):
        open_texts(tmp_path / "c")
