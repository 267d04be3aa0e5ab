"""The exception by which the process refuses a workbook."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """The file can't be read; ``code`` and ``values`` say why."""

    def __init__(self, code: str, **values: Any) -> None:
        self.code, self.values = code, values
        super().__init__(code)
