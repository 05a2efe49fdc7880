"""A field of the page that takes files."""

from collections.abc import Callable
from typing import Any

from nicegui.element import Element

from har.studio.sessions import Session


class Drop(Element, component="drop.js"):  # type: ignore[call-arg]
    """Sends files into a session's folder; `sent` is called with their numbers and names."""

    def __init__(
        self,
        session: Session,
        label: str,
        most_bytes: int,
        sent: Callable[[Any], Any],
        multiple: bool = False,
    ) -> None:
        """Make the field."""
        super().__init__()
        self._props |= {
            "address": f"/studio/{session.key}/files",
            "label": label,
            "most": most_bytes,
            "multiple": multiple,
        }
        self.on("sent", sent)
