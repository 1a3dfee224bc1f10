"""Customers: who proved to read an e-mail address, and for how long that is taken as read.

A customer is an address of the whole shop, in small letters, as store credit is: whatever channel it was
bought in, an order with this address is theirs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

CODE_DIGITS = 8
"""Of a code that is mailed: a hundred million of them, of which five may be tried."""
MOST_TRIES = 5
"""How often one code may be tried, right or wrong."""
ASKED_WITHIN = timedelta(hours=1)
"""In what time the codes of one address, and of one client, are counted."""
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=1)
"""Between attempts to reach the mail server: whoever waits for a code waits a minute or two, no more."""
_MOST_DOUBLINGS = 8


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """How long a sign-in lasts, in seconds, and how many codes may be asked for within an hour."""

    code_seconds: float = 600.0
    access_seconds: float = 900.0
    """How long an access token is good for; a new one is had for the refresh token."""
    session_seconds: float = 30 * 24 * 3600.0
    """How long it lasts in all, however often it is refreshed."""
    codes_per_address: int = 6
    codes_per_client: int = 30
    """0: as many as one likes."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who has signed in once; `email` in small letters."""

    id: UUID
    email: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in: on one device, until it ends or expires."""

    id: UUID
    customer: Customer
    refresh_generation: int
    """Which of its refresh tokens is the good one; an older one tells that somebody else has it."""
    expires_at: datetime

    def access_until(self, now: datetime, policy: SignInPolicy) -> datetime:
        """Return until when an access token given out now is good; tokens tell whole seconds."""
        ends = min(now + timedelta(seconds=policy.access_seconds), self.expires_at)
        return ends.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A code on its way to an address: `id` names it, and the code is derived from it."""

    id: UUID
    email: str
    channel_id: UUID
    locale: str
    created_at: datetime
    expires_at: datetime
    mail_attempts: int = 0


@dataclass(frozen=True, slots=True)
class SignInLetter:
    """All that a message with a code says; `minutes` is how long the code is good for."""

    locale: str
    shop_name: str
    code: str
    minutes: int


def written_code(code: str) -> str:
    """Return a code in two halves, as people read it off."""
    return f"{code[: CODE_DIGITS // 2]} {code[CODE_DIGITS // 2 :]}"


def typed_code(code: str) -> str:
    """Return the digits of a code as somebody typed or pasted it: with blanks or dashes, or in full width."""
    kept = (one for one in code[:100] if not one.isspace() and one not in "-‐–")  # noqa: RUF001
    return "".join(str(int(one)) if one.isdecimal() else one for one in kept)


def mail_pause(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts to send a code."""
    return min(FIRST_PAUSE * (1 << min(max(attempts, 1) - 1, _MOST_DOUBLINGS)), LONGEST_PAUSE)
