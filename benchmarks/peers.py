"""Peers as their own users run them, Keras and MediaPipe in environments of their own."""

import pickle
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

FRAMES = 64


@dataclass(frozen=True)
class Peer:
    """A process that repeats its work on request."""

    process: subprocess.Popen
    versions: str
    errors: TextIO

    def run(self) -> float:
        """Do the work once, and return the seconds."""
        assert self.process.stdin and self.process.stdout
        print(file=self.process.stdin, flush=True)
        said = self.process.stdout.readline()
        if not said:
            self.errors.seek(0)
            raise RuntimeError(f"{self.versions} has ended: {self.errors.read()}")
        return float(said)


@contextmanager
def started(command: Sequence[str | Path]) -> Iterator[Peer]:
    """A process that first prints its versions, and then the seconds after each line it reads."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout
        yield Peer(process, process.stdout.readline().strip(), errors)


@contextmanager
def keras(
    python: Path, x: np.ndarray, y: np.ndarray, threads: int, batch: int, epochs: int
) -> Iterator[Peer]:
    """Keras on arrays (N, T, D) and labels (N,), in the environment of `python`."""
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        np.savez(arrays, x=x, y=y)
        script = Path(__file__).with_name("keras_peer.py")
        with started([python, script, arrays, str(threads), str(batch), str(epochs)]) as peer:
            yield peer


def mediapipe(python: Path, video: Path, threads: int) -> AbstractContextManager[Peer]:
    """MediaPipe's pose on a video, in the environment of `python`."""
    return started([python, Path(__file__).with_name("mediapipe_peer.py"), video, str(threads)])


class ClipFiles(Dataset):
    """The pytorch reference's data set: every item is read and transformed when it is asked for."""

    def __init__(self, files: Sequence[tuple[Path, int]]) -> None:
        """Take paths of one-clip pickles and their labels."""
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """A clip (64, 34), and its label."""
        path, label = self.files[index]
        with path.open("rb") as file:
            clip = pickle.load(file)["data"]
        clip = clip[np.arange(FRAMES) % len(clip)]
        clip = clip - clip[:, :1]
        trunk = np.median(np.linalg.norm(clip[:, 5] - clip[:, 11], axis=-1))
        if trunk > 1e-6:
            clip = clip / trunk
        return torch.from_numpy(clip.reshape(FRAMES, -1).astype(np.float32)), label


class ImprovedLSTM(nn.Module):
    """The pytorch reference's better model."""

    def __init__(self, classes: int) -> None:
        """Make the network."""
        super().__init__()
        self.lstm = nn.LSTM(34, 128, batch_first=True)
        self.norm = nn.BatchNorm1d(128)
        self.dropout = nn.Dropout(0.4)
        self.classifier = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """From clips (N, 64, 34) to logits."""
        _, (state, _) = self.lstm(x)
        return self.classifier(self.dropout(self.norm(state[-1])))


def train_from_pickles(
    train: Sequence[tuple[Path, int]],
    val: Sequence[tuple[Path, int]],
    classes: int,
    epochs: int,
    workers: int,
) -> nn.Module:
    """Train as the pytorch reference does: loaders, macro-F1 of both subsets after every epoch."""
    loaders = (
        DataLoader(ClipFiles(train), 64, shuffle=True, num_workers=workers),
        DataLoader(ClipFiles(val), 64, num_workers=workers),
    )
    model = ImprovedLSTM(classes)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    best, weights = -1.0, {}
    for _ in range(epochs):
        for loader in loaders:
            learning = loader is loaders[0]
            model.train(learning)
            truth, guesses = [], []
            with torch.set_grad_enabled(learning):
                for x, labels in loader:
                    logits = model(x)
                    loss = criterion(logits, labels)
                    if learning:
                        optimizer.zero_grad()
                        loss.backward()
                        optimizer.step()
                    loss.item()
                    truth += labels.tolist()
                    guesses += logits.argmax(1).tolist()
            figure = f1_score(truth, guesses, average="macro")
        if figure > best:
            best = figure
            weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.load_state_dict(weights)
    return model
