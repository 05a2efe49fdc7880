"""Seconds and memory of functions and processes, and a description of the machine."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

# A child starts with its parent's peak memory: one that has not loaded torch is in between.
_MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
seconds = time.perf_counter() - start
kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([done.returncode, done.stderr, seconds, kilobytes * 1024]))
"""


def interleaved(jobs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each job; all jobs run in turn, and the first turn does not count.

    A job that returns a float has timed itself.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            own = job()
            if turn:
                elapsed = time.perf_counter() - start
                seconds[name].append(own if isinstance(own, float) else elapsed)
    return {name: float(np.median(some)) for name, some in seconds.items()}


@dataclass(frozen=True)
class Cost:
    """Seconds from start to end of a process, and the bytes it held at its peak."""

    seconds: float
    peak: int


def cost(command: Sequence[str], folder: Path) -> Cost:
    """Run a command in a folder; `python` and `dvc` are those of this environment.

    Raises:
        RuntimeError: the command failed.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    about = {"PATH": path, "DVC_NO_ANALYTICS": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    inherited = {key: text for key, text in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    said = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command],
        cwd=folder,
        env=inherited | about,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    status, errors, seconds, peak = json.loads(said)
    if status:
        raise RuntimeError(f"{' '.join(command)}: {errors}")
    return Cost(seconds, peak)


def interleaved_costs(
    commands: Mapping[str, Sequence[str]], folders: Mapping[str, Path], repeats: int
) -> dict[str, Cost]:
    """Median seconds and median peak of each command, run in turn; the first does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(repeats + 1):
        for name, command in commands.items():
            costs[name].append(cost(command, folders[name]))
    return {
        name: Cost(
            float(np.median([one.seconds for one in some[1:]])),
            int(np.median([one.peak for one in some[1:]])),
        )
        for name, some in costs.items()
    }


def matrix_rate(dtype: torch.dtype = torch.float32, repeats: int = 9) -> float:
    """Best floating-point operations a second of one thread, in a large convolution.

    Convolutions reach more than `@` here: torch multiplies float32 matrices with MKL, which uses
    half the width of the vector units of a processor that is not Intel's.
    """
    layer = torch.nn.Conv2d(512, 512, 3, padding=1, bias=False, dtype=dtype)
    layer = layer.to(memory_format=torch.channels_last)
    x = torch.randn(4, 512, 16, 16).to(dtype).contiguous(memory_format=torch.channels_last)
    operations = 2 * x[:, 0].numel() * layer.weight.numel()
    best = np.inf
    with torch.inference_mode():
        for _ in range(repeats):
            start = time.process_time()
            layer(x)
            best = min(best, time.process_time() - start)
    return operations / best


def machine() -> str:
    """Processor, memory and versions, without a name or a path of the machine."""
    # Values that the system does not provide are left out.
    processor, memory = platform.processor() or platform.machine(), ""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        named = [line for line in information.read_text().splitlines() if "model name" in line]
        processor = named[0].split(":", 1)[1].strip() if named else processor
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        memory = f", {gigabytes:.0f} GB of memory"
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numpy", "dvc"))
    return (
        f"{processor}, {os.cpu_count()} cores ({torch.backends.cpu.get_cpu_capability()}){memory}; "
        f"{platform.system()}, Python {platform.python_version()}, {versions}"
    )
