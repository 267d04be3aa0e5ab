"""File drop: a push as a CSV with its checksum, put into a folder in one piece."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from pathlib import Path
from typing import Annotated

import fsspec
from flask_babel import lazy_gettext
from pydantic import Field

from app.channels.base import ChannelSettings, Limits, Message, PermanentError, Sent, TemporaryError, Words
from app.errors import FieldError, Said
from app.lib.spreadsheet import safe_cell
from config import Settings

COLUMNS = (
    *("id", "lead_no", "phone_masked", "branch", "rule", "rule_name", "rule_version"),
    *("hit_date", "grade", "score", "status", "reason", "opted_out"),
)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


class DropSettings(ChannelSettings):
    """Where to put the files."""

    folder: Annotated[
        str,
        Field(max_length=500),
        Words(
            lazy_gettext("Folder"),
            lazy_gettext(
                "Below one of the roots in DROP_ROOTS, or a whole path or URL; empty is the first root."
            ),
        ),
    ] = ""

    def check_place(self, config: Settings) -> None:
        """By the allowed roots."""
        try:
            place(self.folder, config)
        except PermanentError:
            roots = ", ".join(_roots(config))
            raise FieldError(
                "folder", "The folder is not below any of DROP_ROOTS: %(roots)s", roots=roots
            ) from None


class Drop:
    """Writes a CSV and its SHA-256 under an allowed root."""

    kind = "file"
    label = lazy_gettext("File drop")
    settings = DropSettings
    limits = Limits(hits=20_000, seconds=60.0)
    signs = False

    def send(self, message: Message, settings: DropSettings, secret: str, config: Settings) -> Sent:
        """Write both files; the checksum comes last, so whoever sees it may read. A retry writes the same."""
        folder = place(settings.folder, config)
        name, data = file_name(message), table(message)
        checksum = f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()
        put = _put_remote if "://" in folder else _put_private if _is_ours(folder, config) else _put_shared
        try:
            for each, content in ((name, data), (f"{name}.sha256", checksum)):
                put(folder, each, content)
        except (OSError, ImportError, ValueError) as error:
            raise TemporaryError("%(kind)s: %(why)s", kind=type(error).__name__, why=str(error)) from error
        return Sent(Said.as_is(name))


def place(folder: str, config: Settings) -> str:
    """The folder as a path or URL. Raises PermanentError when it is under none of the allowed roots."""
    roots = _roots(config)
    whole = (
        folder if folder.startswith("/") or "://" in folder else "/".join(filter(None, (roots[0], folder)))
    )
    if any(_is_below(whole, root) for root in roots):
        return whole
    raise PermanentError("the folder is not below any of DROP_ROOTS")


def _roots(config: Settings) -> tuple[str, ...]:
    return config.drop_roots or (str(config.data_dir / "outbox"),)


def _is_below(folder: str, root: str) -> bool:
    if ("://" in folder) != ("://" in root):
        return False
    if "://" in folder:
        return ".." not in folder.split("/") and f"{folder.rstrip('/')}/".startswith(f"{root.rstrip('/')}/")
    return Path(folder).resolve().is_relative_to(Path(root).resolve())


def file_name(message: Message) -> str:
    """The same for every attempt at this message."""
    when = f"{message.slot:%Y%m%dT%H%M%S}"
    part = f"-{message.part}of{message.parts}" if message.parts > 1 else ""
    test = "TEST-" if message.test else ""
    return f"{test}{_NOT_IN_NAMES.sub('_', message.schedule)}-{when}{part}-{message.id[-12:]}.csv"


def table(message: Message) -> bytes:
    """The hits as CSV, UTF-8 with a mark that spreadsheets know, formulas made text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for hit in message.hits:
        row = hit.as_json()
        writer.writerow([safe_cell(str(row[column])) for column in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def _is_ours(folder: str, config: Settings) -> bool:
    return _is_below(folder, str(config.data_dir))


def _put_private(folder: str, name: str, data: bytes) -> None:
    _put_local(Path(folder), name, data, 0o700, 0o600)


def _put_shared(folder: str, name: str, data: bytes) -> None:
    """For the system that fetches it, which has another account."""
    _put_local(Path(folder), name, data, 0o750, 0o644)


def _put_local(target: Path, name: str, data: bytes, folder_mode: int, file_mode: int) -> None:
    for folder in [each for each in (target, *target.parents) if not each.exists()][::-1]:
        folder.mkdir(exist_ok=True)
        folder.chmod(folder_mode)
    part = target / f".{name}.part"
    with part.open("wb") as file:
        os.fchmod(file.fileno(), file_mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(target / name)
    handle = os.open(target, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put_remote(folder: str, name: str, data: bytes) -> None:
    """Through fsspec, which knows the servers a bank uses (sftp, smb, s3, webhdfs …) by their URLs."""
    system, path = fsspec.core.url_to_fs(folder)
    system.makedirs(path, exist_ok=True)
    part = f"{path}/.{name}.part"
    system.pipe_file(part, data)
    system.mv(part, f"{path}/{name}")


CHANNEL = Drop()
