"""Write the last run's figures into README.md and MODEL_CARD.md, between their markers.

It is not a stage: `make report` calls it after a run, and a test fails where the files differ.
"""

import re
import textwrap
from pathlib import Path
from typing import Any

from har.errors import UserError, user_errors_end_the_program
from har.files import read_json, write_atomically
from har.params import Params, load_params
from stages import METRICS

DOCUMENTS = (Path("README.md"), Path("MODEL_CARD.md"))


def blocks(params: Params, metrics: Path) -> dict[str, str]:
    """The text of every marker.

    Raises:
        UserError: a metrics file is missing or damaged.
    """
    evaluation = read_json(metrics / "evaluation.json")
    found = {
        "figures": figures_table(params, evaluation),
        "per-class": per_class_table(read_json(metrics / "per_class.json")),
        "leak": leak_line(params, read_json(metrics / "split.json")),
        "data": data_lines(params, read_json(metrics / "prepare.json")),
    }
    return {name: "\n".join(map(_wrapped, block.split("\n"))) for name, block in found.items()}


def _wrapped(line: str) -> str:
    """Wrap a line of Markdown at 100 characters, except rows of tables."""
    if line.startswith("|"):
        return line
    return textwrap.fill(line, 100, break_long_words=False, break_on_hyphens=False)


def fill(text: str, content: dict[str, str]) -> str:
    """Replace the text between `<!-- NAME -->` and `<!-- /NAME -->`."""
    for name, block in content.items():
        first, last = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        old = re.search(f"{first}(.*?){last}", text, re.DOTALL)
        if old:
            text = f"{text[: old.start(1)]}{block}\n{text[old.end(1) :]}"
    return text


def figures_table(params: Params, evaluation: dict[str, Any]) -> str:
    """Both models and their difference."""
    lines = [
        "| | accuracy | 95 % interval over groups | Wilson | macro-F1 | log loss "
        "| calibration error (unscaled) | parameters |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in ("baseline", "improved"):
        found = evaluation[name]
        lines.append(
            f"| {name} | {found['accuracy']:.3f} | {found['accuracy_low']:.3f} - "
            f"{found['accuracy_high']:.3f} | {found['wilson_low']:.3f} - "
            f"{found['wilson_high']:.3f} | {found['macro_f1']:.3f} | {found['log_loss']:.3f} | "
            f"{found['calibration_error']:.3f} ({found['raw_calibration_error']:.3f}) | "
            f"{found['parameters']:,} |"
        )
    difference = evaluation["difference"]
    lines += [
        "",
        f"{found['clips']} {params.evaluate.subset} clips of {found['groups']} groups, source "
        f"`{params.prepare.source}`, protocol `{params.split.protocol}`, seed {params.seed}, "
        f"`make repro`. Improved - baseline: {difference['accuracy']:+.3f} "
        f"({difference['accuracy_low']:+.3f} to {difference['accuracy_high']:+.3f} over groups; "
        f"McNemar's exact test p = {difference['p_value']:.2g}).",
    ]
    return "\n".join(lines)


def per_class_table(per_class: dict[str, Any]) -> str:
    """Precision, recall and F1 of the improved model, F1 of the baseline."""
    lines = [
        "| class | clips | precision | recall | F1 | F1 of the baseline |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in per_class["improved"].items():
        lines.append(
            f"| {name} | {found['support']} | {found['precision']:.3f} | {found['recall']:.3f} | "
            f"{found['f1']:.3f} | {per_class['baseline'][name]['f1']:.3f} |"
        )
    return "\n".join(lines)


def leak_line(params: Params, audit: dict[str, Any]) -> str:
    """Result of the leak audit."""
    if not audit["groups_known"]:
        return "The source names no groups, so no leak can be seen."
    held_out = audit[params.evaluate.subset]
    return (
        f"{held_out['leaking']} of {held_out['clips']} {params.evaluate.subset} clips have "
        f"a clip of the same group in training (protocol `{params.split.protocol}`, "
        f"{audit['groups']} groups)."
    )


def data_lines(params: Params, prepared: dict[str, Any]) -> str:
    """Data of the model: clips, groups, classes, frames, persons."""
    classes = ", ".join(f"{name} {count}" for name, count in prepared["clips_of_class"].items())
    frames = prepared["frames"]
    return (
        f"Source `{params.prepare.source}`: {prepared['clips']} clips of {prepared['groups']} "
        f"groups ({classes}), {frames['least']} to {frames['most']} frames, up to "
        f"{prepared['persons']['most']} persons."
    )


def main() -> None:
    """Rewrite the marked blocks of the documents."""
    content = blocks(load_params(), METRICS)
    for path in DOCUMENTS:
        if not path.is_file():
            raise UserError(f"{path} not found: run this in the project's folder")
        text = fill(path.read_text(encoding="utf-8"), content)
        with write_atomically(path, "w", encoding="utf-8") as file:
            file.write(text)
        print(f"{path}: figures of the last run written")


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
