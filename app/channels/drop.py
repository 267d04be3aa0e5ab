"""File drop: a push as a CSV file with a checksum, written to a folder atomically."""

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
    """The folder for the files."""

    folder: Annotated[
        str,
        Field(max_length=500),
        Words(
            lazy_gettext("Folder"),
            lazy_gettext(
                "A folder below one of the roots in DROP_ROOTS, or a full path or URL."
                " Empty means the first root."
            ),
        ),
    ] = ""

    def check_place(self, config: Settings) -> None:
        """Raise FieldError when the folder is not below an allowed root."""
        try:
            allowed_folder(self.folder, config)
        except PermanentError:
            roots = ", ".join(_roots(config))
            raise FieldError(
                "folder", "The folder is not below any of DROP_ROOTS: %(roots)s", roots=roots
            ) from None


class Drop:
    """Channel that writes a CSV file and its SHA-256 below an allowed root."""

    kind = "file"
    label = lazy_gettext("File drop")
    settings = DropSettings
    limits = Limits(hits=20_000, seconds=60.0)
    signs = False
    tells_status = True

    def send(self, message: Message, settings: DropSettings, secret: str, config: Settings) -> Sent:
        """Write the CSV, then its checksum, whose presence means that the CSV is complete.

        A retry writes the same files.
        """
        folder = allowed_folder(settings.folder, config)
        name, data = file_name(message), table(message)
        checksum = f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()
        put = _put_remote if "://" in folder else _put_private if _is_ours(folder, config) else _put_shared
        try:
            for each, content in ((name, data), (f"{name}.sha256", checksum)):
                put(folder, each, content)
        except (OSError, ImportError, ValueError) as error:
            raise TemporaryError("%(kind)s: %(why)s", kind=type(error).__name__, why=str(error)) from error
        return Sent(Said.as_is(name))


def allowed_folder(folder: str, config: Settings) -> str:
    """Return the folder as a path or URL. Raises PermanentError unless it is below an allowed root."""
    roots = _roots(config)
    full = folder if folder.startswith("/") or "://" in folder else "/".join(filter(None, (roots[0], folder)))
    if any(_is_below(full, root) for root in roots):
        return full
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
    """Return the file name of a message, the same for every attempt."""
    when = f"{message.slot:%Y%m%dT%H%M%S}"
    part = f"-{message.part}of{message.parts}" if message.parts > 1 else ""
    test = "TEST-" if message.test else ""
    return f"{test}{_NOT_IN_NAMES.sub('_', message.schedule)}-{when}{part}-{message.id[-12:]}.csv"


def table(message: Message) -> bytes:
    """Return the hits as CSV in UTF-8 with a byte order mark, with formulas neutralised."""
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
    """Write a file that the fetching system's account can read."""
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
    """Write through fsspec, which supports a bank's file servers (sftp, smb, s3, webhdfs …) by URL."""
    system, path = fsspec.core.url_to_fs(folder)
    system.makedirs(path, exist_ok=True)
    part = f"{path}/.{name}.part"
    system.pipe_file(part, data)
    system.mv(part, f"{path}/{name}")


CHANNEL = Drop()
