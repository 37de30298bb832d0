"""The command: quick to help, plain in its answers, one line for every error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tiny
from vitrail.cli import main as cli
from vitrail.models.catalogue import create_model
from vitrail.recipes.recipe import to_json
from vitrail.weights import save

SOURCE = str(Path(cli.__file__).parents[2])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    torch.manual_seed(0)
    save(path, create_model("iwin_nano", 3, (32, 32), **tiny.SPEC), classes=sorted(tiny.COLOURS), preprocessing={})
    return path


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['vitrail', '--help']\nfrom vitrail.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'numpy', 'matplotlib', 'PIL', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": SOURCE})
    for command in ("models", "info", "train", "eval", "predict", "demo"):
        assert f"\n  {command} " in done.stdout
    assert done.stdout.endswith("[]\n"), done.stderr
    assert "completion" not in done.stdout


def test_models_as_a_table_and_as_json(vitrail) -> None:
    assert "iwin_tiny  30,226,504" in vitrail("models", "iwin_t*")[1]
    rows = json.loads(vitrail("models", "iwin_[nt]*", "--json")[1])
    assert [row["name"] for row in rows] == ["iwin_nano", "iwin_tiny"]
    assert rows[1]["parameters"] == 30226504


def test_models_and_info_of_clips(vitrail) -> None:
    table = vitrail("models", "video_iwin_t*")[1]
    assert "video_iwin_tiny  30,232,648" in table
    assert "a clip of 32 frames" in table
    code, text, _ = vitrail("info", "video_swin_nano", "--size", "64x96", "--classes", "400", "frames=16")
    assert code == 0
    assert "multiply-adds for a clip of 16 frames" in text
    assert "8x16x24" in text
    assert "8x7x7" in text


def test_info_as_text_and_as_json(vitrail) -> None:
    code, text, _ = vitrail("info", "iwin_nano", "--size", "32x48", "window=(4, 4, 2, 1)")
    assert code == 0
    assert "iwin_nano at 32 x 48" in text
    assert "8x12" in text
    document = json.loads(vitrail("info", "swin_nano", "--size", "224", "--json")[1])
    assert isinstance(document["multiply_adds"], int)
    assert document["channels"] == [stage for stage in document["channels"] if stage > 0]
    assert document["stages"][0]["map"] == [56, 56]


def test_train_then_evaluate_then_predict(vitrail, tmp_path: Path) -> None:
    data = tiny.folders(tmp_path / "data")
    (tmp_path / "recipe.json").write_text(to_json(tiny.recipe(data)))
    code, text, error = vitrail(
        "train",
        tmp_path / "recipe.json",
        "epochs=2",
        "--data",
        data,
        "--out",
        tmp_path / "run",
        "--device",
        "cpu",
        "--workers",
        0,
    )
    assert (code, error) == (0, "")
    assert "epoch 2/2" in text
    assert f"vitrail eval {tmp_path / 'run'}" in text

    code, text, _ = vitrail("eval", tmp_path / "run", "--device", "cpu", "--workers", 0, "--json")
    result = json.loads(text)
    assert (code, result["pictures"]) == (0, 6)
    assert list(result["per_class"]) == sorted(tiny.COLOURS)
    same = vitrail("eval", tmp_path / "run" / "model.safetensors", "--data", data, "--workers", 0, "--json")[1]
    assert json.loads(same) == result
    assert "of 6 pictures" in vitrail("eval", tmp_path / "run", "--workers", 0)[1]

    code, text, _ = vitrail("predict", tmp_path / "run", data / "val", "--json", "--out", tmp_path / "answers.png")
    answers = json.loads(text)
    assert len(answers) == 6
    assert sum(row["probability"] for row in answers[0]["classes"]) == pytest.approx(1.0)
    assert (tmp_path / "answers.png").is_file()
    assert vitrail("train", tmp_path / "run", "--resume", "auto", "--device", "cpu", "--workers", 0)[0] == 0


def test_a_run_without_a_name_takes_the_next_free_folder(
    vitrail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.json").write_text(to_json(tiny.recipe(tiny.folders(tmp_path / "data"), epochs=1)))
    for _ in range(2):
        assert vitrail("train", "short.json", "--device", "cpu", "--workers", 0)[0] == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["short-iwin_nano", "short-iwin_nano-2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("info iwin_tyny", "Nearest: iwin_tiny"),
        ("info iwin_tiny --size 12y", "wanted HxW"),
        ("info iwin_tiny --size 2", "size=(2, 2)"),
        ("info iwin_tiny windw=7", "Nearest: window"),
        ("info iwin_tiny window", "not of the form"),
        ("models nothing*", "No model matches"),
        ("train demoo", "Nearest: demo"),
        ("train demo epochs=x", "epochs: "),
        ("train demo model.name=iwin_nan", "Nearest: iwin_nano"),
        ("train finetune", "--data FOLDER"),
        ("train finetune --data nowhere", "nowhere: no such folder"),
        ("train demo --out new --resume none.pt", "none.pt: no such checkpoint"),
        ("train demo --parallel dp", "none of ddp, fsdp"),
        ("train demo --device tpu", "device 'tpu'"),
        ("eval nowhere --data digits", "nowhere"),
        ("eval {weights}", "--data FOLDER"),
        ("eval {weights} --data digits", "classes 0 to 9"),
        ("predict {weights} nowhere.png", "nowhere.png: no such file"),
        ("predict {weights} {text}", "not a readable picture"),
        ("predict {text} {text}", "not a whole safetensors file"),
        ("predict {weights} {text} --out new/grid.png", "a .png file in a folder that exists"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(
    vitrail, arguments: str, message: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("no picture, no weights")
    code, out, error = vitrail(*arguments.format(weights=weights, text="text.txt").split(" "))
    assert code == 2
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not out
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("shape mismatch"),
    ],
)
def test_too_little_memory_is_one_line(vitrail, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    if "mismatch" in str(error):  # what nobody can put right keeps its traceback
        with pytest.raises(RuntimeError, match="mismatch"):
            cli.main()
        return
    code, out, said = vitrail()
    assert (code, out) == (2, "") and said.startswith("error: there is not enough memory") and said.count("\n") == 1


def test_debugging_shows_where_it_came_from(vitrail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRAIL_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["vitrail", "models", "nothing*"])
    with pytest.raises(ValueError, match="No model matches"):
        cli.main()
