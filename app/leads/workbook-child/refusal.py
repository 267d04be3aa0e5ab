"""The refusal of a workbook, for every part of the process that reads one."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """The file is none that can be read; ``code`` and ``values`` say why."""

    def __init__(self, code: str, **values: Any) -> None:
        self.code, self.values = code, values
        super().__init__(code)
