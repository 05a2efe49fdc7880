"""Preprocess: track persons, clean joints, scale and cut clips, as the settings say."""

from dataclasses import replace

import numpy as np

from har.dataset.prepared import Row, read_prepared
from har.dataset.preprocessing import preprocess
from har.dataset.sequences import read_split, write_sequences
from har.errors import UserError, user_errors_end_the_program
from har.params import load_params, project_folder
from har.skeleton import check_layout, find_layout
from stages import FEATURES, PREPARED, SPLIT


def main() -> None:
    """Read prepared clips and their subsets, write features clip by clip."""
    params = load_params()
    settings = params.preprocess
    layout = find_layout(params.prepare.layout, project_folder())
    prepared = read_prepared(PREPARED)
    check_layout(layout, prepared.keypoints[..., :-1], str(PREPARED))
    subset_of = read_split(SPLIT)
    rows = [row for row in prepared.rows if row.id in subset_of]
    if len(rows) < len(subset_of):
        unknown = min(subset_of.keys() - {row.id for row in rows})
        raise UserError(f"{SPLIT} names {unknown!r}, no clip of {PREPARED}: run `dvc repro split`")

    def features(row: Row) -> np.ndarray:
        size = row.height, row.width
        if settings.scale == "image" and 0 in size:
            raise UserError(
                f"clip {row.id!r} has no image size, which preprocess.scale image divides by: "
                "set preprocess.scale to trunk or none"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # reported below
            poses = preprocess(prepared.poses(row), size, settings, layout, row.fps)
        if not np.isfinite(poses).all():
            raise UserError(
                f"clip {row.id!r} of {PREPARED} has no finite features: is the file damaged? "
                "run `dvc repro -f prepare`"
            )
        return poses

    write_sequences(
        FEATURES,
        map(features, rows),
        [settings.frames or row.frames for row in rows],
        # Clips of a fixed length are at 25 frames per second, like those of unknown rate.
        [replace(row, fps=0.0) if settings.frames else row for row in rows],
        [subset_of[row.id] for row in rows],
        settings.persons,
        {
            "layout": layout.setting,
            "classes": prepared.classes,
            "preprocess": settings.model_dump(),
        },
        prepared.keypoints.shape[1:],
    )
    print(f"{len(rows)} clips, {settings.persons} person slots each, written to {FEATURES}")


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
