"""Cost of all 101 classes of UCF101: the stages on synthetic files of several sizes.

`python -m benchmarks.full_run --list ucf101_clips.csv` runs recipes/ucf101_full.txt on files that
benchmarks/full_size.py writes, for a few epochs, and prints processor seconds (one thread), peak
memory and disk. The clips are made up: no accuracy here means anything. A thousand have too few
groups for the official split of the recipe and are split at random.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.experiments import markdown, override, recipe, with_overrides
from har.dataset.sequences import read_sequences
from har.errors import user_errors_end_the_program
from har.params import load_params

_FEWEST_TO_SPLIT_OFFICIALLY = 3000
STAGES = ("prepare", "split", "preprocess", "train_baseline", "train_improved", "evaluate")


def cost(stage: str, folder: Path) -> tuple[float, float]:
    """Processor seconds and peak gigabytes of a stage."""
    command = [sys.executable, "-m", f"stages.{stage}"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{stage} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6


def measure(clips: int, chosen: list[str], epochs: int, folder: Path) -> list[str]:
    """A row of the table."""
    source = folder / "file.pkl"
    write = [sys.executable, "-m", "benchmarks.full_size", str(source), "--clips", str(clips)]
    subprocess.run([*write, *chosen], check=True, stdout=subprocess.DEVNULL)
    short = (f"train.epochs={epochs}", "train.iterations=0", "train.refit=false")
    quick = ("baseline.train.iterations=100", "baseline.train.refit=false")
    where = (override("prepare.source", str(source)), "tracking.enabled=false")
    split = ("split.protocol=random",) if clips < _FEWEST_TO_SPLIT_OFFICIALLY else ()
    overrides = (*recipe("ucf101_full"), *short, *quick, *where, *split)
    params = with_overrides(load_params(), overrides)
    for room in ("har", "stages"):
        shutil.copytree(room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "params.yaml").write_text(params.model_dump_json())
    costs = {stage: cost(stage, folder) for stage in STAGES}
    features = read_sequences(folder / "data/features")
    disk = sum(file.stat().st_size for file in (folder / "data").rglob("*") if file.is_file())
    row = [
        f"{len(features):,}",
        f"{len(features.subset('train')):,}",
        f"{source.stat().st_size / 1e9:.2f}",
        *(f"{costs[stage][0]:.0f}" for stage in STAGES[:3]),
        f"{costs['train_improved'][0] / epochs:.0f}",
        f"{costs['evaluate'][0]:.0f}",
        f"{max(peak for _, peak in costs.values()):.1f}",
        f"{disk / 1e9:.2f}",
    ]
    print(row, file=sys.stderr, flush=True)
    return row


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_run", description=__doc__)
    parser.add_argument("--list", help="CSV of the published clips")
    parser.add_argument("--sizes", default="1000,4000,13320")
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    chosen = ["--list", str(Path(arguments.list).resolve())] if arguments.list else []
    rows = []
    for size in arguments.sizes.split(","):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(int(size), chosen, arguments.epochs, Path(folder)))
    columns = [
        "clips",
        "train clips",
        "file, GB",
        "prepare, s",
        "split, s",
        "preprocess, s",
        "epoch of train_improved, s",
        "evaluate, s",
        "peak memory, GB",
        "data/ on disk, GB",
    ]
    print(markdown(columns, rows))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
