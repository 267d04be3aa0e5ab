"""E-mail digests, file drops, reminders, and discovery of channel modules."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy.orm import Session

import app.channels as registry
from app.channels import channel, channels, drop, targets
from app.channels.base import Message, PermanentError, TemporaryError
from app.channels.mail import MailSettings
from app.errors import DomainError, FieldError
from app.models import Delivery, Reminder, Target
from app.push.test_push import send_sample
from config import Settings
from tests.access.world import branch, lead
from tests.channels.conftest import line
from tests.conftest import Person, make_staff
from tests.postbox import Postbox
from tests.push.conftest import *  # noqa: F403 - fixtures
from tests.push.conftest import Bank


def mail(app: Flask, message: Message, **given: Any) -> Any:
    settings = MailSettings.model_validate({"to": ["a@bank.example", "b@bank.example"], **given})
    with app.app_context():
        return channel("email").send(message, settings, "", app.config["SETTINGS"])


def test_a_digest_has_text_html_and_a_picture(
    app: Flask, postbox: Postbox, message: Callable[..., Message]
) -> None:
    lines = [line(n) for n in range(1, 6)] + [line(6, rule_name="<b>&", opted_out=True)]
    assert mail(app, message(6, lines), rows=3).answer.english() == "2 of 2 recipients"
    [got] = postbox.mails
    assert got["subject"] == "每日推送：6 条高潜线索"
    assert got["message-id"] == "<msg_0123456789abcdef@bank.example>"
    assert got["to"] == "a@bank.example, b@bank.example"
    text = got.get_body(("plain",)).get_content()
    page = got.get_body(("html",)).get_content()
    for body in (text, page):
        assert "2026-10-26 09:00" in body
        assert "138****0005" in body
        assert "L6" in body
        assert "L1" not in body, "only the best three"
        assert "还有 3 条" in body
        assert "https://lm.bank.example/hitview/list/" in body
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page
    [picture] = [part for part in got.walk() if part.get_content_type() == "image/png"]
    assert picture["content-id"] == "<grades>"
    image = Image.open(io.BytesIO(picture.get_content()))
    assert image.size == (840, 256)
    colours = {colour for _n, colour in image.convert("RGB").getcolors(100_000) or []}
    assert {(0xCF, 0x13, 0x22), (0x16, 0x77, 0xFF)} <= colours


def test_a_digest_in_english_and_a_test_say_so(
    app: Flask, postbox: Postbox, message: Callable[..., Message]
) -> None:
    mail(app, message(1, schedule_name="Daily", test=True), language="en")
    [got] = postbox.mails
    assert got["subject"] == "[Test] 1 high-potential leads: Daily"
    assert "No lead was affected" in got.get_body(("plain",)).get_content()


@pytest.mark.parametrize(("answer", "kind"), [("451 later", TemporaryError), ("554 never", PermanentError)])
def test_what_a_mail_server_refuses(
    app: Flask, postbox: Postbox, message: Callable[..., Message], answer: str, kind: type[Exception]
) -> None:
    postbox.refuse = answer
    with pytest.raises(kind, match=answer[:3]):
        mail(app, message())


def test_without_a_mail_server_a_digest_waits(app: Flask, message: Callable[..., Message]) -> None:
    with pytest.raises(TemporaryError, match="SMTP_URL"):
        mail(app, message())


def put(app: Flask, message: Message, folder: str = "", **settings: Any) -> Any:
    config = dataclasses.replace(app.config["SETTINGS"], **settings)
    with app.app_context():
        return channel("file").send(message, drop.DropSettings(folder=folder), "", config)


def test_a_drop_is_a_csv_with_its_checksum(
    app: Flask, tmp_path: Path, message: Callable[..., Message]
) -> None:
    lines = [line(1), line(2, reason="=cmd()", rule_name="含,逗号")]
    sent = put(app, message(2, lines), drop_roots=(str(tmp_path),), folder="crm/daily")
    name = str(sent.answer)
    folder = tmp_path / "crm" / "daily"
    assert sorted(path.name for path in folder.iterdir()) == [name, f"{name}.sha256"]
    data = (folder / name).read_bytes()
    assert (folder / f"{name}.sha256").read_text().split() == [hashlib.sha256(data).hexdigest(), name]
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [row["lead_no"] for row in rows] == ["L1", "L2"]
    assert (rows[1]["reason"], rows[1]["rule_name"]) == ("'=cmd()", "含,逗号")
    assert put(app, message(2, lines), drop_roots=(str(tmp_path),), folder="crm/daily") == sent
    assert folder.stat().st_mode & folder.parent.stat().st_mode & 0o777 == 0o750
    for each in folder.iterdir():
        assert each.stat().st_mode & 0o777 == 0o644, "the system that fetches it has another account"
    assert len(list(folder.iterdir())) == 2, "a retry writes the same file"


def test_a_drop_goes_to_other_systems_by_url(app: Flask, message: Callable[..., Message]) -> None:
    import fsspec

    sent = put(app, message(), drop_roots=("memory://bank/out",), folder="memory://bank/out/crm")
    system = fsspec.filesystem("memory")
    assert sorted(path.rsplit("/", 1)[1] for path in system.ls("/bank/out/crm", detail=False)) == [
        str(sent.answer),
        f"{sent.answer}.sha256",
    ]


@pytest.mark.parametrize(
    "folder",
    [
        "/etc",
        "../x",
        "crm/../../x",
        "memory://bank/outside",
        "memory://bank/out/../x",
        "file:///etc",
        "link/x",
    ],
)
def test_a_drop_stays_below_its_roots(
    app: Flask, tmp_path: Path, message: Callable[..., Message], folder: str
) -> None:
    root = tmp_path / "out"
    root.mkdir()
    (root / "link").symlink_to("/etc")
    with pytest.raises(PermanentError, match="DROP_ROOTS"):
        put(app, message(), drop_roots=(str(root), "memory://bank/out"), folder=folder)


def test_reminders_follow_the_row_scope(
    app: Flask, session: Session, settings: Settings, message: Callable[..., Message]
) -> None:
    home, away = branch(session, "HOME"), branch(session, "AWAY")
    sub = branch(session, "SUB", home)
    leads = [lead(settings, n, where) for n, where in ((1, home), (2, sub), (3, away))]
    session.add_all(leads)
    session.commit()
    for name, role, where in (
        ("at-home", "Marketer", home),
        ("at-sub", "Marketer", sub),
        ("nowhere", "Marketer", None),
        ("boss", "Manager", None),
        ("checker", "Auditor", None),
    ):
        make_staff(session, name, role, branch=where)
    gone = make_staff(session, "gone", "Marketer", branch=home)
    gone.active = False
    session.commit()
    content = message(3, [line(each.id, lead_id=each.id) for each in leads])
    reminder = channel("reminder")
    with app.app_context():
        for _again in range(2):
            reminder.send(content, reminder.settings.model_validate({}), "", settings)
    told = {each.person_id: each.values["n"] for each in session.query(Reminder)}
    names = {person.username: told.get(person.id) for person in session.query(type(gone))}
    assert names == {
        "at-home": 2,
        "at-sub": 1,
        "nowhere": None,
        "boss": 3,
        "checker": None,
        "gone": None,
    }
    with app.app_context():
        only = reminder.settings.model_validate({"roles": ["Marketer"], "branch": "AWAY"})
        reminder.send(dataclasses.replace(content, id="msg_2"), only, "", settings)
        with pytest.raises(FieldError):
            reminder.settings.model_validate({"roles": ["Nobody"]})
        with pytest.raises(FieldError):
            reminder.settings.model_validate({"branch": "NOWHERE"})
    assert session.query(Reminder).count() == 3


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("webhook", {}, "url"),
        ("webhook", {"url": "ftp://x"}, "url"),
        ("webhook", {"url": "https://a@b/"}, "url"),
        ("webhook", {"url": "https://b/", "more": 1}, "more"),
        ("email", {"to": []}, "to"),
        ("email", {"to": ["a@b.cn\nBcc: x@y.cn"]}, "to"),
        ("email", {"to": ["a@b.cn"], "rows": 1000}, "rows"),
        ("email", {"to": ["a@b.cn"], "language": "fr"}, "language"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    app: Flask, kind: str, given: dict[str, Any], field: str
) -> None:
    with app.app_context(), pytest.raises(FieldError) as error:
        targets.checked(kind, given)
    assert error.value.field == field


def test_secrets_are_kept_encrypted_and_shown_once(bank: Bank) -> None:
    first = bank.target("webhook", "crm", url="https://crm.example.com/")
    target = bank.one(Target)
    assert first.startswith("whsec_")
    assert first.encode() not in bytes(target.secret_cipher)
    with bank.app.app_context():
        assert targets.secret_of(target, bank.settings) == first
        assert targets.new_secret(target, bank.settings) != first
        other = dataclasses.replace(bank.settings, secret_key="another" * 10)
        with pytest.raises(PermanentError, match="SECRET_KEY"):
            targets.secret_of(target, other)


NEW_CHANNEL = """
from typing import Annotated
from app.channels.base import ChannelSettings, Limits, Sent, Words
from app.errors import Said

