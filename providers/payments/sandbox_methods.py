"""The sandbox's behaviours: what each payment method answers, and the faults a storm may add to `ok`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import Enum, auto
from types import MappingProxyType

_HASH_SPACE = 2**64
_LATEST_SECONDS = 5.0
_SHUFFLED_SECONDS = 1.0


class Fate(Enum):
    """How a request ends for whoever sent it; what is on the sandbox's record is another matter."""

    ANSWERED = auto()
    # Nothing arrives and nothing is recorded.
    LOST = auto()
    # Recorded, and no answer comes.
    NO_ANSWER = auto()
    # Recorded, and the connection stays open until the caller's own time limit ends it.
    HANGS = auto()
    # Recorded, and answered with a server error: that says nothing about the outcome.
    SERVER_ERROR = auto()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one method does with a request to authorize."""

    state: str = "AUTHORIZED"
    fate: Fate = Fate.ANSWERED
    decline_code: str | None = None
    needs_review: bool = False
    risk_score: int | None = None
    payer_country: str | None = None
    lapses_after: timedelta | None = None


def _declines(code: str) -> Behaviour:
    return Behaviour("DECLINED", decline_code=code)


DECLINED = _declines("card_declined")
UNKNOWN_DESTINATION = _declines("unknown_destination")
"""What a refund without a payment meets whose destination is not the name of a method."""
BEHAVIOURS: Mapping[str, Behaviour] = MappingProxyType(
    {
        "ok": Behaviour(),
        "review": Behaviour(needs_review=True),
        "decline": DECLINED,
        "decline_insufficient_funds": _declines("insufficient_funds"),
        "decline_expired_card": _declines("expired_card"),
        "decline_incorrect_cvc": _declines("incorrect_cvc"),
        "decline_stolen_card": _declines("stolen_card"),
        "decline_do_not_honor": _declines("do_not_honor"),
        "timeout": Behaviour(fate=Fate.NO_ANSWER),
        "timeout_before": Behaviour(fate=Fate.LOST),
        "error_after": Behaviour(fate=Fate.SERVER_ERROR),
        "action_required": Behaviour("ACTION_REQUIRED"),
        "high_risk": Behaviour(risk_score=90),
        "foreign_card": Behaviour(payer_country="NZ"),
        "expiring": Behaviour(lapses_after=timedelta(seconds=60)),
    }
)
"""Every method; docs/features/payments.md has the table."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often what goes wrong, from 0 (never) to 1 (always); requests fail with the method `ok` only.

    What happens to a request is decided by its idempotency key alone, so that asking again under the
    same key meets the same fate, in whatever process.
    """

    hang_after: float = 0.0
    error_after: float = 0.0
    decline: float = 0.0
    duplicate_callbacks: float = 0.0
    late_callbacks: float = 0.0
    shuffle_callbacks: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """Read `name=rate,name=rate`; raises ValueError saying what there is."""
        known = [field.name for field in fields(cls)]
        rates: dict[str, float] = {}
        for part in filter(None, (one.strip() for one in text.split(","))):
            name, _, rate = part.partition("=")
            try:
                rates[name.strip()] = float(rate)
            except ValueError:
                rates[name.strip()] = -1.0
        if not rates.keys() <= set(known) or not all(0 <= rate <= 1 for rate in rates.values()):
            raise ValueError(f"write it as name=rate,name=rate with rates from 0 to 1, of {', '.join(known)}")
        faults = cls(**rates)
        if faults.hang_after + faults.error_after + faults.decline > 1:
            raise ValueError("hang_after, error_after and decline are more than 1 together")
        return faults

    def behaviour(self, method: str, key: str) -> Behaviour:
        """Return what the request with `key` to authorize by `method` meets."""
        if method == "ok" and self._declines(key):
            return DECLINED
        behaviour = BEHAVIOURS[method]
        return Behaviour(fate=self.fate(key)) if method == "ok" else behaviour

    def fate(self, key: str) -> Fate:
        """Return how the request with `key` ends, of a charge by `ok`."""
        chance = _chance("request", key)
        if chance < self.hang_after:
            return Fate.HANGS
        return Fate.SERVER_ERROR if chance < self.hang_after + self.error_after else Fate.ANSWERED

    def deliveries(self, key: str) -> int:
        """Return how often the callback about `key` is delivered: twice where it is duplicated."""
        return 2 if _chance("duplicate", key) < self.duplicate_callbacks else 1

    def delay(self, key: str) -> timedelta:
        """Return how long the callback about `key` waits: others overtake it."""
        seconds = 0.0
        if _chance("shuffle", key) < self.shuffle_callbacks:
            seconds += _SHUFFLED_SECONDS * _chance("shuffled by", key)
        if _chance("late", key) < self.late_callbacks:
            seconds += _LATEST_SECONDS * _chance("late by", key)
        return timedelta(seconds=seconds)

    def _declines(self, key: str) -> bool:
        chance = _chance("request", key) - self.hang_after - self.error_after
        return 0 <= chance < self.decline


def _chance(what: str, key: str) -> float:
    """Return a number from 0 up to below 1 that is always the same for `what` and `key`."""
    digest = hashlib.sha256(f"{what}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / _HASH_SPACE
