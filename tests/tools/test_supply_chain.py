"""What is installed, and who can reach a server of ours."""

import inspect
import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from har.__main__ import _parser
from har.tracking.server import serve

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def pins(lock="requirements.lock"):
    """Package -> version of a lock, whose every line pins one by its plain name."""
    lines = [line for line in (ROOT / lock).read_text().splitlines() if line]
    found = {}
    for line in lines:
        if not line.startswith("#"):
            name, version = re.fullmatch(r"([\w.-]+)==([\w.!]+)", line).groups()
            found[canonicalize_name(name)] = version
    return found


def test_every_dependency_is_pinned_as_the_project_asks():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = pins()
    asked = project["dependencies"] + project["optional-dependencies"]["dev"]
    for requirement in map(Requirement, asked):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    for extra in ("video", "movement", "docs", "audit", "studio", "websocket"):
        own = pins(f"requirements-{extra}.lock")
        for requirement in map(Requirement, project["optional-dependencies"][extra]):
            assert own[canonicalize_name(requirement.name)] in requirement.specifier, requirement
        assert not own.keys() & pinned.keys()


def test_what_the_dependencies_need_is_pinned_too():
    """Else pip would choose at every installation anew."""
    pinned = pins()
    here = {"python_version": "3.11", "python_full_version": "3.11.0", "extra": ""}
    for name in pinned:
        for requirement in map(Requirement, metadata.requires(name) or []):
            if not requirement.marker or requirement.marker.evaluate(here):
                assert canonicalize_name(requirement.name) in pinned, f"{name}: {requirement}"


def test_servers_listen_on_this_machine_only_unless_told_to():
    assert re.search(r"^\tpython -m mlflow ui --host 127\.0\.0\.1 ", MAKEFILE, re.MULTILINE)
    assert re.search(r"^\t@?python -m har serve$", MAKEFILE, re.MULTILINE)
    assert re.search(r"^\t@?python -m har studio \$\(ARGS\)$", MAKEFILE, re.MULTILINE)
    for command in ("serve", "studio"):
        assert _parser().parse_args([command]).host == "127.0.0.1"
    assert inspect.signature(serve).parameters["host"].default == "127.0.0.1"
