"""The result of an ingest, by file and in total."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.activity.errors import RefusedFile
from app.lib.spreadsheet import printable_name


@dataclass
class FileRecord:
    """The outcome of one delivered file; `reason` says why it was skipped or, with `error`, refused.

    rows = accepted + duplicates + the sum of rejected; all are 0 unless the status is "read". `rejects_file`
    is relative to the store's root. `days` counts accepted events by local date (ISO). `also` are further
    dates that changed, because a known call turned out to have happened earlier. `other_content` counts the
    duplicates whose content differs from what has their request id.
    """

    path: Path
    status: Literal["read", "skipped", "refused"]
    reason: str = ""
    error: RefusedFile | None = None
    digest: str = ""
    size: int = 0
    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    other_content: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    rejects_file: str | None = None
    days: dict[str, int] = field(default_factory=dict)
    also: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's path in printable form."""
        return printable_name(self.path)

    @classmethod
    def refused(cls, path: Path, error: RefusedFile) -> "FileRecord":
        """Return the record of a refused file."""
        return cls(path, "refused", str(error), error)

    def as_journal(self, delivery: int, version: int, time: str, source: str) -> dict[str, Any]:
        """Return the entry of the journal, which has the number `delivery` in the events.

        It is committed with `version` at `time` (ISO, UTC) by the call `source`.
        """
        committed = {"delivery": delivery, "version": version, "time": time, "source": source}
        entry = {"name": self.name, **asdict(self), **committed}
        del entry["path"], entry["error"]
        return entry


@dataclass
class IngestResult:
    """The records of a call's files in order, and later moves of its events between dates."""

    files: list[FileRecord] = field(default_factory=list)
    moved: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Return the object that `flask logs ingest --json` prints; `files` counts all files.

        `other_content` is there when duplicates have other content than the event that counts.
        """
        differing = sum(file.other_content for file in self.files)
        return {
            "files": len(self.files),
            "files_skipped": self._with_status("skipped"),
            "files_refused": self._with_status("refused"),
            "rows": sum(file.rows for file in self.files),
            "accepted": sum(file.accepted for file in self.files),
            "duplicates": sum(file.duplicates for file in self.files),
            "rejected": _total([file.rejected for file in self.files]),
            "days": _total([*(file.days for file in self.files), self.moved]),
        } | ({"other_content": differing} if differing else {})

    def _with_status(self, status: str) -> int:
        return sum(file.status == status for file in self.files)


def _total(parts: "list[dict[str, int]]") -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return {name: total[name] for name in sorted(total) if total[name]}
