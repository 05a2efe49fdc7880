"""Notes on oddities of a file: one line for each kind, with a count and an example."""

from collections import Counter

from har.clips.safe_pickle import shown


class Notes:
    """Counts notes by kind; each kind becomes one line with its first example."""

    def __init__(self) -> None:
        """Start without notes."""
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.dropped: set[str] = set()

    def add(self, what: str, clip_id: str = "", detail: str = "") -> None:
        """Note something of the file or, with an id, of one of its clips."""
        self.counts[what] += 1
        self.first.setdefault(what, f"{shown(clip_id)}{detail}" if clip_id else detail)

    def drop(self, why: str, clip_id: str) -> None:
        """Note why a clip is left out."""
        self.dropped.add(clip_id)
        self.add(f"dropped: {why}", clip_id)

    def lines(self) -> list[str]:
        """The notes, in the order of their first mention."""
        lines = []
        for what, count in self.counts.items():
            first = self.first[what]
            clips = f" ({count} clip{'s' * (count > 1)}, first {first})" if first else ""
            lines.append(what + clips)
        return lines
