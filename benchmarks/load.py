"""The served model under load: `make load`, or `python -m benchmarks.load` on a quiet machine.

Fifty clients (locust) ask `har serve` and `mlflow models serve`, two workers each, for the same
registered model, and check every answer against their own clip. Then, on ours: WebSocket clients;
clients that send half a request and stall; 1,000 fuzzed bodies; a killed worker. Memory is that of
all processes of a server.
"""

import argparse
import csv
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil

from benchmarks.experiments import markdown
from har.clips import Clip
from har.clips.simulate.everyday_clips import simulate_everyday
from har.params import load_params
from har.recognition.recognizer import Recognizer
from har.recognition.timeline import windows
from har.tracking.registry import request_of_clip
from har.tracking.results import Result, record_results
from har.tracking.runs import DataDescription, Training
from har.tracking.store import sqlite_uri

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "models/everyday.safetensors"
CLIENTS = 50
FRAMES, WINDOW, STRIDE, FPS = 100, 50, 25, 25


def cases(recognizer: Recognizer) -> list[dict]:
    """What each client sends, and the answers that it has to get."""
    actions = ("walking", "clapping", "squats", "throwing", "golf swing")
    clips = simulate_everyday(7, actions, range(1, 11), 1, 100).clips[:CLIENTS]
    found = []
    for clip in clips:
        request = request_of_clip(clip)
        for key in ("keypoints", "scores"):  # short actions are repeated
            request[key] = [(person * FRAMES)[:FRAMES] for person in request[key]]
        points, scores = (np.array(request[key], np.float32) for key in ("keypoints", "scores"))
        sent = Clip("sent", -1, points, scores, clip.image_size, "sent")
        frames = [
            {
                "keypoints": [person[n] for person in request["keypoints"]],
                "scores": [person[n] for person in request["scores"]],
            }
            for n in range(points.shape[1])
        ]
        said = windows(recognizer, sent, WINDOW, STRIDE)
        found.append(
            {
                "request": {"inputs": [request]},
                "whole": named(recognizer, recognizer.predict(sent)),
                "settings": {
                    "window": WINDOW,
                    "stride": STRIDE,
                    "fps": FPS,
                    "image_size": list(clip.image_size),
                },
                "frames": frames,
                "windows": [
                    {"end": one.end, "probabilities": named(recognizer, one.probabilities)}
                    for one in said
                ],
            }
        )
    return found


def named(recognizer: Recognizer, probabilities: np.ndarray) -> dict[str, float]:
    return dict(zip(recognizer.classes, probabilities.astype(float).tolist(), strict=True))


def register(project: Path) -> str:
    """Register the model in a project of its own; MLflow's name for it."""
    tracking = load_params(ROOT / "params.yaml").tracking
    training = Training("improved", "improved", {}, DataDescription("simulated", "load"))
    clip = simulate_everyday(7, ("walking",), (1,), 1, 50).clips[0]
    result = Result(training, MODEL, [], {"accuracy": 0.0}, example=clip)
    assert record_results(tracking, [result], project)
    return f"models:/{tracking.registered_model}@champion"