class FaxSettings(ChannelSettings):
    number: Annotated[str, Words("Number")]

class Fax:
    kind, label, settings = "fax", "Fax", FaxSettings
    limits, signs, tells_status = Limits(hits=2), False, True
    def send(self, message, settings, secret, config):
        SENT.append((settings.number, [hit.lead_no for hit in message.hits]))
        return Sent(Said.as_is("beep"))

SENT = []
CHANNEL = Fax()
"""


def test_a_channel_is_a_module_and_nothing_else(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: Callable[..., Person]
) -> None:
    """A new module is a channel at once: in forms, editor and lists, and for pushes."""
    before = set(channels())
    (tmp_path / "fax.py").write_text(NEW_CHANNEL)
    monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(tmp_path)])
    assert set(channels()) == before | {"fax"}
    admin = login("Admin")
    assert "Add: Fax" in admin.get("/targetview/list/").text
    assert "Number" in admin.get("/targetview/create?kind=fax").text
    given = {"code": "branch-fax", "name": "Branch", "setting_number": "0571-1"}
    admin.submit("/targetview/create?kind=fax", given)
    assert "Number: 0571-1" in admin.get(f"/targetview/show/{bank.one(Target).id}").text
    assert "Branch · Fax" in admin.get("/scheduleview/add").text
    bank.schedule(("fax", "branch-fax"))
    bank.hits(3)
    bank.tick("2026-10-26 09:00")
    assert bank.send() == 2
    from app.channels import fax  # type: ignore[attr-defined]

    assert sorted(fax.SENT) == [("0571-1", ["L1", "L2"]), ("0571-1", ["L3"])]
    assert {str(each.answer) for each in bank.all(Delivery)} == {"beep"}
    with bank.app.app_context():
        assert send_sample(["branch-fax"], "boss")[0].ok


def test_there_are_no_others(app: Flask) -> None:
    with app.app_context(), pytest.raises(DomainError, match="pigeon"):
        channel("pigeon")
