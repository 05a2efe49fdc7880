"""The keras reference's improved LSTM in Keras itself. Runs in TensorFlow's own environment.

    python benchmarks/keras_peer.py ARRAYS.npz THREADS BATCH EPOCHS

Trains EPOCHS passes on `x` (N, T, D) and `y` (N,) for every line it reads, and prints their
seconds.
"""

import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import tensorflow

keras = tensorflow.keras


def improved(shape: tuple[int, int], classes: int) -> "keras.Model":
    """The reference's network, compiled as a user does; Keras decides about XLA."""
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Masking(0.0),
            keras.layers.LSTM(64, return_sequences=True),
            keras.layers.Dropout(0.5),
            keras.layers.LSTM(64),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def main() -> None:
    path, (threads, batch, epochs) = sys.argv[1], map(int, sys.argv[2:])
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    with np.load(path) as arrays:
        x, y = arrays["x"], arrays["y"]
    model = improved(x.shape[1:], int(y.max()) + 1)
    print(f"TensorFlow {tensorflow.__version__}, Keras {keras.__version__}", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
