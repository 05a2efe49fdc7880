"""Files that services of the repository read: they say what the project does."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from dvc.cli.parser import get_main_parser

from har.params import load_yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FOLDERS = ("benchmarks", "har", "pretraining", "stages", "tests", "tools")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_one_version_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) - (\S+)$", changelog, re.MULTILINE)
    citation = load_yaml(ROOT / "CITATION.cff")
    assert newest.groups() == (version, str(citation["date-released"]))
    assert citation["version"] == version


def test_the_formatter_alone_lays_out_code():
    mark = "fmt: " + "skip"
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200
    assert [path for path in files if mark in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_commands_that_exist(path):
    workflow = load_yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for step in steps:
        assert ("run" in step) != ("uses" in step)
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
        commands = step.get("run", "")
        for target in re.findall(r"\bmake ([a-z-]+)", commands):
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
        for line in re.findall(r"^ *dvc (.+)$", commands, re.MULTILINE):
            get_main_parser().parse_args(shlex.split(line))
        for module in re.findall(r"python -m (tools\.\w+)", commands):
            assert ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file(), module


def test_a_workflow_runs_what_any_machine_runs():
    assert any(".ci/run" in path.read_text() for path in WORKFLOWS)


def test_hooks_run_the_commands_of_make_check():
    (repository,) = load_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    *hooks, lock = repository["hooks"]
    check = re.search(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1].split("\n")
    assert [hook["entry"] for hook in hooks] == [line.strip() for line in check[: len(hooks)]]
    assert lock["entry"].split()[-1] in check[len(hooks)]


def test_containers_set_the_environment_up_as_make_does():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert container["postCreateCommand"] == "make environment TORCH=cpu"
    assert "RUN make environment TORCH=" in dockerfile
    assert 'CMD ["make", "repro"]' in dockerfile


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    for page in (ROOT / "docs").glob("*.md"):
        assert navigation.count(f": {page.name}\n") == 1, page.name
