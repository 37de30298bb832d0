"""What the README and the docs show is run, and their tables are what the models give."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import test_catalogue

ROOT = Path(__file__).parents[1]


def blocks(path: str, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / path).read_text(), re.MULTILINE | re.DOTALL)


def test_the_readme_in_its_order():
    text = (ROOT / "README.md").read_text()
    marks = [
        "# vitrail",
        "](docs/pictures/windows.png)",
        "make demo",
        "make test",
        "```python",
        "| model |",
        "Where to go next",
    ]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert len(blocks("README.md")) == 1
    assert len(blocks("README.md")[0].splitlines()) <= 10


@pytest.mark.parametrize("path", ["README.md", "docs/integrations.md", "docs/mixers.md", "docs/speed.md"])
def test_python_runs(path, monkeypatch):
    for library in ("timm", "transformers", "segmentation_models_pytorch"):
        pytest.importorskip(library)
    monkeypatch.chdir(ROOT)
    for block in blocks(path):
        exec(compile(block, path, "exec"), {})


def test_the_recipe_of_the_training_page_can_be_trained(tmp_path):
    from vitrail.recipes import find

    (code,) = blocks("docs/training.md")
    (tmp_path / "mine.py").write_text(code)
    recipe = find.find(str(tmp_path / "mine.py"))
    assert (recipe.model.name, recipe.optimizer.kind, recipe.average) == ("swin_tiny", "sgd", 0.9999)


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_mixer_of_the_contributing_page(monkeypatch):
    """Its code is what the page says: a mixer that passes the catalogue test, in at most 20 lines of code."""
    (code,) = blocks("CONTRIBUTING.md")
    names: dict = {}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    monkeypatch.setitem(test_catalogue.MIXERS, "pooling", lambda: names["Pooling"]())
    for check in (
        test_catalogue.test_gradients,
        test_catalogue.test_samples_do_not_see_each_other,
        test_catalogue.test_compiles_in_one_graph,
        test_catalogue.test_bfloat16,
    ):
        check((names["Pooling"](), torch.randn(2, *test_catalogue.GRID, test_catalogue.C)))
    test_catalogue.test_mixers_keep_any_shape("pooling")
    test_catalogue.test_links_of_mixers_against_autograd("pooling")
    statements = re.sub(r'""".*?"""', "", code, flags=re.DOTALL)
    assert len([line for line in statements.splitlines() if line.strip()]) <= 20


def test_tables_are_what_the_models_give():
    """docs/tables.md and docs/figures.md are held by tests/insight/test_tables.py, which counts their networks once."""
    check = [sys.executable, ROOT / "docs" / "make.py", "--check", "README.md", "recipes.md"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
