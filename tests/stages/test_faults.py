"""What goes wrong around a run: kills, Ctrl-C, full disks, missing rights, two runs at once."""

import ctypes
import hashlib
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from har.clips.annotations import read_pickle
from har.params import load_params, parse_yaml
from tests.tiny import tiny

ROOT = Path(__file__).parents[2]
STAGES = ("prepare", "split", "preprocess", "train_baseline", "train_improved", "evaluate")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def contents(folder):
    """Hash of dvc.lock and of every file where stages write.

    A kill may leave a NAME.part: git and DVC ignore it, and the next NAME takes its place. What
    models/unfinished has is meant to stay until a training is finished.
    """
    found = [folder / "dvc.lock"]
    for name in ("data", "models", "metrics", "plots"):
        found += [path for path in (folder / name).rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in found
        if path.suffix != ".part" and path.parent.name != "unfinished"
    }


@pytest.fixture
def copy(repository, tmp_path):
    """The repository after its first run, to harm."""
    folder = tmp_path / "copy"
    ignored = shutil.ignore_patterns("mlflow*", "mlruns")
    shutil.copytree(repository.folder, folder, ignore=ignored)
    return type(repository)(folder)


def start(copy, *command, **options):
    """Start a command in a session of its own, with Ctrl-C's signal as a terminal has it.

    What a script starts in the background ignores that signal, and so would all it starts.
    """
    options.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    return subprocess.Popen(
        command,
        cwd=copy.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PATH": PATH, "PYTHONUNBUFFERED": "1", **options.pop("env", {})},
        start_new_session=True,
        **options,
    )


def forget(copy, stage):
    """Take a stage's results from DVC's cache: restored from there they would prove nothing."""
    cache = copy.folder / ".dvc/cache"
    shutil.rmtree(cache / "runs", ignore_errors=True)
    # As committed: a kill may have cut the file itself.
    lock = parse_yaml(copy.run("git", "show", "HEAD:dvc.lock"))["stages"]
    for out in lock[stage]["outs"]:
        (cache / "files/md5" / out["md5"][:2] / out["md5"][2:]).unlink(missing_ok=True)


def check_it_is_as_before(copy, before):
    assert contents(copy.folder) == before
    assert copy.run("git", "status", "--porcelain") == ""


# --- SIGKILL ---


def mended_repro(copy):
    """`dvc repro`; DVC's own files, which it does not write atomically, are removed if damaged."""
    try:
        return copy.dvc("repro")
    except AssertionError as error:
        damaged = re.search(r"dvc\.lock(?=' validation|', YAML)|\.dvc/tmp/rwlock", str(error))
        if not damaged:
            raise
        (copy.folder / damaged[0]).unlink()
        return copy.dvc("repro")


