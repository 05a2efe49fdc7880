"""Documents keep one line width; tables, code and lines with a link may be longer."""

from tests.conftest import ROOT

WIDTH = 100


def long_lines(text: str) -> list[str]:
    """Lines of prose that are too long."""
    prose = [block for number, block in enumerate(text.split("\n```")) if number % 2 == 0]
    return [
        line
        for line in "\n".join(prose).splitlines()
        if len(line) > WIDTH and not line.lstrip().startswith("|") and "](" not in line
    ]


def test_a_long_line_of_prose_is_found_but_not_a_table_code_or_a_link():
    line = "word " * 21
    text = f"Prose.\n\n| {line} |\n\n```\n{line}\n```\n\n[{line}](page.md)\n\n"
    assert long_lines(text) == []
    assert long_lines(f"{text}{line}\n") == [line]


def test_prose_keeps_the_line_width():
    found = {path: long_lines(path.read_text(encoding="utf-8")) for path in documents()}
    assert len(found) > 15
    assert {path.name: lines for path, lines in found.items() if lines} == {}


def documents():
    folders = (ROOT, ROOT / "docs", ROOT / "benchmarks", ROOT / ".github")
    return [path for folder in folders for path in sorted(folder.glob("*.md"))]
