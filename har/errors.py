"""The one error that is the user's to mend, and how an entry point ends on it."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTED = "interrupted"
_LONGEST_MESSAGE = 2000  # characters


class UserError(Exception):
    """Something the user can mend: the message names the file, clip or key and the remedy.

    Messages quote what files hold: whatever that is, the message is one printable line.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(part.strip() for part in message.splitlines())
        if len(line) > _LONGEST_MESSAGE:
            line = f"{line[: _LONGEST_MESSAGE - 500]} ... {line[-500:]}"
        # ascii() writes a control character or half a surrogate as it stands in source code.
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
    """Make Ctrl-C end in one line also while an entry point imports its modules, for seconds.

    Not by an exception: what libraries run while they are imported swallows it or, in C++, aborts.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """Say it, and die of the signal, which a shell shows as 130."""
    os.write(2, f"{_INTERRUPTED}\n".encode())
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
