"""What Stripe's objects mean to us: amounts in its own units, payment intents, and the captures of one.

Objects are plain dictionaries here, as they come in answers and in callbacks alike.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, TypeGuard
from uuid import UUID

from domain.kernel.money import Money, exponent_of
from domain.ports import Outcome, ProviderAnswer, ProviderTimeout

Object = Mapping[str, Any]
"""One of Stripe's objects."""

KEY_FIELD: Final = "ordertide_key"
"""Where our idempotency key stands in the metadata of payment intents and refunds."""

_ZERO_DECIMALS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# Whole multiples only: without decimals, and yet written with two; with three, and the last one is 0.
_STEPS: Mapping[str, int] = MappingProxyType({"ISK": 100, "UGX": 100, **dict.fromkeys(_THREE_DECIMALS, 10)})
_CAPTURE_FIELD = "capture_"
_OUR_KEY = re.compile(r"ordertide-([0-9a-f]{32})")
_UUID7 = 7


def to_stripe(amount: Money) -> int:
    """Return an amount as Stripe writes it: https://docs.stripe.com/currencies#minor-units.

    That differs from ISO 4217 for ISK and UGX (two decimals, which must be 00) and MGA (none). Raises
    ValueError for what Stripe does not take, such as 1.234 KWD, whose last digit must be 0.
    """
    scaled, rest = _rescaled(amount.amount_minor, exponent_of(amount.currency), _decimals(amount.currency))
    step = _STEPS.get(amount.currency, 1)
    if rest or scaled % step:
        raise ValueError(f"Stripe takes no such amount of {amount.currency}")
    return scaled


def from_stripe(amount: int, currency: str) -> Money:
    """Return an amount that Stripe wrote; raises ValueError where our currency has no such unit."""
    code = currency.upper()
    minor, rest = _rescaled(amount, _decimals(code), exponent_of(code))
    if rest:
        raise ValueError(f"{code} has no such amount")
    return Money(minor, code)


def answer_of(intent: Object) -> ProviderAnswer:
    """Return what a payment intent says of the authorization it is; raises ProviderTimeout while undecided.

    `latest_charge` is to be expanded. One that waits for a payment method has been declined: nobody hands
    another one in, see `StripePayments.find`.
    """
    status = intent["status"]
    if status == "processing":
        raise ProviderTimeout
    if status == "requires_action":
        return _answer(intent, Outcome.ACTION_REQUIRED, intent["amount"], action=_action(intent))
    if status in {"requires_capture", "succeeded"}:
        charge = charge_of(intent)
        card = _card(charge)
        outcome = charge.get("outcome") or {}
        expires = card.get("capture_before")
        return _answer(
            intent,
            Outcome.SUCCEEDED,
            (intent.get("amount_capturable") or 0) + (intent.get("amount_received") or 0),
            needs_review=bool(intent.get("review")) or outcome.get("type") == "manual_review",
            risk_score=outcome.get("risk_score"),
            payer_country=card.get("country"),
            expires_at=datetime.fromtimestamp(expires, UTC) if expires else None,
        )
    return _answer(intent, Outcome.DECLINED, intent["amount"], decline_code=decline_code_of(intent))


def decline_code_of(intent: Object) -> str:
    """Return why nothing came of a payment intent: the bank's word, else Stripe's."""
    error = intent.get("last_payment_error") or {}
    return str(
        error.get("decline_code") or error.get("code") or intent.get("cancellation_reason") or "declined"
    )


def charge_of(intent: Object) -> Object:
    """Return the charge of a payment intent; empty where there is none or it was not expanded."""
    charge = intent.get("latest_charge")
    return charge if isinstance(charge, Mapping) else {}


def can_capture_again(intent: Object) -> bool:
    """Whether what a capture leaves stays reserved: multicapture, which not every account and card has."""
    return bool((_card(charge_of(intent)).get("multicapture") or {}).get("status") == "available")


def uncaptured(intent: Object) -> int:
    """Return what was reserved of a payment intent and not captured, in Stripe's units."""
    return int(intent["amount"] - (intent.get("amount_received") or 0))


def given_up(intent: Object) -> bool:
    """Whether nothing of a payment intent is reserved any more that was not captured."""
    return intent["status"] == "canceled" or (intent["status"] == "succeeded" and uncaptured(intent) > 0)


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture of a payment intent that we asked for; Stripe itself has no object and no id for it."""

    key: str
    reference: str
    amount: Money


def capture_mark(key: str, amount: Money) -> dict[str, str]:
    """Return the metadata by which a capture asked for under `key` is found again.

    It is sent with the capture, so it stands there exactly if the capture was done. Names in metadata
    have 40 characters at most, and there are 50 at most; so many captures does Stripe allow, too.
    """
    return {_capture_field(key): f"{amount.amount_minor} {key}"}


def captures_of(intent: Object) -> list[Capture]:
    """Return the captures of a payment intent that were asked for by us."""
    found = []
    for field, value in (intent.get("metadata") or {}).items():
        minor, _, key = str(value).partition(" ")
        if field == _capture_field(key):
            reference = capture_reference(intent["id"], key)
            found.append(Capture(key, reference, Money(int(minor), intent["currency"].upper())))
    return found


def capture_reference(intent_id: str, key: str) -> str:
    """Return the name of a capture: of its payment intent and its field in the metadata."""
    return f"{intent_id}/{_capture_field(key)}"


def captured_elsewhere(intent: Object) -> int:
    """Return what was captured of a payment intent and not asked for by us, in Stripe's units."""
    ours = sum(to_stripe(one.amount) for one in captures_of(intent))
    return max(0, (intent.get("amount_received") or 0) - ours)


def is_our_key(key: str | None) -> TypeGuard[str]:
    """Whether an idempotency key is one of ours."""
    return key is not None and _OUR_KEY.fullmatch(key) is not None


def moment_of(key: str) -> datetime | None:
    """Return when the row was made whose id (UUIDv7, RFC 9562) a key is made of; None for other keys."""
    match = _OUR_KEY.fullmatch(key)
    made_of = UUID(match[1]) if match else None
    if made_of is None or made_of.version != _UUID7:
        return None
    return datetime.fromtimestamp((made_of.int >> 80) / 1000, UTC)


def _answer(intent: Object, outcome: Outcome, amount: int, **more: Any) -> ProviderAnswer:
    money = from_stripe(amount, intent["currency"])
    return ProviderAnswer(outcome, intent["id"], money.amount_minor, currency=money.currency, **more)


def _action(intent: Object) -> dict[str, str]:
    action = intent.get("next_action") or {}
    url = (action.get("redirect_to_url") or {}).get("url")
    return {
        "type": str(action.get("type") or "use_stripe_sdk"),
        "client_secret": intent["client_secret"],
        **({"url": url} if url else {}),
    }


def _card(charge: Object) -> Object:
    return (charge.get("payment_method_details") or {}).get("card") or {}


def _capture_field(key: str) -> str:
    return _CAPTURE_FIELD + sha256(key.encode()).hexdigest()[:32]


def _rescaled(amount: int, decimals: int, wanted: int) -> tuple[int, int]:
    """Return an amount with `decimals` as one with `wanted`, and what is left over."""
    factor: int = 10 ** abs(wanted - decimals)
    return (amount * factor, 0) if wanted >= decimals else divmod(amount, factor)


def _decimals(currency: str) -> int:
    if currency in _ZERO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2
