"""Refunds without an order that are asked for: what is wanted, checked, and the limits it has to keep."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.channels import Channel, money_in
from domain.kernel.errors import AmountTooLarge, DomainError, InvalidInput, Several, under
from domain.kernel.ids import new_id
from domain.kernel.money import MAX_AMOUNT_MINOR, Amount, Money
from domain.kernel.quantities import MAX_QUANTITY, require_text
from domain.unlinked_refunds import (
    MAX_TEXT_LENGTH,
    Evidence,
    Recipient,
    UnlinkedRefund,
    UnlinkedRefundLine,
    UnlinkedRefundStatus,
)

MAX_LINES = 200
MAX_SKU_LENGTH = 100
_LONGEST_KEY = 200
_WORD = re.compile(r"[^\W_]+")
PERIOD = timedelta(hours=24)
"""The time over which a channel's refunds without an order are limited together."""


@dataclass(frozen=True, slots=True)
class UnlinkedRefundPolicy:
    """Limits of a channel, in minor units of its currency; None: no such limit."""

    id: UUID | None = None
    channel_id: UUID | None = None
    four_eyes_above_minor: int = 0
    """Above this amount a second person approves; 0: always."""
    most_minor: int | None = None
    """The most that one refund may be."""
    most_per_day_minor: int | None = None
    """The most that a channel's refunds of 24 hours may be together."""
    alone_per_day_minor: int | None = None
    """The most that one person may ask for in 24 hours with nobody's approval: many small are one large."""
    version: int = 1


SHOP_DEFAULT = UnlinkedRefundPolicy()
"""Where a shop has said nothing, a second person looks at each."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What others of the last 24 hours use of a channel's limits, in minor units, and who gets the money."""

    by_all_minor: int = 0
    alone_minor: int = 0
    """What the same person has asked for and nobody else has approved."""
    is_flagged: bool = False
    """Whether a fraud of who gets it is proven."""
    similar_order_id: UUID | None = None
    """An order of the same address by which one of the articles was sent, and is not back."""


@dataclass(frozen=True, slots=True)
class WantedLine:
    """Units to give money back for: the price of one and the tax that all of them contain, to be checked."""

    sku: str
    quantity: int
    unit_price: Amount
    tax: Amount | None = None


def create(
    channel: Channel,
    policy: UnlinkedRefundPolicy,
    recipient: Recipient,
    evidence: Evidence,
    wanted: Sequence[WantedLine],
    variants: Mapping[str, UUID],
    spent: Spent,
    actor: str,
    now: datetime,
    *,
    keeps_items: bool,
    document_known: bool = False,
) -> UnlinkedRefund:
    """Return a refund that is asked for: approved where one person is enough.

    It never is for who is flagged as a fraud or may have bought it by an order in the books, or where the
    document is known (`document_known`) to have brought money before, or to be an order's number. Raises
    InvalidInput naming the field, and AmountTooLarge above a limit.
    """
    if not 1 <= len(wanted) <= MAX_LINES:
        raise InvalidInput(f"name from 1 to {MAX_LINES} lines", "lines")
    lines: list[UnlinkedRefundLine] = []
    wrong: list[DomainError] = []
    for position, one in enumerate(wanted):
        try:
            with under("lines", str(position)):
                lines.append(_line(channel, one, variants))
        except DomainError as error:
            wrong.append(error)
    if wrong:
        raise wrong[0] if len(wrong) == 1 else Several(wrong)
    made = UnlinkedRefund(
        new_id(),
        "",
        channel.id,
        channel.currency,
        UnlinkedRefundStatus.PENDING_APPROVAL,
        recipient,
        evidence,
        tuple(lines),
        now,
        actor,
        keeps_items=keeps_items,
        document_known=document_known,
        similar_order_id=spent.similar_order_id,
    )
    _check_limits(made, policy, spent.by_all_minor)
    alone = policy.alone_per_day_minor
    if (
        document_known
        or spent.is_flagged
        or spent.similar_order_id is not None
        or made.total_minor > policy.four_eyes_above_minor
        or (alone is not None and spent.alone_minor + made.total_minor > alone)
    ):
        return made
    return replace(made, status=UnlinkedRefundStatus.APPROVED, decided_by=actor, decided_at=now)


