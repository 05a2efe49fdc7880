"""The error for what a user can fix, and the end of a program that raises it."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTED = "interrupted"
_LONGEST_MESSAGE = 2000  # characters


class UserError(Exception):
    """Something the user can fix: the message names the file, clip or key and the remedy.

    Messages quote files, which can hold anything: they are made one printable line.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(part.strip() for part in message.splitlines())
        if len(line) > _LONGEST_MESSAGE:
            line = f"{line[: _LONGEST_MESSAGE - 500]} ... {line[-500:]}"
        # ascii() writes control characters and lone surrogates as escapes.
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line))


@contextmanager
def user_errors_end_the_program() -> Iterator[None]:
    """Turn a UserError into one line on standard error and exit status 2, without a traceback."""
    if signal.getsignal(signal.SIGINT) is _end:  # imports are done
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(_INTERRUPTED, file=sys.stderr)
        sys.exit(130)


def interrupted_imports_end_the_program() -> None:
    """End with one line on Ctrl-C also during imports, which take seconds.

    An exception would not work: libraries swallow it on import or, in C++, abort.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """Print a line and end by the signal, which a shell shows as status 130."""
    os.write(2, f"{_INTERRUPTED}\n".encode())
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
