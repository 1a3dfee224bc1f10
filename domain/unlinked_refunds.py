"""Refunds without an order: money given back for goods whose sale is not in the books.

What is missing in evidence by the sale is made good by people: who asked for it, why, by which document, and
above an amount a second person. Amounts are in minor units of the channel's currency, their tax included.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.channels import Channel, money_in
from domain.kernel.changes import check_version
from domain.kernel.errors import (
    AmountTooLarge,
    DomainError,
    IllegalTransition,
    InvalidInput,
    SameActor,
    Several,
    under,
)
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.money import MAX_AMOUNT_MINOR, Amount, Money, rounded_half_up
from domain.kernel.quantities import MAX_QUANTITY, require_text
from domain.kernel.transitions import check_transition

MAX_LINES = 200
MAX_TEXT_LENGTH = 500
"""Longest reason, reference or note, in characters."""
MAX_SKU_LENGTH = 100
PERIOD = timedelta(hours=24)
"""The time over which a channel's refunds without an order are limited together."""


class UnlinkedRefundStatus(StrEnum):
    """Life of a refund without an order."""

    PENDING_APPROVAL = "PENDING_APPROVAL"
    """A second person is to look at it."""
    APPROVED = "APPROVED"
    """Its goods may come, and then it is paid."""
    PAID = "PAID"
    DECLINED = "DECLINED"
    CANCELED = "CANCELED"


TRANSITIONS: Mapping[UnlinkedRefundStatus, Set[UnlinkedRefundStatus]] = {
    UnlinkedRefundStatus.PENDING_APPROVAL: {
        UnlinkedRefundStatus.APPROVED,
        UnlinkedRefundStatus.DECLINED,
        UnlinkedRefundStatus.CANCELED,
    },
    UnlinkedRefundStatus.APPROVED: {UnlinkedRefundStatus.PAID, UnlinkedRefundStatus.CANCELED},
}

NOTHING_CLAIMED = frozenset({UnlinkedRefundStatus.DECLINED, UnlinkedRefundStatus.CANCELED})
"""Of these no limit is used up."""


class UnlinkedRefundMethod(StrEnum):
    """How the money goes out."""

    STORE_CREDIT = "STORE_CREDIT"
    """Added to the customer's store credit."""
    MANUAL = "MANUAL"
    """Paid by a person, from the till or the bank; recorded by its reference."""
    PROVIDER = "PROVIDER"
    """By a payment provider, to a card that no payment here was made with."""


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
    version: int = 1


SHOP_DEFAULT = UnlinkedRefundPolicy()
"""Where a shop has said nothing, a second person looks at each."""


@dataclass(frozen=True, slots=True)
class WantedLine:
    """Units to give money back for: the price of one and the tax that all of them contain, to be checked."""

    sku: str
    quantity: int
    unit_price: Amount
    tax: Amount | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why money is given back without a sale: the reason and the paper that it is known by."""

    reason: str
    document_reference: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets the money; at least one of both."""

    email: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class UnlinkedRefundLine:
    """Units of one SKU that come in; `variant_id` None: the catalogue has no such SKU, so it is no stock."""

    id: UUID
    variant_id: UUID | None
    sku: str
    quantity: int
    unit_price_minor: int
    tax_minor: int = 0
    """The part of the whole line's price that is tax."""
    quantity_received: int = 0
    quantity_inspected: int = 0
    """Units of them that were looked at."""
    quantity_missing: int = 0
    """Units that do not come."""
    quantity_accepted: int = 0
    """Units of them that are ours, and here: those are paid for."""

    @property
    def quantity_awaited(self) -> int:
        """Units that are still to be looked at, here or not."""
        return self.quantity - self.quantity_inspected - self.quantity_missing

    @property
    def total_minor(self) -> int:
        """What all its units bring."""
        return self.unit_price_minor * self.quantity


@dataclass(frozen=True, slots=True)
class UnlinkedRefund:
    """Money to be given back for goods whose sale is not in the books."""

    id: UUID
    number: str
    channel_id: UUID
    currency: str
    status: UnlinkedRefundStatus
    recipient: Recipient
    evidence: Evidence
    lines: tuple[UnlinkedRefundLine, ...]
    created_at: datetime
    created_by: str
    keeps_items: bool = False
    """Whether no goods are waited for."""
    decided_by: str | None = None
    """Who approved or declined it: its creator where one person is enough."""
    decided_at: datetime | None = None
    note: str | None = None
    location_id: UUID | None = None
    method: UnlinkedRefundMethod | None = None
    payment_reference: str | None = None
    stored_value_id: UUID | None = None
    paid_minor: int = 0
    paid_by: str | None = None
    paid_at: datetime | None = None
    version: int = 1

    @property
    def total_minor(self) -> int:
        """What is asked for, should all goods come."""
        return sum(line.total_minor for line in self.lines)

    def line(self, line_id: UUID) -> UnlinkedRefundLine | None:
        """Return one of its lines."""
        return next((one for one in self.lines if one.id == line_id), None)


@dataclass(frozen=True, slots=True)
class Worth:
    """What is paid, and the part of it that is tax."""

    amount_minor: int
    tax_minor: int