@contextmanager
def served(command: list[str], project: Path, port: int) -> Iterator[tuple[str, psutil.Process]]:
    """A running server: its address and its first process."""
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"{sqlite_uri(project)}/mlflow.db",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with (project / f"log-{port}.txt").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=project, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with suppress(OSError):
                urllib.request.urlopen(f"{address}/ping", timeout=5).close()
                break
            time.sleep(0.5)
        yield address, psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def memory(process: psutil.Process) -> float:
    """MB of a process and its children."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += one.memory_info().rss
    return total / 1e6


def loaded(
    python: str,
    users: str,
    address: str,
    process: psutil.Process,
    folder: Path,
    seconds: int,
    meanwhile: Callable[[], str] = lambda: "",
) -> dict[str, str]:
    """The figures of one run of locust; `meanwhile` is called a quarter into it."""
    stem = folder / f"stats-{time.time_ns()}"
    command = [
        python,
        "-m",
        "locust",
        "-f",
        str(ROOT / "benchmarks/load_clients.py"),
        users,
        "--headless",
        "-u",
        str(CLIENTS),
        "-r",
        str(CLIENTS),
        "-t",
        f"{seconds}s",
        "--host",
        address,
        "--csv",
        str(stem),
        "--only-summary",
        "--stop-timeout",
        "30",
    ]
    environment = os.environ | {"LOAD_CASES": str(folder / "cases.json")}
    clients = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    begun, said, sizes = time.monotonic(), None, []
    while clients.poll() is None:
        sizes.append(memory(process))
        if said is None and time.monotonic() - begun > seconds / 4:
            said = meanwhile()
        time.sleep(1)
    with open(f"{stem}_stats.csv") as file:
        row = next(row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    with open(f"{stem}_failures.csv") as file:
        errors = {line["Error"]: int(line["Occurrences"]) for line in csv.DictReader(file)}
    mixed = sum(number for error, number in errors.items() if "mixed up" in error)
    quarter = len(sizes) // 4
    return {
        "answers": row["Request Count"],
        "per second": f"{float(row['Requests/s']):.1f}",
        "p50, ms": row["50%"],
        "p99, ms": row["99%"],
        "lost": str(sum(errors.values()) - mixed),
        "mixed up": str(mixed),
        "MB after a quarter": f"{np.mean(sizes[quarter : quarter + 5]):.0f}",
        "MB at the end": f"{np.mean(sizes[-8:-3]):.0f}",
        "besides": f"{said or ''} {errors or ''}".strip(),
    }


def stall(address: str) -> str:
    """Fifty clients that send half a request and keep the connection."""
    host, port = address.removeprefix("http://").split(":")
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b'Content-Length: 100000\r\n\r\n{"inputs": ['
    waiting = [socket.create_connection((host, int(port))) for _ in range(CLIENTS)]
    for client in waiting:
        client.sendall(head)
    threading.Timer(60, lambda: [client.close() for client in waiting]).start()
    return f"{len(waiting)} stalled"


def fuzz(address: str, body: bytes) -> str:
    """1,000 bodies with bytes changed, cut out or added; how they were answered."""
    generator = random.Random(0)
    counted: dict[str, int] = {}
    for _ in range(1000):
        content = bytearray(body)
        for _ in range(generator.randint(1, 20)):
            place = generator.randrange(len(content))
            match generator.randrange(3):
                case 0:
                    content[place] = generator.randrange(256)
                case 1:
                    del content[place : place + generator.randint(1, 200)]
                case 2:
                    content[place:place] = generator.randbytes(generator.randint(1, 9))
            content = content or bytearray(b"x")
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{address}/invocations", bytes(content), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = str(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, text = str(error.code), error.read().decode()
        if "Traceback" in text or str(ROOT) in text:
            status += " with a traceback"
        counted[status] = counted.get(status, 0) + 1
    return f"fuzzed bodies by status {counted}"


def kill_worker(process: psutil.Process) -> str:
    """Kill one of the processes that answer."""
    workers = [child for child in process.children() if "spawn_main" in " ".join(child.cmdline())]
    workers[0].kill()
    return f"one of {len(workers)} workers killed"


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--locust", default=".venv-load/bin/python", help="its python")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--short", type=int, default=60, help="seconds of the other runs")
    parser.add_argument("--only", default="", help="runs whose names have this")
    arguments = parser.parse_args()
    python = str(Path(arguments.locust).absolute())
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        model = register(project)
        content = cases(Recognizer.load(MODEL))
        (project / "cases.json").write_text(json.dumps(content))
        body = json.dumps(content[0]["request"]).encode()
        ours = (
            f"from har.tracking.server import serve; serve({model!r}, Path(), port=5061, workers=2)"
        )

        def run(name: str, users: str, seconds: int, meanwhile: Callable[[], str] = str) -> None:
            if arguments.only not in name:
                return
            found = loaded(python, users, address, process, project, seconds, meanwhile)
            rows.append([name, *found.values()])
            print(name, found, flush=True)

        command = [sys.executable, "-c", f"from pathlib import Path; {ours}"]
        with served(command, project, 5061) as (address, process):
            run("har serve", "Requests", arguments.seconds)
            run("frames over WebSockets", "Frames", arguments.seconds)
            run("half requests", "Requests", arguments.short, lambda: stall(address))
            run("fuzzed bodies", "Requests", arguments.short, lambda: fuzz(address, body))
            run("a killed worker", "Requests", arguments.short, lambda: kill_worker(process))
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "models",
            "serve",
            "-m",
            model,
            "--env-manager",
            "local",
            "--port",
            "5062",
            "--workers",
            "2",
        ]
        with served(command, project, 5062) as (address, process):
            run("mlflow models serve", "Requests", arguments.seconds)
    columns = ["run", "answers", "per second", "p50, ms", "p99, ms", "lost", "mixed up"]
    print(markdown([*columns, "MB after a quarter", "MB at the end", "besides"], rows))


if __name__ == "__main__":
    main()
