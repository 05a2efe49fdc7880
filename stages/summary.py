"""The end of a run: a small table, and next commands. Not a stage; `make repro` calls it."""

from typing import Any

from har.errors import user_errors_end_the_program
from har.files import read_json
from har.params import load_params
from stages import METRICS

NEXT = """
next:
  dvc plots show                            curves, confusion, mistakes (make plots: one file)
  dvc exp run -S model.dropout=0.4          change something; dvc metrics diff --no-path shows
  python -m har predict FILE                name the action of your own clips
  make ui                                   browse all runs in MLflow
"""


def table(evaluation: dict[str, Any], subset: str) -> str:
    """Both models and their difference, as text.

    Args:
        evaluation: content of metrics/evaluation.json.
        subset: the subset that was evaluated.
    """
    lines = [f"{'':10}{'accuracy':>10}{'95 % interval':>17}{'macro-F1':>10}{'parameters':>12}"]
    for name in ("baseline", "improved"):
        found = evaluation[name]
        interval = f"{found['accuracy_low']:.3f} - {found['accuracy_high']:.3f}"
        lines.append(
            f"{name:10}{found['accuracy']:10.3f}{interval:>17}{found['macro_f1']:10.3f}"
            f"{found['parameters']:12,}"
        )
    difference = evaluation["difference"]
    lines.append(
        f"{found['clips']} {subset} clips of {found['groups']} groups; improved - baseline "
        f"{difference['accuracy']:+.3f} ({difference['accuracy_low']:+.3f} to "
        f"{difference['accuracy_high']:+.3f}), McNemar p = {difference['p_value']:.2g}"
    )
    return "\n".join(lines)


def audit_line(audit: dict[str, Any]) -> str:
    """Result of the leak audit, as a sentence."""
    if not audit["groups_known"]:
        return "leak audit: no groups are known, so no leak can be seen"
    found = [
        f"{audit[subset]['leaking']} of {audit[subset]['clips']} {subset} clips"
        for subset in ("val", "test")
        if audit[subset]["clips"]
    ]
    line = f"leak audit: {' and '.join(found)} have a clip of their group in training"
    leaks = any(audit[subset]["leaking"] for subset in ("val", "test"))
    return line + (": THE FIGURES WILL BE TOO HIGH" if leaks else "")


def main() -> None:
    """Print the table of the last run and the next commands."""
    params = load_params()
    print(f"\n{params.prepare.source}, split {params.split.protocol}, seed {params.seed}")
    print(table(read_json(METRICS / "evaluation.json"), params.evaluate.subset))
    print(NEXT)


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
