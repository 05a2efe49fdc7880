"""Preprocess: follow persons, clean joints, fix what the recipe fixes once and for all."""

from har.errors import UserError, user_errors_end_the_program
from har.files import read_csv
from har.params import load_params
from har.skeleton import LAYOUTS, check_layout
from har.store import read_prepared, write_features
from har.transforms import preprocess
from stages import FEATURES, PREPARED, SPLIT


def main() -> None:
    """Read prepared clips and their subsets, write features clip by clip."""
    params = load_params()
    settings, layout = params.preprocess, LAYOUTS[params.prepare.layout]
    prepared = read_prepared(PREPARED)
    check_layout(layout, prepared.keypoints[..., :-1], str(PREPARED))
    subset_of = {line["id"]: line["subset"] for line in read_csv(SPLIT, ["id", "subset"])}
    rows = [row for row in prepared.rows if row.id in subset_of]
    if not rows:
        raise UserError(f"{SPLIT} names no clip of {PREPARED}/clips.csv: run `dvc repro split`")

    write_features(
        FEATURES,
        (
            preprocess(prepared.poses(row), (row.height, row.width), settings, layout)
            for row in rows
        ),
        [settings.frames or row.frames for row in rows],
        rows,
        [subset_of[row.id] for row in rows],
        settings.persons,
        {
            "layout": layout.name,
            "classes": prepared.classes,
            "preprocess": settings.model_dump(),
        },
        prepared.keypoints.shape[1:],
    )
    print(f"{len(rows)} clips, {settings.persons} person slots each, written to {FEATURES}")


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