def stage_of(dvc):
    """The process of the stage that DVC runs, if it does."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(dvc.pid).children(recursive=True):
            if child.cmdline()[1:2] == ["-m"]:
                return child
    return None


def kill_under_dvc(copy, stage, seconds, generator, alone):
    """Kill at a random moment the stage that DVC runs, alone or with DVC.

    DVC hears of the stage's end from $SHELL: bash becomes the stage, dash waits for it.
    """
    for _ in range(30):
        dvc = start(copy, "dvc", "repro", "--single-item", "--force", stage)
        while not (child := stage_of(dvc)) and dvc.poll() is None:
            time.sleep(0.01)
        time.sleep(generator.uniform(0, seconds))
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            child.kill() if alone else os.killpg(dvc.pid, signal.SIGKILL)
        _, errors = dvc.communicate()
        if dvc.returncode == -signal.SIGKILL or re.search(r"exited with (-9|137)$", errors, re.M):
            return
        seconds *= 0.7  # it was faster than its killer: that does not count
    raise AssertionError(f"{stage} was never killed: {errors}")


@pytest.mark.slow
def test_a_killed_run_is_made_good_by_the_next(copy):
    """36 kills: four of each stage run by hand, one under DVC, one of DVC with all it started."""
    before = contents(copy.folder)
    generator = random.Random(7)
    environment = {"PYTHONPATH": str(copy.folder)}
    begin = time.monotonic()
    killer = start(
        copy,
        sys.executable,
        ROOT / "tests/stages/killed_stages.py",
        env=environment,
        stdin=subprocess.PIPE,
    )
    with killer:
        killer.stdout.readline()
        importing = time.monotonic() - begin
        for stage in STAGES:
            killer.stdin.write(f"{stage} 4 {generator.randrange(1000)}\n")
            killer.stdin.flush()
            took = float(killer.stdout.readline())
            for alone in (True, False):
                kill_under_dvc(copy, stage, importing + took, generator, alone)
            forget(copy, stage)
            assert f"Running stage '{stage}'" in mended_repro(copy)
            check_it_is_as_before(copy, before)
            assert not list((copy.folder / "models").glob("unfinished/*.pt"))


def test_what_a_kill_leaves_is_ignored_and_overwritten(copy):
    left = [copy.folder / name for name in ("data/prepared/clips.csv", "metrics/prepare.json")]
    left = [path.with_name(f"{path.name}.part") for path in left]
    for path in left:
        path.write_text("half")
    assert "up to date" in copy.dvc("status", "prepare", "split")
    assert copy.run("git", "status", "--porcelain") == ""
    copy.stage("prepare")
    assert not any(path.exists() for path in left)


@pytest.mark.slow
def test_dvcs_own_files_cut_by_a_kill_are_named(copy):
    """DVC writes them in place; the message tells which to remove, and no work is lost by that."""
    before = contents(copy.folder)
    lock, running = copy.folder / "dvc.lock", copy.folder / ".dvc/tmp/rwlock"
    content = lock.read_bytes()
    for path, cut in ((lock, b""), (running, b"")):
        path.write_bytes(cut)
        with pytest.raises(AssertionError, match=path.name):
            copy.dvc("repro", "split")
        path.unlink()
        copy.dvc("repro", "split")
    lock.write_bytes(content)
    check_it_is_as_before(copy, before)


@pytest.mark.slow
def test_a_mlflow_database_killed_at_its_birth_is_made_anew(tmp_path):
    """MLflow makes its tables for seconds, and refuses a database that has only some of them."""
    code = (
        "import sys; from pathlib import Path; from tests.tracking.examples import train\n"
        "train(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(command, env=environment)
    part = tmp_path / "mlflow.db.part"
    while not (part.is_file() and part.stat().st_size > 100_000):
        assert first.poll() is None
        time.sleep(0.002)
    first.kill()
    first.wait()
    assert not (tmp_path / "mlflow.db").exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert again.stderr == ""
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert database.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)]


# --- Ctrl-C ---


def interrupt(process, stream, sign):
    """Send Ctrl-C's signal when a line of the output has `sign`; the error lines of our own."""
    while sign not in (line := stream.readline()):
        assert line, process.communicate()
    os.killpg(process.pid, signal.SIGINT)
    begin = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - begin < 20
    return [line for line in errors.splitlines() if not line.startswith("import time:")]


@pytest.mark.slow
def test_ctrl_c_ends_in_one_line_and_harms_nothing(copy):
    before = contents(copy.folder)
    command = [sys.executable, "-X", "importtime", "-m", "stages.train_baseline"]
    importing = start(copy, *command)
    assert interrupt(importing, importing.stderr, "torch") == ["interrupted"]
    assert importing.returncode in (130, -signal.SIGINT)  # a shell shows both as 130
    training = start(copy, sys.executable, "-m", "stages.train_baseline")
    assert interrupt(training, training.stdout, "epoch") == ["interrupted"]
    assert training.returncode == 130
    # The curves of a training are written while it runs; evaluate writes them anew.
    curves = {"plots/history_baseline.csv": before["plots/history_baseline.csv"]}
    assert {**contents(copy.folder), **curves} == before

    dvc = start(copy, "dvc", "repro", "--single-item", "--force", "train_baseline")
    ours, dvcs = interrupt(dvc, dvc.stdout, "epoch")
    assert (ours, dvc.returncode) == ("interrupted", 255)
    assert re.match("ERROR: failed to reproduce 'train_baseline'.* exited with (130|-2)$", dvcs)
    forget(copy, "train_baseline")
    copy.dvc("repro")
    check_it_is_as_before(copy, before)


# --- Disks and rights ---


@pytest.mark.parametrize("stage", [pytest.param(s, marks=pytest.mark.slow) for s in STAGES])
def test_a_disk_that_takes_no_more_is_told(copy, stage):
    """A limit to the size of files makes the system refuse real writes, wherever they happen."""
    before = contents(copy.folder)

    def little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    # Not measured by coverage, which could not write its figures either.
    unmeasured = "env", "-u", "COVERAGE_PROCESS_CONFIG"
    command = sys.executable, "-m", f"stages.{stage}"
    process = start(copy, *unmeasured, *command, preexec_fn=little)
    _, errors = process.communicate()
    *warnings, error = errors.splitlines()
    assert process.returncode == 2
    assert re.match(r"error: cannot write [\w/.]+: File too large; free some space", error), errors
    assert all(line.startswith("warning: MLflow") for line in warnings) and len(warnings) <= 1, (
        errors
    )
    check_it_is_as_before(copy, before)
    assert not list(copy.folder.rglob("*.part"))


