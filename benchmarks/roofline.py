"""How far each measured case is from what this machine's peak allows: a table and a figure.

`python -m benchmarks.roofline`

The peak is that of one thread: the rate of a large convolution, and the bytes a second of a large
copy. Arithmetic is that of matrix products and convolutions, bytes are those that operations read
and write, as if nothing stayed in the cache. Seconds are of the processor, the best of some runs;
the peak is measured again with each case, since machines slow down and recover.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bench import (
    Setup,
    clip_of,
    prediction_clips,
    prepared_features,
    training_batches,
    untrained,
)
from benchmarks.experiments import markdown, recipe, with_overrides
from benchmarks.timing import machine, matrix_rate
from har.dataset.sequences import read_sequences
from har.errors import user_errors_end_the_program
from har.figures.style import BLACK, BLUE, GREY, VERMILLION, png, tidy
from har.files import write_atomically
from har.models.inference import log_probabilities
from har.models.lstm import KerasLstm, PytorchLstm
from har.params import load_params
from har.recognition.recognizer import Recognizer
from har.skeleton import LAYOUTS
from har.training.trainer import cross_entropy

PICTURE = Path("docs/images/roofline.png")
# How many times as fast what was wanted is as what benchmarks/RESULTS.md found.
KERAS, PYTORCH = 6 / 4.70, 10 / 1.95


@dataclass(frozen=True)
class Case:
    """Work to be measured.

    Attributes:
        name: as it is called in the table.
        run: does it once.
        clips: how many clips it takes.
        wanted: from its seconds a clip and those of the peer, the first case, to those wanted.
        recurrent: operations that torch does not count.
    """

    name: str
    run: Callable[[], object]
    clips: int
    wanted: Callable[[float, float], float]
    recurrent: float = 0.0


@dataclass(frozen=True)
class Found:
    """What was measured of a case: of a clip, but for the rates."""

    name: str
    operations: float
    bytes: float
    seconds: float
    peak: float
    bandwidth: float

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.operations / self.bytes

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds

    @property
    def roof(self) -> float:
        """The most that the machine allows, in operations a second."""
        return min(self.peak, self.bandwidth * self.intensity)


class Traffic(TorchDispatchMode):
    """Counts the bytes of all tensors that operations read and write; views cost nothing."""

    def __init__(self) -> None:
        """Start at 0."""
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and count it."""
        found = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [one for one in tree_leaves((args, kwargs, found)) if isinstance(one, Tensor)]
            self.bytes += sum(one.numel() * one.element_size() for one in tensors)
        return found


def copy_rate(megabytes: int = 256) -> float:
    """Bytes a second of a large copy, those read and those written; the best of five."""
    source = np.ones(megabytes * 2**17)
    target = np.empty_like(source)
    return 2 * source.nbytes / best(lambda: np.copyto(target, source), 5)


def best(job: Callable[[], object], repeats: int) -> float:
    """Least seconds of the processor of a job, after a run that does not count."""
    job()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        job()
        seconds.append(time.process_time() - start)
    return min(seconds)


def measure(case: Case, repeats: int) -> Found:
    """Count a case's operations and bytes, and time it and the machine's peak in turn."""
    operations, traffic = FlopCounterMode(display=False), Traffic()
    with operations:
        case.run()
    with traffic:
        case.run()
    seconds, peaks, copies = [], [], []
    for _ in range(3):
        peaks.append(matrix_rate())
        copies.append(copy_rate())
        seconds.append(best(case.run, repeats))
    return Found(
        case.name,
        (operations.get_total_flops() + case.recurrent) / case.clips,
        traffic.bytes / case.clips,
        min(seconds) / case.clips,
        max(peaks),
        max(copies),
    )


def cases(setup: Setup) -> list[Case]:
    """The goals that were missed, and their surroundings; the first is the peer of prediction."""
    params = setup.params
    folder = prepared_features(setup, "default", params)
    clips = prediction_clips(folder)
    overrides = ("model.windows.test_windows=1", "preprocess.tracking=false")
    ours = untrained(params)
    full = untrained(with_overrides(params, (*recipe("stgcn_full"), *overrides)))
    crowded = next(clip for clip in clips if len(clip.keypoints) > 1)
    sequences = read_sequences(folder / "data/features")
    model, batches = training_batches(params, sequences, 1)
    windows, labels = batches[0]

    def predicting(recognizer: Recognizer, some: list) -> Callable[[], object]:
        ready, settings = recognizer._sequences(some), recognizer.checkpoint.model.windows
        return lambda: log_probabilities(recognizer.model, ready, settings)

    def training(network: nn.Module, batch: Tensor, truth: Tensor) -> Callable[[], object]:
        def step() -> None:
            found = network.train()(batch)
            heads = found if found.ndim == 3 else found[None]
            torch.stack([cross_entropy(head, truth, 0.1) for head in heads]).sum().backward()

        return step

    alone = [clip_of(clip, 1) for clip in clips]
    both = [clip_of(clip, 2) for clip in clips[:4]]
    layout, generator = LAYOUTS["coco17"], torch.Generator().manual_seed(0)
    pytorch = torch.randn(64, 1, 64, 17, 3, generator=generator)
    keras = torch.randn(32, 1, 300, 17, 3, generator=generator)
    classes = torch.randint(5, (64,), generator=generator)
    return [
        Case("predicting, full ST-GCN++, 2 persons", predicting(full, both), len(both), same),
        Case("predicting, one person", predicting(ours, alone), len(alone), sixtieth),
        Case("predicting, several persons", predicting(ours, clips), len(clips), sixtieth),
        Case("one clip, one person", predicting(ours, alone[:1]), 1, three_milliseconds),
        Case(
            "one clip, two persons",
            predicting(ours, [clip_of(crowded, 2)]),
            1,
            three_milliseconds,
        ),
        Case("training, default network", training(model, windows, labels), len(windows), same),
        Case(
            "training, pytorch reference's LSTM",
            training(PytorchLstm(layout, 5, 128, 1, 0.4), pytorch, classes),
            len(pytorch),
            lambda own, peer: own / PYTORCH,
            lstm(64, 64, 34, (128,)),
        ),
        Case(
            "training, keras reference's LSTM",
            training(KerasLstm(layout, 5, 64, 2, 0.5), keras, classes[:32]),
            len(keras),
            lambda own, peer: own / KERAS,
            lstm(32, 300, 34, (64, 64)),
        ),
    ]


