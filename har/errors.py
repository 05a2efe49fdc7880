"""The one error that is the user's to mend, and how an entry point ends on it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can mend: the message names the file, clip or key and the remedy."""


@contextmanager
def user_errors_end_the_program() -> Iterator[None]:
    """Turn a UserError into one line on standard error and exit status 2, without a traceback."""
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
