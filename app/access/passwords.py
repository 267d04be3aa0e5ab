"""Rules of passwords: length and guessability instead of character classes, and no earlier one again.

They follow NIST SP 800-63B, revision 4, section 3.1.1: at least 15 characters for a password that may be the
only factor, no rules of composition, a comparison with common and expected words (zxcvbn, which knows
frequency lists, keyboard patterns, dates, repetition and substituted letters), and no change by the calendar.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from sqlalchemy import Select, delete, select
from werkzeug.security import check_password_hash

from app.errors import FieldError
from app.extensions import db
from app.lib.lazy import lazy
from app.models import FormerPassword, Staff

if TYPE_CHECKING:
    import zxcvbn
else:
    zxcvbn = lazy("zxcvbn")

MIN_LENGTH, MAX_LENGTH = 15, 128
#: passwords that a user may not have again, the present one included
HISTORY = 12
#: zxcvbn's score from 0 to 4; 3 takes at least a hundred million guesses
MIN_SCORE = 3
#: zxcvbn takes no longer text
_JUDGED = 72
_EXPECTED = ("lead monitor", "leadmonitor", "智能营销", "智能营销管理平台", "银行", "bank", "mima", "密码")


def check(account: Staff, password: str, *, own: bool = True) -> None:
    """Raise FieldError for a password that the account may not have.

    One that somebody else sets (not ``own``) may be an earlier one: nobody shall learn which those are, and
    it has to be replaced anyway.
    """
    if len(unicodedata.normalize("NFKC", password)) < MIN_LENGTH:
        raise FieldError("password", "A password has at least %(n)s characters.", n=MIN_LENGTH)
    if len(password) > MAX_LENGTH:
        raise FieldError("password", "A password has at most %(n)s characters.", n=MAX_LENGTH)
    expected = [account.username, account.first_name, account.last_name, account.email, *_EXPECTED]
    words = [each.lower() for each in expected if each]
    if zxcvbn.zxcvbn(password[:_JUDGED], user_inputs=words)["score"] < MIN_SCORE:
        raise FieldError(
            "password",
            "This password is easy to guess: it is made of common words, names, dates or patterns. Put "
            "together some words that don't belong together.",
        )
    if own and _was_used(account, password):
        raise FieldError(
            "password", "You had this password before. The last %(n)s can't be used again.", n=HISTORY
        )


def remember(account: Staff) -> None:
    """Keep the hash of the account's present password among its former ones. Does not commit."""
    if account.id is None or not account.password:
        return
    db.session.add(FormerPassword(user_id=account.id, password=account.password))
    db.session.flush()
    newest = _former(account).with_only_columns(FormerPassword.id)
    db.session.execute(
        delete(FormerPassword).where(FormerPassword.user_id == account.id, FormerPassword.id.not_in(newest))
    )


def _was_used(account: Staff, password: str) -> bool:
    if account.id is None:
        return False
    hashes = [account.password, *(each.password for each in db.session.scalars(_former(account)))]
    return any(check_password_hash(each, password) for each in hashes if each)


def _former(account: Staff) -> Select[tuple[FormerPassword]]:
    kept = select(FormerPassword).where(FormerPassword.user_id == account.id)
    return kept.order_by(FormerPassword.id.desc()).limit(HISTORY - 1)