@pytest.mark.slow
def test_a_full_disk_under_dvc_is_told_and_made_good(copy):
    """A real one: a file system of 100 kB in the place of data/, seen by this run only."""
    before = contents(copy.folder)
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"]).returncode:
        pytest.skip("no rights to mount a small file system")
    mount = "mount -t tmpfs -o size=100k none data && exec dvc repro --force prepare"
    process = start(copy, *alone, "sh", "-c", mount)
    _, errors = process.communicate()
    assert process.returncode == 255
    assert "error: cannot write data/prepared/keypoints.npy: No space left on device" in errors
    assert "Traceback" not in errors
    forget(copy, "prepare")
    copy.dvc("repro")
    check_it_is_as_before(copy, before)


def bound_by_permissions():
    """For a process to be started: takes from root what lets it ignore permissions."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if os.geteuid() == 0:
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


FORBIDDEN = [
    ("prepare", "tiny.pkl", 0o000, "tiny.pkl"),
    ("prepare", "params.yaml", 0o000, "params.yaml"),
    ("prepare", "data/prepared", 0o555, "cannot write data/prepared/keypoints.npy"),
    ("split", "data/prepared/clips.csv", 0o000, "data/prepared/clips.csv"),
    ("preprocess", "data/prepared/keypoints.npy", 0o000, "data/prepared/keypoints.npy"),
    ("preprocess", "data/features", 0o555, "cannot write data/features/x.npy"),
    ("train_baseline", "models", 0o555, "cannot write models/"),
    ("evaluate", "models/improved.safetensors", 0o000, "models/improved.safetensors"),
    ("evaluate", "metrics", 0o555, "cannot write metrics/"),
]


@pytest.mark.skipif(sys.platform != "linux", reason="takes root's rights away as Linux does")
@pytest.mark.parametrize(
    ("stage", "name", "mode", "complaint"),
    [
        pytest.param(*case, marks=pytest.mark.slow)
        if "_" in case[0] or case[0] == "evaluate"
        else case
        for case in FORBIDDEN
    ],
)
def test_what_may_not_be_read_or_written_is_told(copy, stage, name, mode, complaint):
    before, path = contents(copy.folder), copy.folder / name
    usual = path.stat().st_mode
    path.chmod(mode)
    process = start(copy, sys.executable, "-m", f"stages.{stage}", preexec_fn=bound_by_permissions)
    _, errors = process.communicate()
    path.chmod(usual)
    error = errors.splitlines()[-1]
    assert process.returncode == 2, errors
    assert error.startswith("error: ") and complaint in error and "ermission denied" in error
    assert "Traceback" not in errors
    check_it_is_as_before(copy, before)


def test_an_experiment_without_a_git_identity_is_refused_in_words(copy):
    """DVC puts uncommitted changes into a commit, and that needs a name."""
    before, script = contents(copy.folder), copy.folder / "stages/evaluate.py"
    script.write_text(code := f"{script.read_text()}# changed\n")
    nobody = {name: "" for name in os.environ if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))}
    nobody |= {"HOME": str(copy.folder), "GIT_CONFIG_GLOBAL": os.devnull}
    process = start(copy, "dvc", "exp", "run", "--queue", "-S", "model.dropout=0.1", env=nobody)
    _, errors = process.communicate()
    assert process.returncode
    assert "Git user name and email must be configured" in errors and "Traceback" not in errors
    assert contents(copy.folder) == before and script.read_text() == code
    assert copy.run("git", "status", "--porcelain") == " M stages/evaluate.py\n"
    assert copy.dvc("queue", "status").startswith("No experiment tasks in the queue")


# --- Repetition ---


@pytest.mark.slow
def test_two_checkouts_at_once_with_one_cache(repository, copy, tmp_path):
    """Both run everything, at the same time, into one DVC cache."""
    before = contents(copy.folder)
    other = tmp_path / "other"
    shutil.copytree(copy.folder, other)
    both = [copy, type(repository)(other)]
    for checkout in both:
        checkout.dvc("config", "--local", "cache.dir", str(tmp_path / "cache"))
    runs = [start(checkout, "dvc", "repro", "--force") for checkout in both]
    for run in runs:
        _, errors = run.communicate()
        assert run.returncode == 0, errors
        assert "MLflow" not in errors
    for checkout in both:
        check_it_is_as_before(checkout, before)


@pytest.mark.parametrize("name", ["baseline", "improved"])
def test_threads_do_not_change_predictions(tiny_pickle, name):
    """1e-6 is promised, 0 was measured; training with another number of threads is not the same."""
    params = load_params(ROOT / "params.yaml")
    recognizer = tiny(dict(params.model if name == "improved" else params.baseline.model))
    clips = read_pickle(tiny_pickle).clips
    try:
        torch.set_num_threads(2)
        two = recognizer.predict_clips(clips)
    finally:
        torch.set_num_threads(1)
    one = recognizer.predict_clips(clips)
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-6)
    assert len(np.unique(one, axis=0)) == len(clips)  # they tell clips apart
