"""The second factor of a log-in: codes of an app (TOTP, RFC 6238), security keys, recovery codes.

Who proves it is noted on the row of the session, so that neither a cookie nor a remembered browser stands for
it, and a new password, which ends all sessions, gives nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyotp
from cryptography.fernet import InvalidToken
from sqlalchemy import and_, delete, exists, func, or_, select, update

from app.access.rights import holds_any
from app.errors import DomainError
from app.extensions import db
from app.lib import clock
from app.lib.settings import current_settings
from app.lib.vault import vault
from app.models import RecoveryCode, SecondFactor, Staff

PURPOSE = b"lead-monitor/second-factor"
ISSUER = "Lead Monitor"
#: seconds of one code
STEP = 30
#: steps before and after the present one whose codes are taken
DRIFT = 1
RECOVERY_CODES = 10
#: roles whose users need a second factor, and the rights that need one: to approve, export, give access
ROLES = frozenset({"Admin", "Auditor"})
EXPORTS = ("export", "can_export_all", "can_export_clear")
RIGHTS = (
    ("can_approve", "ApprovalView"),
    *((right, view) for view in ("LeadView", "CustomerView", "HitView") for right in EXPORTS),
    ("can_export_log", "ChangeLogView"),
    *((right, view) for view in ("StaffView", "RoleView") for right in ("can_add", "can_edit")),
    *((right, "StaffView") for right in ("resetfactor", "sendlink")),
    ("can_this_form_post", "PasswordView"),
    ("can_create", "ApiKeyView"),
)

log = logging.getLogger(__name__)


class Draft(NamedTuple):
    """An authenticator app that is being added: its secret, and the address that a QR code shows."""

    secret: str
    address: str


def is_demanded(user: Staff) -> bool:
    """Return whether the user must have a second factor."""
    return current_settings().second_factor == "required" and needs_one(user)


def needs_one(user: Staff) -> bool:
    """Return whether the user's role, or what they may do, asks for a second factor."""
    if any(role.name in ROLES for role in user.roles):
        return True
    return holds_any(user, RIGHTS)


def has_one(user: Staff) -> bool:
    """Return whether the user has added an authenticator app or a security key."""
    return bool(db.session.scalar(select(exists().where(SecondFactor.user_id == user.id))))


def factors(user: Staff) -> list[SecondFactor]:
    """Return the user's authenticator apps and security keys, the oldest first."""
    query = select(SecondFactor).where(SecondFactor.user_id == user.id).order_by(SecondFactor.id)
    return list(db.session.scalars(query))


def draft(user: Staff) -> Draft:
    """Return a new secret for an authenticator app."""
    secret = pyotp.random_base32()
    return Draft(secret, _address(user, secret))


def again(user: Staff, secret: str) -> Draft:
    """Return the draft of a secret that was made before."""
    return Draft(secret, _address(user, secret))


def add(user: Staff, name: str, secret: str, code: str) -> list[str]:
    """Add an authenticator app that shows ``code`` now. Return recovery codes if it is the first.

    Does not commit. Raises DomainError for a wrong code.
    """
    step = _step_of(secret, _typed(code))
    if step is None:
        raise DomainError("This code is wrong. Check the time of the phone, and enter the code it shows now.")
    sealed = _vault().encrypt(secret.encode())
    db.session.add(SecondFactor(user_id=user.id, name=name, secret_cipher=sealed, last_step=step))
    db.session.flush()
    return first_recovery_codes(user)


def first_recovery_codes(user: Staff) -> list[str]:
    """Return recovery codes in clear when the user has only one factor yet. Does not commit."""
    return new_recovery_codes(user) if len(factors(user)) == 1 else []


def new_recovery_codes(user: Staff) -> list[str]:
    """Replace the user's recovery codes. Return them in clear, which is never possible again."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [
        f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(2)}" for _ in range(RECOVERY_CODES)
    ]
    db.session.add_all(RecoveryCode(user_id=user.id, code_hash=_hash(each)) for each in codes)
    return codes


def left(user: Staff) -> int:
    """Return how many recovery codes the user has left."""
    query = select(func.count()).where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(query) or 0


def is_right(user: Staff, text: str) -> bool:
    """Use up a code of an authenticator app or a recovery code, and commit. Return whether it was right.

    A code works once, also when two requests bring it at the same moment.
    """
    code = _typed(text)
    used = _use_code(user, code) if code.isdigit() else _use_recovery_code(user, code)
    db.session.commit()
    return used


def remove(user: Staff, ids: Iterable[int] | None = None) -> int:
    """Take authenticator apps and security keys away, all by default, and the recovery codes with the last.

    Return their number. Does not commit.
    """
    chosen = [SecondFactor.user_id == user.id, *([SecondFactor.id.in_(ids)] if ids is not None else [])]
    gone = db.session.execute(delete(SecondFactor).where(*chosen)).rowcount
    if not has_one(user):
        db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    return int(gone)


def _use_code(user: Staff, code: str) -> bool:
    for factor in factors(user):
        step = _step_of(_opened(factor), code) if factor.secret_cipher else None
        if step is None:
            continue
        newer = or_(SecondFactor.last_step.is_(None), SecondFactor.last_step < step)
        used = update(SecondFactor).where(SecondFactor.id == factor.id, newer)
        if db.session.execute(used.values(last_step=step, last_used_at=clock.BEGAN)).rowcount:
            return True
    return False


def _opened(factor: SecondFactor) -> str:
    """Return the secret of an app, empty when SECRET_KEY was changed since: then no code is right."""
    try:
        return str(_vault().decrypt(factor.secret_cipher).decode())
    except InvalidToken:
        log.warning("second factor %s can't be opened with this SECRET_KEY", factor.id)
        return ""


def _use_recovery_code(user: Staff, code: str) -> bool:
    mine = and_(RecoveryCode.user_id == user.id, RecoveryCode.code_hash == _hash(code))
    used = update(RecoveryCode).where(mine, RecoveryCode.used_at.is_(None)).values(used_at=clock.BEGAN)
    return bool(db.session.execute(used).rowcount)


def _step_of(secret: str, code: str) -> int | None:
    """Return the number of the step whose code it is, None for a code of no step around now."""
    if not secret:
        return None
    # The server's own time, as that of the phone is: the clock of the installation may have been moved.
    now = int(clock.unmoved(db.session()).timestamp()) // STEP
    totp = pyotp.TOTP(secret, interval=STEP)
    for step in range(now - DRIFT, now + DRIFT + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            return step
    return None


def _typed(text: str) -> str:
    """Return a code without spaces and in ASCII: Chinese keyboards enter full-width digits."""
    return "".join(unicodedata.normalize("NFKC", text).split()).lower()


def _address(user: Staff, secret: str) -> str:
    return pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=user.username, issuer_name=ISSUER)


def _hash(code: str) -> bytes:
    key = hashlib.sha256(PURPOSE + current_settings().secret_key.encode()).digest()
    return hmac.digest(key, code.encode(), "sha256")


def _vault() -> Any:
    return vault(current_settings(), PURPOSE)
