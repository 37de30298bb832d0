"""The house of docs/architecture.md: imports point down, there is no circle, and a door costs what it should."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "vitrail"

# lowest first; a room imports from floors below its own, files of one room from each other
FLOORS: list[set[str]] = [
    {"errors", "heap", "packages", "tracing"},
    {"geometry", "layers", "data", "metrics", "draw", "flow"},
    {"pyramid", "count", "kernels", "train"},
    {"mixers"},
    {"heads"},
    {"models"},
    {"tasks", "weights", "export"},
    {"recipes"},
    {"insight", "integrations"},
    {"cli"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def files() -> dict[str, Path]:
    """Every module of the package by its dotted name below `vitrail`."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, modules: set[str]) -> set[str]:
    """The modules of ours that a file imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; name it in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name.removeprefix("vitrail.") for name in found if name.startswith("vitrail.")}
    # `from vitrail.room.file import thing` names a thing of a module: take the longest prefix that is a module
    return {
        next(".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in modules)
        for parts in (name.split(".") for name in ours)
        if parts[0] in {m.split(".")[0] for m in modules}
    }


FILES = files()
EDGES = {name: imports(path, set(FILES)) for name, path in FILES.items() if name and name != "__main__"}


@pytest.mark.parametrize("name", EDGES)
def test_imports_point_down(name):
    room = name.split(".")[0]
    for target in EDGES[name]:
        other = target.split(".")[0]
        assert other == room or FLOOR[other] < FLOOR[room], (
            f"{name} (floor {FLOOR[room]}) imports {target} (floor {FLOOR[other]})"
        )


def test_there_is_no_circle_between_files():
    """A package's own __init__ gathers its files, and counts as none of them."""
    packages = {name for name, path in FILES.items() if path.name == "__init__.py"}
    graph = {name: {t for t in targets if t not in packages} for name, targets in EDGES.items() if name not in packages}
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for target in graph[name]:
                walk(target, (*path, name))
            done.add(name)

    for name in graph:
        walk(name, ())


def test_the_drawing_names_every_room():
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {name.split(".")[0] for name in EDGES}
    assert rooms <= set(FLOOR), f"rooms without a floor: {rooms - set(FLOOR)}"
    drawn = {
        room: int(line.split()[0])
        for line in re.findall(r"^\d .*", text, re.MULTILINE)
        for room in re.findall(r"`([a-z]+)(?:/|\.py)?`", line)
    }
    assert {room: drawn.get(room) for room in rooms} == {room: FLOOR[room] for room in rooms}


def loaded(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in out.stdout.split()}


@pytest.mark.parametrize("code", ["import vitrail", "import vitrail.cli.main", "import vitrail.recipes"])
def test_doors_load_no_torch(code):
    assert not loaded(code) & {"torch", "numpy", "matplotlib", "PIL", "sklearn"}


def test_the_public_list_is_what_is_visible():
    import vitrail

    assert set(vitrail.__all__) <= set(dir(vitrail))
    for name in vitrail.__all__:
        assert callable(getattr(vitrail, name))
    with pytest.raises(AttributeError, match="no attribute 'creat_model'"):
        vitrail.creat_model  # noqa: B018
