"""Sessions of browser tabs: files in a folder that is removed when the tab is closed."""

import asyncio
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from har.errors import UserError

_KEPT = 60.0  # seconds that a session waits for a page that was left, perhaps only to be reloaded
_FILES_KEPT = 4  # times the most bytes of one file, in one session
_LONGEST_NAME = 100  # characters


class Session:
    """The files of a tab.

    Attributes:
        key: a secret that is part of the addresses of its files.
        folder: its files lie here and in folders of it.
        cameras: name -> gives what looks at the frames of a camera of the page.
        kept: what else is to outlive a reload of the page.
    """

    def __init__(self, root: Path) -> None:
        """Make an empty session, whose folder lies in `root`."""
        self.key = secrets.token_urlsafe(16)
        self.folder = Path(tempfile.mkdtemp(dir=root))
        self.cameras: dict[str, Callable[[], Any]] = {}
        self.kept: dict[str, Any] = {}
        self._files: dict[str, Path] = {}
        self._pages = 0
        self._end: asyncio.TimerHandle | None = None

    def place(self, name: str) -> Path:
        """A new place in the session's folder for a file that a browser calls by any name."""
        name = re.sub(r'[/\\:*?"<>|]', "_", Path(name).name)
        name = "".join(c for c in name if c.isprintable()).lstrip(".")[-_LONGEST_NAME:]
        return Path(tempfile.mkdtemp(dir=self.folder)) / (name or "file")

    def address(self, path: Path) -> str:
        """The address of one of the session's files; no other file has one."""
        number = next((n for n, known in self._files.items() if known == path), "")
        if not number:
            number = str(len(self._files))
            self._files[number] = path
        return f"/studio/{self.key}/files/{number}"

    def file(self, number: str) -> Path | None:
        """The file of an address."""
        return self._files.get(number)

    def room(self, most: int) -> int:
        """Bytes that the session's next file may have, where any file may have `most`."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return min(most, _FILES_KEPT * most - sum(path.stat().st_size for path in files))

    def sentence(self, error: UserError) -> str:
        """An error's message without the folders of this machine."""
        return re.sub(re.escape(str(self.folder)) + r"/(\w+/)?", "", str(error))


class Sessions:
    """All sessions of a server."""

    def __init__(self) -> None:
        """Start with none."""
        self.root = Path(tempfile.mkdtemp(prefix="har-studio-"))
        self._by_tab: dict[str, Session] = {}

    def enter(self, tab: str) -> Session:
        """The session of a tab that opened the page."""
        session = self._by_tab.get(tab)
        if session is None:
            session = self._by_tab[tab] = Session(self.root)
        session._pages += 1
        if session._end:
            session._end.cancel()
            session._end = None
        return session

    def leave(self, tab: str) -> None:
        """Note that the page was left; the session ends unless it is opened again soon."""
        session = self._by_tab.get(tab)
        if session is None:
            return
        session._pages -= 1
        if session._pages == 0:
            session._end = asyncio.get_running_loop().call_later(_KEPT, self._close, tab)

    def find(self, key: str) -> Session | None:
        """The session of a key."""
        known = self._by_tab.values()
        return next((s for s in known if secrets.compare_digest(s.key, key)), None)

    def close(self) -> None:
        """Remove everything."""
        self._by_tab.clear()
        shutil.rmtree(self.root, ignore_errors=True)

    def _close(self, tab: str) -> None:
        shutil.rmtree(self._by_tab.pop(tab).folder, ignore_errors=True)
