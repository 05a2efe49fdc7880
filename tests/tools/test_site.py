"""The documentation as a site. `make docs` fails on broken links and missing pages."""

import argparse
import re
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="make docs installs it")

from tools import site

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("README.md", "docs/use.md#files", "use.md#files"),
        ("README.md", "plots/skeletons.png", "plots/skeletons.png"),
        ("docs/model.md", "../benchmarks/RESULTS.md", "benchmarks/RESULTS.md"),
        ("docs/model.md", "../README.md", "index.md"),
        ("benchmarks/RESULTS.md", "../docs/model.md", "../model.md"),
        ("docs/model.md", "#test-figures", "#test-figures"),
        ("docs/model.md", "https://dvc.org/doc", "https://dvc.org/doc"),
    ],
)
def test_links_hold_where_a_page_moves_to(source, before, after):
    assert site.relinked(f"see [it]({before}).", source) == f"see [it]({after})."


def test_the_reference_has_a_page_of_each_room():
    pages = site.rooms()
    assert {"ground", "clips", "evaluation"} <= set(pages)
    assert "har.skeleton" in pages["ground"] and "har.__main__" not in pages["ground"]


def test_commands_are_listed_with_their_options():
    parser = argparse.ArgumentParser(prog="p")
    added = parser.add_subparsers().add_parser("draw")
    added.add_argument("--width", help="in pixels")
    text = site.commands(parser)
    assert "## draw\n" in text and re.search(r"--width WIDTH +in pixels", text)


@pytest.mark.slow
def test_it_builds_and_loads_nothing_from_a_network(tmp_path, monkeypatch):
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    loads = re.compile(
        r"<(?:script|img|iframe)[^>]*\ssrc=\"(?:https?:)?//|<link[^>]*stylesheet[^>]*//"
    )
    assert not [page.name for page in pages if loads.search(page.read_text(encoding="utf-8"))]
    api = (tmp_path / "api/evaluation.html").read_text(encoding="utf-8")
    assert "har.evaluation.metrics.macro_f1" in api
