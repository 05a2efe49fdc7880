"""Kills stages at random moments: a line `STAGE KILLS SEED` on standard input asks for that.

Everything is imported once, each run is then a fork: that takes as long as the stage's own work,
and most kills meet the work rather than the imports. The answer is the seconds of a whole run.
"""

import os
import random
import runpy
import shutil
import signal
import sys
import time
from pathlib import Path

from mlflow import MlflowClient, pyfunc  # noqa: F401

import stages.evaluate
import stages.prepare
import stages.preprocess
import stages.train  # noqa: F401
from har.params import load_yaml

NAMES = load_yaml("dvc.yaml")["stages"]


def outputs(stage: str) -> list[Path]:
    return [Path(next(iter(out)) if isinstance(out, dict) else out) for out in NAMES[stage]["outs"]]


def start(stage: str, deadly_write: int = -1, named: bool = False) -> int:
    """Start a stage, perhaps one that dies at its n-th file, before or after that has its name."""
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    replace, left = Path.replace, deadly_write

    def replace_and_die(path, target):
        nonlocal left
        if left == 0 and not named:
            os.kill(os.getpid(), signal.SIGKILL)
        done = replace(path, target)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return done

    Path.replace = replace_and_die
    sys.modules.pop(f"stages.{stage}", None)
    runpy.run_module(f"stages.{stage}", run_name="__main__")
    os._exit(0)


def kill_often(stage: str, kills: int, seed: int) -> float:
    """Run a stage once, then kill it: at random times and, every other one, at random writes."""
    generator = random.Random(seed)
    begin = time.monotonic()
    assert os.waitpid(start(stage), 0)[1] == 0
    took = time.monotonic() - begin
    files = sum(len(list(path.rglob("*"))) if path.is_dir() else 1 for path in outputs(stage))
    killed = 0
    while killed < kills:
        if killed % 4 < 2:  # else the outputs of a run before are there
            for path in outputs(stage):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if killed % 2:
            child = start(stage, generator.randrange(files), generator.random() < 0.5)
        else:
            child = start(stage)
            time.sleep(generator.uniform(0, took))
            os.kill(child, signal.SIGKILL)
        # A run that was faster than its killer does not count.
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return took


print(flush=True)
for line in sys.stdin:
    name, count, seed = line.split()
    print(kill_often(name, int(count), int(seed)), flush=True)
