"""MkDocs hooks: pages from outside docs/, and pages made from code.

`make docs` builds the site by mkdocs.yml, which names this file as its hooks.
"""

import argparse
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from har.__main__ import _parser

ROOT = Path(__file__).parents[1]
OUTSIDE = (
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "MODEL_CARD.md",
    "SECURITY.md",
    "benchmarks/RESULTS.md",
)


def rooms() -> dict[str, list[str]]:
    """Modules by the page of the reference that describes them: the ground's, and each room."""
    library = ROOT / "har"
    ground = [path.stem for path in sorted(library.glob("*.py")) if path.stem[0] != "_"]
    folders = [path.parent.name for path in sorted(library.glob("*/__init__.py"))]
    pages = {"ground": [f"har.{name}" for name in ground]}
    return pages | {name: [f"har.{name}"] for name in folders}


def place(path: str) -> str:
    """The path of a repository's file in the site's sources."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def relinked(text: str, source: str) -> str:
    """Markdown of a file of the repository, with its links as they hold in the site.

    Args:
        text: Markdown.
        source: the file's path in the repository.
    """

    def link(match: re.Match[str]) -> str:
        address, mark, anchor = match[2].partition("#")
        if not address or re.match(r"[a-z]+:", address):
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), address))
        here = posixpath.dirname(place(source)) or "."
        return f"{match[1]}{posixpath.relpath(place(target), here)}{mark}{anchor})"

    return re.sub(r"(\]\()([^)\s]+)\)", link, text)


def commands(parser: argparse.ArgumentParser) -> str:
    """Markdown of a command line: the help of each command."""
    (group,) = (item for item in parser._actions if isinstance(item, argparse._SubParsersAction))
    lines = ["# Commands", "", "```", parser.format_help().rstrip(), "```"]
    for name, command in group.choices.items():
        lines += ["", f"## {name}", "", "```", command.format_help().rstrip(), "```"]
    return "\n".join(lines)


def settings() -> str:
    """Markdown of params.yaml, whose comments explain every setting."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    said = "`params.yaml` as it is in the repository. `dvc exp run -S model.dropout=0.4` overrides."
    return f"# Settings\n\n{said}\n\n```yaml\n{text}```\n"


def reference(room: str) -> str:
    """Markdown of a room of the library, which mkdocstrings fills from docstrings."""
    modules = "\n\n".join(f"::: {module}" for module in rooms()[room])
    return f"# {room.capitalize()}\n\n{modules}\n"


def on_config(config: Any) -> Any:
    """Put a page of each room into the navigation, below Python."""
    (pages,) = (section["Reference"] for section in config.nav if "Reference" in section)
    (python,) = (page for page in pages if "Python" in page)
    python["Python"] = [{room.capitalize(): f"api/{room}.md"} for room in rooms()]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the files outside docs/ and the pages made of code."""
    pictures = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("plots/*.png"))]
    for path in OUTSIDE:
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, place(path), content=relinked(text, path)))
    for path in pictures:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    made = {"commands.md": commands(_parser()), "settings.md": settings()}
    made |= {f"api/{room}.md": reference(room) for room in rooms()}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links of the pages of docs/ as they hold in the site."""
    if page.file.generated_by:
        return markdown
    return relinked(markdown, f"docs/{page.file.src_uri}")
