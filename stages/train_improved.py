"""Train the improved model, by the `model` and `train` sections of params.yaml."""

from har.errors import user_errors_end_the_program
from stages.train import train

if __name__ == "__main__":
    with user_errors_end_the_program():
        train("improved")
