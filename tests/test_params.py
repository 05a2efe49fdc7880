import difflib
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from pydantic import ValidationError
from ruamel.yaml import YAML

from har.errors import UserError
from har.params import Params, load_params, load_yaml

PARAMS = Path(__file__).parents[1] / "params.yaml"


def changed(tmp_path, old, new):
    text = PARAMS.read_text()
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("written", ["1e-05", "1e-3", "0.00001", "12E3", ".5", "1."])
def test_scientific_notation_is_a_number(tmp_path, written):
    path = changed(tmp_path, "  lr: 0.004", f"  lr: {written}")
    assert load_params(path).train.lr == float(written)


@pytest.mark.parametrize(
    "text",
    ["a: 1e-05", "a: no", "a: 017", "a: 1:30", "a: .inf", "a: 1_000", "a: 0x1F", "a: 2026-01-02"],
)
def test_yaml_is_read_as_dvc_reads_it(tmp_path, text):
    path = tmp_path / "some.yaml"
    path.write_text(text)
    assert load_yaml(path) == dict(YAML(typ="rt").load(text))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("  dropout: 0.5", "  dropuot: 0.4", "model.dropuot: unknown key; known are arch"),
        ("  dropout: 0.5", "  dropout: high", "model.dropout.*valid number.*'high'"),
        ("  dropout: 0.5", "  dropout: 1.5", "model.dropout.*less than 1.*1.5"),
        ("  protocol: group", "  protocol: grup", "split.protocol.*'group', 'leave_one_group"),
        ("threads: 1", "threads: true", "threads.*integer.*True"),
        ("threads: 1\n", "", "threads: this key is missing"),
        ("  test_fraction: 0.15", "  test_fraction: 0.9", "split: val_fraction . test_fraction"),
        ("    iterations: 300", "    iterations: 0", "baseline.train: iterations and epochs"),
        (
            "      frames: 64",
            "      frames: 0",
            "baseline.model.windows.frames is 0.*preprocess.frames",
        ),
        (
            "      frames: 64",
            "      frames: 7",
            "baseline.model.windows.frames.*at least 8, or 0.*7",
        ),
        (
            "    arch: lstm",
            "    arch: lstm\n    lstm: keras",
            "baseline.model.*write arch: keras_lstm",
        ),
        (
            "  dropout: 0.5",
            "  dropout: 0.5\n  batch_norm: true",
            "model: the key batch_norm is gone",
        ),
        ("seed: 42", "seed: [1, 2", "not readable YAML"),
        ("seed: 42", "seed: !!python/object/apply:os.system [ls]", "not readable YAML"),
    ],
)
def test_a_mistake_is_told_with_file_key_and_what_is_allowed(tmp_path, old, new, complaint):
    path = changed(tmp_path, old, new)
    with pytest.raises(UserError, match=complaint) as caught:
        load_params(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="not found"):
        load_params(tmp_path / "params.yaml")


def keys_and_values(section, path=()):
    """Every setting's path and value."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from keys_and_values(value, (*path, key))
        else:
            yield (*path, key), value


def another(value):
    if isinstance(value, list):
        return "[]"
    if isinstance(value, bool):
        return str(not value).lower()
    if isinstance(value, float) and value < 1:
        return str(value / 4 + 1e-9)
    return f"{value}1" if isinstance(value, str) else str(value + 1)


def test_dvc_changes_nothing_but_the_key_that_is_overridden(tmp_path):
    """`dvc exp run -S` writes the whole file anew; by DVC's own function, key by key."""
    before = PARAMS.read_text().splitlines()
    path = tmp_path / "params.yaml"
    for keys, value in keys_and_values(load_yaml(PARAMS)):
        path.write_text(PARAMS.read_text())
        apply_overrides(path, [f"{'.'.join(keys)}={another(value)}"])
        after = path.read_text().splitlines()
        changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        ((_, first, last, start, stop),) = (change for change in changes if change[0] != "equal")
        written = f"{keys[-1]}: {another(value)}"
        assert [line.strip() for line in after[start:stop]] == [written]
        elements = [f"- {element}" for element in value] if isinstance(value, list) else []
        assert [line.strip() for line in before[first + 1 : last]] == elements


@pytest.mark.parametrize("arch", ["keras_lstm", "pytorch_lstm"])
def test_a_reference_on_windows_is_refused(arch):
    content = load_params(PARAMS).model_dump()
    content["model"]["arch"] = arch
    with pytest.raises(ValidationError, match=f"{arch} takes whole clips"):
        Params.model_validate(content)
