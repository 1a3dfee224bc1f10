"""Gift cards and store credit: balances that are ours, and how much of one pays for what."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.kernel.errors import GiftCardUnusable, InsufficientBalance, InvalidInput, NotFound
from domain.kernel.money import MAX_AMOUNT_MINOR, Amount, Money
from domain.payments import OWN_TENDERS, Payment
from domain.ports import Outcome, ProviderAnswer

MAX_GIFT_CARDS = 50
"""Most gift cards of one cart: each is a row to lock when it is ordered, and a payment of the order.

Marketplaces that give refunds as vouchers see orders with nearly thirty (Olist, 2017).
"""

MAX_NOTE_LENGTH = 500
"""Longest note or reason, in characters."""

CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, which are misread."""

CODE_LENGTH = 16
"""Characters of a code: 80 bits, so that nobody finds one by trying."""

METHOD = "balance"
"""The method of a payment that is taken from a balance."""

_MISREAD = str.maketrans("ILO", "110")
_SEPARATORS = re.compile(r"[\s-]")


class StoredValueKind(StrEnum):
    """Whose a balance is: whoever knows the code's, or a customer's."""

    GIFT_CARD = "GIFT_CARD"
    STORE_CREDIT = "STORE_CREDIT"


class MovementKind(StrEnum):
    """Why a balance changed."""

    ISSUED = "ISSUED"
    SPENT = "SPENT"
    RETURNED = "RETURNED"
    ADJUSTED = "ADJUSTED"
    EXPIRED = "EXPIRED"


PROVIDERS = {StoredValueKind.GIFT_CARD: "gift_card", StoredValueKind.STORE_CREDIT: "store_credit"}
"""What stands as the provider of a payment that is taken from a balance: nobody outside is asked."""


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A balance in minor units of one currency; a gift card's code is known as a hash only."""

    id: UUID
    kind: StoredValueKind
    currency: str
    balance_minor: int
    version: int
    created_at: datetime
    last_characters: str | None = None
    """The end of a gift card's code, for people to tell cards apart."""
    email: str | None = None
    """Whose store credit it is, in small letters."""
    expires_at: datetime | None = None
    disabled_at: datetime | None = None
    note: str | None = None

    @property
    def balance(self) -> Money:
        """What is left."""
        return Money(self.balance_minor, self.currency)

    def why_unusable(self, now: datetime) -> str | None:
        """Return DISABLED or EXPIRED where nothing can be paid with it any more, whatever is left."""
        if self.disabled_at is not None:
            return "DISABLED"
        return "EXPIRED" if self.expires_at is not None and self.expires_at <= now else None


