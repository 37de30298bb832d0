"""`vitrail recipes`: the list, as text and as JSON, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vitrail.cli.main import main
from vitrail.recipes import find

SOURCE = str(Path(find.__file__).parents[2])


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["vitrail", "recipes", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0), *capsys.readouterr()


def test_every_recipe_has_its_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(monkeypatch, capsys)
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines] == ["name", *find.RECIPES]
    (line,) = [line for line in lines if line.startswith("iwin_base_in22k_in1k_384 ")]
    assert line.split()[1:6] == ["iwin_base", "384", "30", "256", "1e-05"]
    assert line.endswith("Paper: 86.6 top-1.  Ours: not trained yet.")


def test_a_pattern_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = json.loads(run(monkeypatch, capsys, "swin_mlp_*_c6_*", "--json")[1])
    assert row.pop("about").startswith("Swin-MLP-T with 6 channels a head")
    assert row == {
        "name": "swin_mlp_tiny_c6_in1k",
        "model": "swin_mlp_tiny_c6",
        "size": [256, 256],
        "epochs": 300,
        "batch": 1024,
        "lr": 1e-3,
    }


def test_a_pattern_that_matches_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(monkeypatch, capsys, "finetun")
    assert code == 2
    assert error == "error: No recipe matches 'finetun'. Nearest: finetune, finetune_clips, finetune_boxes.\n"


def test_it_loads_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['vitrail', 'recipes']\nfrom vitrail.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'numpy', 'matplotlib', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": SOURCE})
    assert done.stdout.endswith("[]\n"), done.stderr
