"""Memory that is freed stays with the process once it is told so, and goes back to the system before."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

RUN = """
import sys, torch
from pathlib import Path
from vitrail import heap
def resident():
    return int(next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmRSS")).split()[1])
if sys.argv[1] == "keep":
    assert heap.keep_memory() and heap.kept()
before = resident()
block = torch.ones(48 * 2**20)
del block
print((resident() - before) // 1024)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
@pytest.mark.parametrize(("told", "stays"), [("keep", True), ("leave", False)])
def test_what_is_freed(told, stays):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", RUN, told], capture_output=True, text=True, check=True, env=clean)
    assert (int(done.stdout) > 180) == stays, done.stdout


def test_the_command_asks_for_it():
    said = "import vitrail.heap as h, vitrail.cli.main as m, sys; sys.argv=['vitrail','--help']\n"
    said += "try: m.main()\nexcept SystemExit: pass\nprint(h.kept(), file=sys.stderr)"
    for value, wanted in (("1", platform.libc_ver()[0] == "glibc"), ("0", False)):
        environment = {**os.environ, "VITRAIL_KEEP_MEMORY": value}
        done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, env=environment)
        assert done.stderr.split()[-1] == str(wanted), done.stderr
