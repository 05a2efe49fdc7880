"""Every command of the documentation: it parses as its program parses it, or it runs."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest
from dvc.cli.parser import get_main_parser

from benchmarks.experiments import with_overrides
from har.__main__ import _parser, main
from har.params import load_params

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [ROOT / "benchmarks/RESULTS.md", ROOT / "MODEL_CARD.md"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

# Programs of others, whose commands are not parsed here, and why.
OTHERS = {
    ".": "the shell's",
    "cd": "the shell's",
    "ln": "the shell's",
    "echo": "the shell's",
    "export": "the shell's",
    "git": "needs a server, or changes the repository",
    "gto": "tests/stages/test_artifacts.py runs them",
    "docker": "needs a daemon",
    "pip": "would install",
    "sudo": "changes the machine",
    "ssh": "needs another machine",
    "rsync": "needs another machine",
    "mlflow": "starts a server; tests/tracking runs ours",
    "mutmut": "takes hours",
    "pytest": "runs the tests",
    "torchrun": "needs several machines",
    "srun": "needs a cluster",
    "dask": "needs a cluster",
    "curl": "needs a server that runs",
    "nvidia-smi": "needs a GPU",
}
SHELL = re.compile(r"\s+(?:&&|\|\|?|;|&)(?:\s+|$)")


def blocks(page, *languages):
    """Code blocks of a page in one of these languages."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```([\w-]*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [content for language, content in found if language in languages]


def words_of(line):
    """Words of each command of a line, without comments, brackets of options, the environment."""
    line = re.sub(r"\[(-[^\]]*)\]", r"\1", line)
    if re.search("['\"]", line):
        pieces = [shlex.split(line, comments=True)]
    else:
        pieces = map(str.split, SHELL.split(re.sub(r"(^|\s)#.*$", "", line)))
    for words in pieces:
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        if words:
            yield words


def program(words):
    """What a command runs, or "" where this is none that is known here."""
    name = re.sub(r"^python3?(\.\d+)?$", "python", words[0].rpartition("/")[2])
    return name if name in ("make", "dvc", "har", "python", *OTHERS) else ""


def commands(page):
    """Commands of a page's blocks that begin with one; the other blocks show files and output."""
    for content in blocks(page, "", "sh", "bash", "shell", "console"):
        lines = re.sub(r"\\\n|\n\s+(?=[-\[])", " ", content).splitlines()
        if any(line.startswith("$ ") for line in lines):  # the others are what was printed
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        first = next(filter(None, lines), "").split()
        if first and program(first):
            for line in lines:
                yield from words_of(line)


def inline_commands(page):
    """Commands in the text between backticks; one that is only named is asked for its help."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for code in re.findall(r"`((?:make|python -m|dvc) [^`]+)`", text):
        for words in words_of(code.replace("\n", " ").replace("...", "")):
            named = words[1:3] == ["-m", "har"] and len(words) == 4
            yield [*words, "--help"] if named else words


def check(words):
    """Fail where the command would."""
    name, rest = program(words), words[1:]
    assert name, f"is {words[0]} a program?"
    if name == "make":
        for target in rest:
            if re.fullmatch(r"[a-z-]+", target):
                assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"no make {target}"
    elif name == "dvc":
        check_dvc(rest)
    elif name == "har" or rest[:2] == ["-m", "har"]:
        _parser().parse_args(rest if name == "har" else rest[2:])
    elif name == "python" and rest[:1] == ["-m"]:
        check_module(*rest[1:])


def check_dvc(words):
    if any(word.startswith("$") for word in words):  # filled in by the shell
        return
    arguments = get_main_parser().parse_args(words)
    overrides = getattr(arguments, "set_param", None) or []
    for override in overrides:
        key, value = override.split("=", 1)
        if not getattr(arguments, "queue", False):
            with_overrides(load_params(ROOT / "params.yaml"), (f"{key}={value}",))


def check_module(module, *arguments):
    top = module.partition(".")[0]
    if not (ROOT / top).is_dir():
        assert top in (*OTHERS, "venv", "dvc", "ruff", "mypy", "http"), f"what is {module}?"
        return
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    assert path.is_file(), f"no {module}"
    source = path.read_text(encoding="utf-8")
    for option in arguments:
        if option.startswith("--"):
            assert f'"{option.partition("=")[0]}"' in source, f"{module} has no {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_parses(page, capsys):
    wrong = []
    for words in [*commands(page), *inline_commands(page)]:
        try:
            check(words)
        except (SystemExit, Exception) as error:
            if isinstance(error, SystemExit) and error.code == 0:
                continue
            said = capsys.readouterr().err.strip().splitlines()[-1:]
            wrong.append(f"{shlex.join(words)}: {error!r} {said}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_the_documentation_names_what_exists(page):
    if page.name == "CONTRIBUTING.md":  # tests/test_contributing.py makes its files
        return
    for content in blocks(page, "python"):
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("har"):
                module = importlib.import_module(node.module)
                for name in (alias.name for alias in node.names):
                    if not hasattr(module, name):
                        importlib.import_module(f"{node.module}.{name}")


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path, monkeypatch, capsys):
    """What it does with `python -m har`, by the committed model where it trained one."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models/everyday.safetensors").symlink_to(ROOT / "models/everyday.safetensors")
    monkeypatch.chdir(tmp_path)
    run = [
        words[3:] for words in commands(ROOT / "docs/tutorial.md") if words[1:3] == ["-m", "har"]
    ]
    assert [words[0] for words in run] == ["simulate", "inspect", "show", "predict", "export"]
    for words in run:
        monkeypatch.setattr("sys.argv", ["har", *words])
        main()
        capsys.readouterr()
    assert {"clips.pkl", "strip.png", "model.onnx"} <= {path.name for path in tmp_path.iterdir()}
