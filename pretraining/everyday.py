"""Pre-train on simulated motion: read settings, train, write the everyday model."""

import torch

from har.clips.simulate.everyday import CLASSES
from har.errors import user_errors_end_the_program
from har.files import write_csv
from har.models.checkpoint import Checkpoint, save_checkpoint
from har.params import Pretraining, load_section
from har.training.pretraining import LAYOUT, pretrain

PARAMS = "pretraining/params.yaml"
MODEL = "pretraining/everyday.safetensors"
HISTORY = "pretraining/history.csv"


def main() -> None:
    """Train the network and write it with its history."""
    settings = load_section(PARAMS, Pretraining)
    torch.set_num_threads(settings.threads)
    history = []

    def report(batch: int, loss: float, accuracy: float) -> None:
        history.append({"batch": batch, "loss": round(loss, 4), "accuracy": round(accuracy, 4)})
        print(
            f"batch {batch:5d}  loss {loss:.3f}  accuracy {accuracy:.3f}  (new windows)", flush=True
        )

    network = pretrain(settings, report)
    # Half precision halves the file; the answers change in the fourth decimal.
    weights = {
        name: weight.half() if weight.is_floating_point() else weight
        for name, weight in network.state_dict().items()
    }
    checkpoint = Checkpoint(
        weights=weights,
        model=settings.model,
        preprocess=settings.preprocess,
        layout=LAYOUT,
        classes=list(CLASSES),
        temperature=1.0,
        data_hash="",
        val={},
    )
    save_checkpoint(MODEL, checkpoint)
    write_csv(HISTORY, history, ["batch", "loss", "accuracy"])
    print(f"{len(CLASSES)} classes, written to {MODEL}")


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