def check_document(order_number: str | None, *, document_known: bool) -> None:
    """Raise InvalidInput where the document is an order's number, unless who asks says that it is known."""
    if order_number is not None and not document_known:
        raise InvalidInput(
            f"is the order {order_number}, which is in the books: return its units", "documentReference"
        )


def used_before(numbers: Sequence[str]) -> InvalidInput:
    """Return the error of a document that these refunds were asked for by."""
    said = f"is the document of {', '.join(numbers)}" if numbers else "is the document of another refund"
    return InvalidInput(f"{said}: say that it is known, and a second person looks", "documentReference")


def document_key(reference: str) -> str:
    """Return what two ways of writing one reference have in common: its letters and digits, in words."""
    folded = unicodedata.normalize("NFKC", reference).casefold()
    key = " ".join(_WORD.findall(folded)) or folded
    # Some characters unfold into many; an index takes no more than some kilobytes.
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()


def checked(recipient: Recipient, evidence: Evidence) -> tuple[Recipient, Evidence]:
    """Return both cleaned; the e-mail address is the caller's to check. Raises InvalidInput."""
    external = recipient.external_id
    if external is not None:
        external = require_text(external, MAX_TEXT_LENGTH, "externalId")
    if recipient.email is None and external is None:
        raise InvalidInput("say who gets the money: an e-mail address or an external id", "email")
    reason = require_text(evidence.reason, MAX_TEXT_LENGTH, "reason")
    reference = require_text(evidence.document_reference, MAX_TEXT_LENGTH, "documentReference")
    return Recipient(recipient.email, external), Evidence(reason, reference)


def limits(
    channel: Channel,
    four_eyes_above: Amount,
    most: Amount | None,
    most_per_day: Amount | None,
    alone_per_day: Amount | None = None,
) -> UnlinkedRefundPolicy:
    """Return the limits of a channel; raises InvalidInput naming the field."""
    return UnlinkedRefundPolicy(
        None,
        channel.id,
        money_in(channel, four_eyes_above, "fourEyesAbove").amount_minor,
        None if most is None else money_in(channel, most, "most").amount_minor,
        None if most_per_day is None else money_in(channel, most_per_day, "mostPerDay").amount_minor,
        None if alone_per_day is None else money_in(channel, alone_per_day, "alonePerDay").amount_minor,
    )


def _check_limits(made: UnlinkedRefund, policy: UnlinkedRefundPolicy, spent_minor: int) -> None:
    total = made.total_minor
    if total == 0:
        raise InvalidInput("comes to nothing", "lines")
    if total > MAX_AMOUNT_MINOR:
        raise InvalidInput("amounts to too much together", "lines")
    most = policy.most_minor
    if most is not None and total > most:
        raise _too_large(total, most, made.currency)
    daily = policy.most_per_day_minor
    if daily is not None and spent_minor + total > daily:
        raise _too_large(total, max(0, daily - spent_minor), made.currency)


def _too_large(asked_minor: int, left_minor: int, currency: str) -> AmountTooLarge:
    asked, left = (str(Money(minor, currency).amount) for minor in (asked_minor, left_minor))
    return AmountTooLarge(asked, left, left_minor, currency, "lines")


def _line(channel: Channel, wanted: WantedLine, variants: Mapping[str, UUID]) -> UnlinkedRefundLine:
    sku = require_text(wanted.sku, MAX_SKU_LENGTH, "sku")
    if not 1 <= wanted.quantity <= MAX_QUANTITY:
        raise InvalidInput(f"must be between 1 and {MAX_QUANTITY}", "quantity")
    price = money_in(channel, wanted.unit_price, "unitPrice").amount_minor
    if price * wanted.quantity > MAX_AMOUNT_MINOR:
        raise InvalidInput("amounts to too much at this price", "quantity")
    tax = 0 if wanted.tax is None else money_in(channel, wanted.tax, "tax").amount_minor
    if tax > price * wanted.quantity:
        raise InvalidInput("is more than the units cost", "tax")
    return UnlinkedRefundLine(new_id(), variants.get(sku), sku, wanted.quantity, price, tax)
