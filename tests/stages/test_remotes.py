"""Two machines that share a git server and a DVC remote: a folder, and S3 where it can be tried."""

import hashlib
import shutil

import pytest
from conftest import Project

from benchmarks import experiments
from har.files import read_csv, read_json


@pytest.fixture(params=["folder", "s3"])
def remote(request, tmp_path):
    """What `dvc remote` is told: the address, settings to commit, settings to keep to oneself."""
    if request.param == "folder":
        yield str(tmp_path / "remote"), {}, {}
        return
    pytest.importorskip("dvc_s3", reason="pip install 'dvc[s3]' 'moto[server]'")
    server = pytest.importorskip("moto.server", reason="pip install 'dvc[s3]' 'moto[server]'")
    from botocore.session import get_session

    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    try:
        address = "http://{}:{}".format(*running.get_host_and_port())
        keys = {"access_key_id": "key", "secret_access_key": "secret"}
        get_session().create_client(
            "s3",
            "us-east-1",
            endpoint_url=address,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        ).create_bucket(Bucket="bucket")
        yield "s3://bucket/actions", {"endpointurl": address}, keys
    finally:
        running.stop()


def hashes(machine):
    return [
        hashlib.sha256((machine.folder / name).read_bytes()).hexdigest()
        for name in ("models/improved.safetensors", "data/predictions.csv", "data/features/x.npy")
    ]


@pytest.mark.slow
def test_another_machine_takes_over_results_and_experiments(
    repository, remote, tmp_path, monkeypatch
):
    address, settings, secrets = remote
    server = tmp_path / "server.git"
    repository.run("git", "clone", "--quiet", "--bare", ".", str(server))

    def machine(name):
        repository.run("git", "clone", "--quiet", str(server), str(tmp_path / name))
        return Project(tmp_path / name)

    def log_in(machine):
        for key, value in secrets.items():
            machine.dvc("remote", "modify", "--local", "store", key, value)

    one = machine("one")
    shutil.copytree(repository.folder / ".dvc/cache", one.folder / ".dvc/cache")
    one.dvc("checkout")
    one.dvc("remote", "add", "--default", "store", address)
    for key, value in settings.items():
        one.dvc("remote", "modify", "store", key, value)
    one.run("git", "commit", "--quiet", "--all", "--message=remote")
    one.run("git", "push", "--quiet")
    log_in(one)
    one.dvc("push")

    two = machine("two")
    log_in(two)
    two.dvc("pull")
    assert hashes(two) == hashes(repository)
    assert "up to date" in two.dvc("status")
    assert two.run("git", "status", "--porcelain") == ""  # no secret in what git sees

    study = experiments.Experiment("half", ("evaluate.subset=val", "tracking.enabled=false"))
    overrides = [word for item in study.overrides for word in ("--set-param", item)]
    one.dvc("exp", "run", "--name", study.name, *overrides)
    one.dvc("exp", "push", "origin", study.name)
    two.dvc("exp", "pull", "origin", study.name)
    monkeypatch.chdir(two.folder)
    (outcome,) = experiments.run([study]).values()
    theirs, mine = (read_csv(m.folder / "data/predictions.csv", ["id"]) for m in (one, two))
    assert outcome.predictions == theirs != mine
    assert outcome.evaluation == read_json(one.folder / "metrics/evaluation.json")
    assert "No experiment" in two.dvc("queue", "status")  # it was found, not run again
