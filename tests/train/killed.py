"""A training killed again and again: `python killed.py RECIPE OUT SEED KILLS SAVE_EVERY_MINUTES`.

One process imports torch and starts the training anew after each SIGKILL, as a user would with `--resume auto`. Half of
the kills come at a random moment, half while a checkpoint is written, each after the run has gone on. Prints the newest
checkpoint at each kill, and whether one was being written.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from vitrail.recipes import find, run


def start(recipe: Path, out: Path, save_every: float) -> int:
    """The process of a training that resumes by itself."""
    child = os.fork()
    if child:
        return child
    try:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
        options = run.Options("cpu", workers=0, save_every=save_every)
        run.train(find.find(str(recipe)), out, options, resume="auto")
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)


def gone(child: int) -> bool:
    """Whether it has come to its end, which it must not without an error."""
    done, status = os.waitpid(child, os.WNOHANG)
    if done and status:
        sys.exit(f"the training failed with status {status}")
    return bool(done)


def main(recipe: Path, out: Path, seed: int, kills: int, save_every: float) -> None:
    torch.set_num_threads(1)
    chance, said, folder = random.Random(seed), [], out / "checkpoints"
    while True:
        child, before = start(recipe, out, save_every), len(said)
        while not list(folder.glob("step-*.pt")) and not gone(child):
            time.sleep(0.001)
        known, begun = max((p.name for p in folder.glob("step-*.pt")), default=""), time.monotonic()
        saving, wait = len(said) % 2 == 1, chance.uniform(0.05, 0.5)
        while not gone(child):
            newer = any(p.name > known for p in folder.glob("step-*.pt"))
            writing = [p.name for p in folder.glob(".*.tmp")]
            moment = bool(writing) if saving else time.monotonic() - begun > wait
            if len(said) < kills and newer and moment:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                said.append({"last": max(p.name for p in folder.glob("step-*.pt")), "writing": bool(writing)})
                break
            time.sleep(0.0005)
        if len(said) == before:
            break
    print(json.dumps(said))


main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