def create(
    channel: Channel,
    policy: UnlinkedRefundPolicy,
    recipient: Recipient,
    evidence: Evidence,
    wanted: Sequence[WantedLine],
    variants: Mapping[str, UUID],
    spent_minor: int,
    actor: str,
    now: datetime,
    *,
    keeps_items: bool,
) -> UnlinkedRefund:
    """Return a refund that is asked for: approved where one person is enough.

    `spent_minor` is what the channel's others of the last 24 hours are. Raises InvalidInput naming the field,
    and AmountTooLarge above a limit.
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
    )
    _check_limits(made, policy, spent_minor)
    if made.total_minor > policy.four_eyes_above_minor:
        return made
    return replace(made, status=UnlinkedRefundStatus.APPROVED, decided_by=actor, decided_at=now)


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


def decided(
    found: UnlinkedRefund,
    wanted: UnlinkedRefundStatus,
    note: str | None,
    actor: str,
    now: datetime,
    expected_version: int | None,
) -> UnlinkedRefund | None:
    """Return it approved, declined or canceled; None where it is so already.

    Raises IllegalTransition, VersionConflict, and SameActor where who asked for it is to approve it.
    """
    if not check_transition(TRANSITIONS, found.status, wanted, "the refund"):
        return None
    check_version(found.version, expected_version)
    if wanted is UnlinkedRefundStatus.APPROVED and actor == found.created_by:
        raise SameActor("who asked for the money may not approve it: ask somebody else", "id")
    if wanted is UnlinkedRefundStatus.CANCELED and any(line.quantity_received for line in found.lines):
        raise IllegalTransition("goods of it are here: it is paid", found.status.value, (), "id")
    after = replace(found, status=wanted, note=note or found.note, version=found.version + 1)
    if wanted is UnlinkedRefundStatus.CANCELED:
        return after
    return replace(after, decided_by=actor, decided_at=now)


def worth(found: UnlinkedRefund) -> Worth:
    """Return what is to be paid: the price of what was accepted, or of all where nothing is waited for."""
    amount = tax = 0
    for line in found.lines:
        units = line.quantity if found.keeps_items else line.quantity_accepted
        amount += line.unit_price_minor * units
        tax += rounded_half_up(line.tax_minor * units, line.quantity)
    return Worth(amount, tax)


def paid(
    found: UnlinkedRefund,
    method: UnlinkedRefundMethod,
    reference: str | None,
    actor: str,
    now: datetime,
    expected_version: int | None,
) -> UnlinkedRefund:
    """Return it paid: once, when all of its goods are looked at.

    Raises IllegalTransition, VersionConflict and InvalidInput naming the field.
    """
    if found.status is not UnlinkedRefundStatus.APPROVED:
        raise IllegalTransition(
            "only what is approved is paid, and once",
            found.status.value,
            sorted(TRANSITIONS.get(found.status, ())),
            "id",
        )
    check_version(found.version, expected_version)
    if not found.keeps_items and any(line.quantity_awaited for line in found.lines):
        raise IllegalTransition(
            "it is paid when all of its goods are looked at, or said to be missing",
            found.status.value,
            (),
            "id",
        )
    if method is UnlinkedRefundMethod.PROVIDER:
        raise InvalidInput(
            "no payment provider set up here gives money back without a payment of its own", "method"
        )
    if method is UnlinkedRefundMethod.MANUAL:
        if reference is None:
            raise InvalidInput("say by which reference it was paid", "paymentReference")
        reference = require_text(reference, MAX_TEXT_LENGTH, "paymentReference")
    elif reference is not None:
        raise InvalidInput("only a payment by hand has a reference", "paymentReference")
    elif found.recipient.email is None:
        raise InvalidInput("store credit is of an e-mail address, and this refund has none", "method")
    return replace(
        found,
        status=UnlinkedRefundStatus.PAID,
        method=method,
        payment_reference=reference,
        paid_minor=worth(found).amount_minor,
        paid_by=actor,
        paid_at=now,
        version=found.version + 1,
    )


def limits(
    channel: Channel, four_eyes_above: Amount, most: Amount | None, most_per_day: Amount | None
) -> UnlinkedRefundPolicy:
    """Return the limits of a channel; raises InvalidInput naming the field."""
    return UnlinkedRefundPolicy(
        None,
        channel.id,
        money_in(channel, four_eyes_above, "fourEyesAbove").amount_minor,
        None if most is None else money_in(channel, most, "most").amount_minor,
        None if most_per_day is None else money_in(channel, most_per_day, "mostPerDay").amount_minor,
    )


def refund_event(kind: str, found: UnlinkedRefund, now: datetime) -> Event:
    """Return the event that tells of a refund without an order; it names nobody."""
    facts: dict[str, Any] = {
        "number": found.number,
        "status": found.status.value,
        "totalMinor": found.total_minor,
        "paidMinor": found.paid_minor,
        "currency": found.currency,
    }
    return Event(kind, "unlinked_refund", found.id, found.version, now, found.channel_id, facts)


def _check_limits(made: UnlinkedRefund, policy: UnlinkedRefundPolicy, spent_minor: int) -> None:
    total = made.total_minor
    if total == 0:
        raise InvalidInput("comes to nothing", "lines")
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
