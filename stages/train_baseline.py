"""Train the baseline model, by the `baseline` section of params.yaml."""

from har.errors import user_errors_end_the_program
from stages.train import train

if __name__ == "__main__":
    with user_errors_end_the_program():
        train("baseline")
