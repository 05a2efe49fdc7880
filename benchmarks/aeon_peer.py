"""A classifier of aeon, fitted and asked in its own environment: `benchmarks.tuning` starts this.

Arguments: a file of the arrays `x`, `y`, `asked` (N, channels, frames), the file to write, and the
classifier's name and settings as JSON.
"""

import json
import sys
import time

import numpy as np


def main() -> None:
    """Fit on x and y, and write probabilities of `asked` with the seconds of the processor."""
    arrays, settings = np.load(sys.argv[1]), json.loads(sys.argv[3])
    name = settings.pop("name")
    if name == "multirocket_hydra":
        from aeon.classification.convolution_based import MultiRocketHydraClassifier

        model = MultiRocketHydraClassifier(**settings)
    else:
        from aeon.classification.deep_learning import LITETimeClassifier

        model = LITETimeClassifier(use_litemv=True, **settings)
    x = arrays["x"]
    if name == "multirocket_hydra":  # numba compiles at the first call
        type(model)(**settings).fit(x[:20], np.arange(20) % 2).predict(x[:2])
    start = time.process_time()
    model.fit(x, arrays["y"])
    fitted = time.process_time()
    probabilities = model.predict_proba(arrays["asked"])
    asked = time.process_time()
    found = np.zeros((len(probabilities), int(arrays["classes"])))
    found[:, model.classes_] = probabilities
    np.savez(sys.argv[2], probabilities=found, seconds=[fitted - start, asked - fitted])


if __name__ == "__main__":
    main()
