"""What an ingest did, file by file and in all."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.activity.errors import RefusedFile
from app.lib.spreadsheet import printable_name


@dataclass
class FileRecord:
    """What became of one delivered file; `reason` says why it was refused, by `error`, or skipped.

    rows = accepted + duplicates + the sum of rejected; all are 0 unless the status is "read".
    `rejects_file` is relative to the store's root; `days` counts accepted events by local date (ISO), `also`
    are further dates that changed, because a call known already turned out to have happened earlier.
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
    rejected: dict[str, int] = field(default_factory=dict)
    rejects_file: str | None = None
    days: dict[str, int] = field(default_factory=dict)
    also: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's path as it can be shown and stored."""
        return printable_name(self.path)

    @classmethod
    def refused(cls, path: Path, error: RefusedFile) -> "FileRecord":
        """The record of a file that was refused whole."""
        return cls(path, "refused", str(error), error)

    def as_journal(self, version: int, time: str, source: str) -> dict[str, Any]:
        """The journal's entry, committed with `version` at `time` (ISO, UTC) by the call named `source`."""
        entry = {"name": self.name, **asdict(self), "version": version, "time": time, "source": source}
        del entry["path"], entry["error"]
        return entry


@dataclass
class IngestResult:
    """All files of one call in order, and how events accepted early in it moved between dates later."""

    files: list[FileRecord] = field(default_factory=list)
    moved: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """What `flask logs ingest --json` prints; `files` counts skipped and refused files too."""
        return {
            "files": len(self.files),
            "files_skipped": self._with_status("skipped"),
            "files_refused": self._with_status("refused"),
            "rows": sum(file.rows for file in self.files),
            "accepted": sum(file.accepted for file in self.files),
            "duplicates": sum(file.duplicates for file in self.files),
            "rejected": _total([file.rejected for file in self.files]),
            "days": _total([*(file.days for file in self.files), self.moved]),
        }

    def _with_status(self, status: str) -> int:
        return sum(file.status == status for file in self.files)


def _total(parts: "list[dict[str, int]]") -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return {name: total[name] for name in sorted(total) if total[name]}
