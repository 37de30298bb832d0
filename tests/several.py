"""Several processes of one training, started as torchrun would start them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import vitrail

SOURCE = Path(vitrail.__file__).parents[1]


def launch(world: int, *arguments: str, code: int = 0) -> list[str]:
    """Runs `python ARGUMENTS` in `world` processes and gives what each printed, or for another `code` its errors.

    Fails the test where one ends otherwise than with `code`.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (SOURCE, Path(__file__).parent))),
    }
    started = [
        subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(world)
    ]
    said = [process.communicate(timeout=240) for process in started]
    assert [process.returncode for process in started] == [code] * world, said
    return [error if code else out for out, error in said]