@dataclass(frozen=True, slots=True)
class Applied:
    """A stored value that a cart is to be paid with."""

    value: StoredValue
    seen_minor: int
    """What was left when it was applied: what the shopper was told."""
    limit_minor: int | None = None
    """No more than this is to be used (None: whatever is needed)."""
    taken_minor: int | None = None
    """What a payment under way, or the order that was made, has taken already."""

    @property
    def promised_minor(self) -> int:
        """What may be used of it at most: no more than was seen, whatever was put on it since."""
        return self.seen_minor if self.limit_minor is None else min(self.seen_minor, self.limit_minor)


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a stored value pays for a cart; the amount may be nothing."""

    applied: Applied
    amount_minor: int


def uses(applied: Sequence[Applied], total_minor: int, now: datetime) -> list[Use]:
    """Return what each would pay of a total, in the order in which they were applied.

    What was taken already is shown as it was taken.
    """
    if any(one.taken_minor is not None for one in applied):
        return [Use(one, one.taken_minor or 0) for one in applied]
    return _shared(applied, [_available_minor(one, now) for one in applied], total_minor)


def tenders(applied: Sequence[Applied], total_minor: int, now: datetime) -> list[Use]:
    """Return what to take of each locked balance for an order of `total_minor`, leaving out those unused.

    Raises GiftCardUnusable or InsufficientBalance when more would be left to pay than what the shopper
    was told when the balances were applied: somebody has used them since, and nobody is to be charged
    more than they have seen.
    """
    now_used = _shared(applied, [_available_minor(one, now) for one in applied], total_minor)
    promised = _shared(applied, [one.promised_minor for one in applied], total_minor)
    if sum(one.amount_minor for one in now_used) < sum(one.amount_minor for one in promised):
        raise _shrunk(applied, now)
    return [one for one in now_used if one.amount_minor]


def check_gift_card(value: StoredValue | None, currency: str, now: datetime) -> StoredValue:
    """Return a gift card that can pay in `currency`.

    Raises NotFound for an unknown code, GiftCardUnusable with its reason, and InsufficientBalance for
    one that is used up; each names code.
    """
    if value is None:
        raise NotFound("there is no gift card with this code", "code")
    reason = value.why_unusable(now)
    if reason is None and value.currency != currency:
        reason = "CURRENCY"
    if reason is not None:
        raise _unusable(reason, value, "code")
    if not value.balance_minor:
        raise InsufficientBalance(value.last_characters, 0, value.currency, "code")
    return value


def check_room(applied: Sequence[Applied], value: StoredValue) -> None:
    """Raise InvalidInput when a cart has as many gift cards as it may, and this one is not among them."""
    cards = [one.value.id for one in applied if one.value.kind is StoredValueKind.GIFT_CARD]
    if value.id not in cards and len(cards) >= MAX_GIFT_CARDS:
        raise InvalidInput(f"a cart takes at most {MAX_GIFT_CARDS} gift cards", "code")


def named_by(applied: Sequence[Applied], ending: str) -> StoredValue | None:
    """Return the gift card of a cart whose code ends so: all that people see of it later."""
    cards = [one.value for one in applied if one.value.kind is StoredValueKind.GIFT_CARD]
    return next((card for card in cards if card.last_characters == canonical_code(ending)), None)


def check_credit(value: StoredValue | None, currency: str, limit: Amount | None) -> int | None:
    """Return how much of a customer's store credit a cart may use, in minor units (None: all of it).

    Raises NotFound naming email where there is none in the cart's currency, InsufficientBalance for a
    limit above what is left, and InvalidInput naming amount.
    """
    if value is None or not value.balance_minor:
        raise NotFound(f"they have no store credit in {currency}", "email")
    if limit is None:
        return None
    wanted = check_amount(limit)
    if wanted.currency != currency:
        raise InvalidInput(f"the cart is in {currency}, not {wanted.currency}", "amount", "currency")
    if wanted.amount_minor > value.balance_minor:
        raise InsufficientBalance(None, value.balance_minor, currency, "amount")
    return wanted.amount_minor


def check_amount(asked: Amount) -> Money:
    """Return an amount above zero; raises InvalidInput naming amount.amount or amount.currency."""
    money = _money(asked)
    if money.amount_minor <= 0:
        raise InvalidInput("must be above zero", "amount", "amount")
    return money


def check_difference(asked: Amount) -> Money:
    """Return an amount that is not zero; raises InvalidInput naming amount.amount or amount.currency."""
    money = _money(asked)
    if not money.amount_minor:
        raise InvalidInput("must not be zero", "amount", "amount")
    return money


def check_ceiling(value: StoredValue) -> StoredValue:
    """Return a balance as it has become; raises InvalidInput when no money is that much."""
    if value.balance_minor > MAX_AMOUNT_MINOR:
        raise InvalidInput("the balance would be too large", "amount", "amount")
    return value


def check_expiry(moment: datetime | None, now: datetime) -> datetime | None:
    """Return when a gift card is to expire; raises InvalidInput for a moment that is past."""
    if moment is not None and moment <= now:
        raise InvalidInput("must be in the future", "expiresAt")
    return moment


def canonical_code(code: str) -> str:
    """Return a code as it is hashed: what people add to it and misread in it makes no difference."""
    return _SEPARATORS.sub("", code).upper().translate(_MISREAD)


def printed_code(code: str) -> str:
    """Return a code as people read it: in groups of four."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def is_stored_value(payment: Payment) -> bool:
    """Say whether a payment was taken from a balance of ours rather than by a provider."""
    return payment.provider in OWN_TENDERS


def answer_for(payment: Payment) -> ProviderAnswer:
    """Return the answer to a payment that is taken from a balance: it was, when the intent was written."""
    return ProviderAnswer(
        Outcome.SUCCEEDED, payment.reference or "", payment.amount_minor, currency=payment.currency
    )


def _available_minor(one: Applied, now: datetime) -> int:
    return 0 if one.value.why_unusable(now) else min(one.promised_minor, one.value.balance_minor)


def _shared(applied: Sequence[Applied], most: Sequence[int], total_minor: int) -> list[Use]:
    """Let each pay what it can of what the ones before it leave."""
    found: list[Use] = []
    rest = total_minor
    for one, available in zip(applied, most, strict=True):
        found.append(Use(one, min(available, rest)))
        rest -= found[-1].amount_minor
    return found


def _shrunk(applied: Sequence[Applied], now: datetime) -> InsufficientBalance | GiftCardUnusable:
    """Return the error about the first balance that is not what it was."""
    one = next(one for one in applied if _available_minor(one, now) < one.promised_minor)
    reason = one.value.why_unusable(now)
    if reason is not None:
        return _unusable(reason, one.value, "cartToken")
    return InsufficientBalance(
        one.value.last_characters, one.value.balance_minor, one.value.currency, "cartToken"
    )


def _unusable(reason: str, value: StoredValue, path: str) -> GiftCardUnusable:
    return GiftCardUnusable(reason, value.last_characters or "", path)


def _money(asked: Amount) -> Money:
    try:
        return Money.from_decimal(asked.amount, asked.currency)
    except InvalidInput as error:
        raise InvalidInput(error.message, "amount", *error.path) from None