def same(own: float, peer: float) -> float:
    """Nothing more was wanted."""
    return own


def sixtieth(own: float, peer: float) -> float:
    """Sixty times the peer's speed was wanted."""
    return peer / 60


def three_milliseconds(own: float, peer: float) -> float:
    """Three milliseconds were wanted."""
    return 3e-3


def lstm(clips: int, steps: int, inputs: int, widths: Sequence[int]) -> float:
    """Operations of LSTM layers, forward and (twice as many) backward."""
    found = 0.0
    for width in widths:
        found += 3 * 2 * clips * steps * 4 * width * (inputs + width)
        inputs = width
    return found


def table(found: Sequence[Found], wanted: Sequence[float]) -> str:
    """The cases in Markdown, with the seconds a clip that were wanted."""
    columns = [
        "case",
        "MFLOP a clip",
        "FLOP a byte",
        "ms a clip",
        "GFLOP/s",
        "roof",
        "of the roof",
        "wanted, ms a clip",
        "would be of the roof",
    ]
    rows = [
        [
            one.name,
            f"{one.operations / 1e6:,.0f}",
            f"{one.intensity:.0f}",
            f"{1e3 * one.seconds:.2f}",
            f"{one.rate / 1e9:.0f}",
            f"{one.roof / 1e9:.0f}",
            f"{100 * one.rate / one.roof:.0f} %",
            f"{1e3 * goal:.2f}" if goal != one.seconds else "",
            f"{100 * one.operations / goal / one.roof:.0f} %" if goal != one.seconds else "",
        ]
        for one, goal in zip(found, wanted, strict=True)
    ]
    return markdown(columns, rows)


def picture(found: Sequence[Found], wanted: Sequence[float]) -> Figure:
    """The roof, each case as a share of it, and where it was wanted."""
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    axes = figure.subplots()
    peak, bandwidth = (max(getattr(one, name) for one in found) for name in ("peak", "bandwidth"))
    x = np.geomspace(2, 60, 200)
    axes.loglog(x, np.minimum(peak, bandwidth * x) / 1e9, color=BLACK, linewidth=1.5)
    axes.annotate(
        f"peak of one thread: {peak / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.0f} GB/s",
        (60, peak / 1e9),
        (0, 5),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    for number, (one, goal) in enumerate(zip(found, wanted, strict=True), start=1):
        # Its share of the roof that was measured in its own minute.
        rate = one.rate / one.roof * min(peak, bandwidth * one.intensity) / 1e9
        label = f"{number}  {one.name}"
        axes.plot(one.intensity, rate, "o", color=BLUE, markersize=6, label=label)
        axes.annotate(
            str(number), (one.intensity, rate), (6, -3), textcoords="offset points", fontsize=8
        )
        if goal != one.seconds:
            wish = rate * one.seconds / goal
            axes.plot([one.intensity] * 2, [rate, wish], color=GREY, linewidth=0.8, zorder=0)
            axes.plot(one.intensity, wish, "_", color=VERMILLION, markersize=12)
    axes.plot([], [], "_", color=VERMILLION, markersize=12, label="wanted")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("operations for each byte read or written")
    axes.set_ylabel("GFLOP/s")
    tidy(axes, "both")
    figure.legend(loc="outside right center", fontsize=8, handlelength=1, frameon=False)
    return figure


def main() -> None:
    """Print the table and draw the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="counted runs of each; default: 5")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    arguments = parser.parse_args()
    params = load_params()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        setup = Setup(params, arguments.repeats, Path(folder), Path(), None)
        some = cases(setup)
        found = [measure(case, arguments.repeats) for case in some]
    peer = found[0].seconds
    wanted = [case.wanted(one.seconds, peer) for case, one in zip(some, found, strict=True)]
    print(
        f"{machine()}. One thread: {found[0].peak / 1e9:.0f} GFLOP/s in float32, "
        f"{matrix_rate(torch.bfloat16) / 1e9:.0f} in bfloat16, "
        f"{found[0].bandwidth / 1e9:.1f} GB/s.\n"
    )
    print(table(found, wanted))
    with write_atomically(arguments.picture) as file:
        file.write(png(picture(found, wanted)))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
