"""SMS that people send to their own phone, to read a text as a customer would."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy import func, select

from app.errors import DomainError, FieldError
from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.leads.errors import InvalidPhone
from app.leads.masking import mask_phone
from app.leads.phone import PhoneVault, normalise_phone
from app.lib import clock
from app.lib.settings import current_settings
from app.models import OutreachStatus, OutreachTest, Staff
from app.outreach import cost, gateways, settings, templates
from app.outreach.gateway import Answer, Contact, Receipt

SMS = "sms"
_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_STATUS = {
    Receipt.ACCEPTED: OutreachStatus.SENT,
    Receipt.UNKNOWN: OutreachStatus.UNKNOWN,
}


def set_phone(user: Staff, text: str) -> None:
    """Store the mobile number of a user, encrypted as those of leads. Does not commit. Raises FieldError."""
    try:
        number = normalise_phone(text)
    except InvalidPhone as error:
        raise FieldError("phone", error.message, **error.values) from None
    if not _MOBILE.fullmatch(number):
        raise FieldError("phone", "SMS reach mobile numbers only: 11 digits that begin with 13 to 19.")
    user.phone_cipher = PhoneVault.of(current_settings()).encrypt(number)
    user.phone_masked = mask_phone(number)


def forget_phone(user: Staff) -> None:
    """Delete the mobile number of a user. Does not commit."""
    user.phone_cipher, user.phone_masked = None, ""


def sent_within_an_hour(user: Staff) -> int:
    """Return how many test SMS the user has sent within the last hour."""
    since = clock.now() - dt.timedelta(hours=1)
    query = select(func.count()).where(OutreachTest.user_id == user.id, OutreachTest.at > since)
    return db.session.scalar(query) or 0


def send(user: Staff, body: str, values: Mapping[str, str]) -> OutreachTest:
    """Send a text with an example's values to the user's own phone by the gateway in use. Return its record.

    Commits. Raises FieldError for the text, DomainError without a phone, above the hourly limit, while the
    gateway accepts nothing, and when it refuses.
    """
    checked = templates.check_body(SMS, body)
    rules = settings.current()
    text = templates.render(checked, values, SMS, rules.opt_out_sentence)
    if user.phone_cipher is None:
        raise DomainError("Enter your mobile number in your profile first.")
    gateway = gateways.current(SMS)
    if gateway.closed_until(clock.now()) is not None:
        raise DomainError("The gateway is not accepting contacts at the moment; try again later.")
    segments = cost.segments(SMS, text)
    test = _reserve(user, checked, gateway.name, segments, cost.price(rules, SMS) * segments)
    gateway.reserve(1)
    phone = PhoneVault.of(current_settings()).decrypt(user.phone_cipher)
    contact = Contact(0, test.key, SMS, phone, user.phone_masked, text)
    [answer] = gateway.gateway.send([contact], clock.now())
    _record(test, gateway, answer)
    return test


def _reserve(user: Staff, body: str, gateway: str, segments: int, price: Decimal) -> OutreachTest:
    """Store a test before it is sent, so that the limit holds across processes, and commit."""
    wait_for_lock(db.session(), Lock.TEST_SMS, user.id)
    most = current_settings().test_sms_per_hour
    if sent_within_an_hour(user) >= most:
        raise DomainError("You have sent %(n)s test SMS within an hour, which is the limit.", n=most)
    test = OutreachTest(
        user_id=user.id,
        created_by=user.username,
        phone_masked=user.phone_masked,
        body=body,
        segments=segments,
        cost=price,
        gateway=gateway,
    )
    db.session.add(test)
    db.session.commit()
    return test


def _record(test: OutreachTest, gateway: gateways.Current, answer: Answer) -> None:
    """Store the gateway's answer and commit. Raises DomainError when it did not accept the test."""
    test.status, test.note = _STATUS.get(answer.receipt, OutreachStatus.FAILED), answer.note
    test.gateway_ref = answer.ref[:128]
    if test.status == OutreachStatus.FAILED:
        test.segments = test.cost = None
    gateway.report(answer.receipt not in (Receipt.BUSY, Receipt.UNKNOWN), answer.note, clock.now())
    db.session.commit()
    if test.status == OutreachStatus.FAILED:
        raise DomainError("The gateway did not accept the test: %(why)s", why=answer.note or "—")
