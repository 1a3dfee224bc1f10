"""Refunds without an order: money given back for goods whose sale is not in the books.

What is missing in evidence by the sale is made good by people: who asked for it, why, by which document, and
above an amount a second person. Amounts are in minor units of the channel's currency, their tax included.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition, InvalidInput, SameActor
from domain.kernel.events import Event
from domain.kernel.money import rounded_half_up
from domain.kernel.quantities import require_text
from domain.kernel.transitions import check_transition
from domain.notifications import NotificationState

MAX_TEXT_LENGTH = 500
"""Longest reason, reference or note, in characters."""


class UnlinkedRefundStatus(StrEnum):
    """Life of a refund without an order."""

    PENDING_APPROVAL = "PENDING_APPROVAL"
    """A second person is to look at it."""
    APPROVED = "APPROVED"
    """Its goods may come, and then it is paid."""
    PAYING = "PAYING"
    """Asked of a payment provider, whose answer is not known yet."""
    PAID = "PAID"
    DECLINED = "DECLINED"
    CANCELED = "CANCELED"


TRANSITIONS: Mapping[UnlinkedRefundStatus, Set[UnlinkedRefundStatus]] = {
    UnlinkedRefundStatus.PENDING_APPROVAL: {
        UnlinkedRefundStatus.APPROVED,
        UnlinkedRefundStatus.DECLINED,
        UnlinkedRefundStatus.CANCELED,
    },
    UnlinkedRefundStatus.APPROVED: {
        UnlinkedRefundStatus.PAYING,
        UnlinkedRefundStatus.PAID,
        UnlinkedRefundStatus.CANCELED,
    },
    # Refused by the provider, it may be paid otherwise.
    UnlinkedRefundStatus.PAYING: {UnlinkedRefundStatus.PAID, UnlinkedRefundStatus.APPROVED},
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


class RefundPaymentStatus(StrEnum):
    """What became of a request to a provider."""

    REQUESTED = "REQUESTED"
    """Its outcome is not known yet."""
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class RefundPayment:
    """One request to a provider to pay a refund out; whereto is kept apart, until it is decided."""

    id: UUID
    """What its idempotency key is made from: refused, the next request has another."""
    provider: str
    status: RefundPaymentStatus
    amount_minor: int
    requested_by: str
    requested_at: datetime
    reference: str | None = None
    """The provider's own name of what it paid."""
    decline_code: str | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Units of a line whose order was found in the books after all: they come back in no return."""

    line_id: UUID
    order_id: UUID
    order_line_id: UUID
    units: int


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
    document_known: bool = False
    """Whether who asked knew that its document had brought money before, or is an order's number."""
    similar_order_id: UUID | None = None
    """An order that sent such an article to the same address, as far as was known when it was asked for."""
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
    payments: tuple[RefundPayment, ...] = ()
    """What was asked of providers, the latest last; at most one of them is open or has succeeded."""
    links: tuple[Link, ...] = ()
    told: NotificationState | None = None
    """How far the letter has come that tells the customer of the money."""
    version: int = 1

    @property
    def total_minor(self) -> int:
        """What is asked for, should all goods come."""
        return sum(line.total_minor for line in self.lines)

    def quantity_of(self, sku: str) -> int:
        """Return how many units of a SKU it is for."""
        return sum(line.quantity for line in self.lines if line.sku == sku)

    def line(self, line_id: UUID) -> UnlinkedRefundLine | None:
        """Return one of its lines."""
        return next((one for one in self.lines if one.id == line_id), None)


@dataclass(frozen=True, slots=True)
class Worth:
    """What is paid, and the part of it that is tax."""

    amount_minor: int
    tax_minor: int


def is_for(found: UnlinkedRefund, approver: str) -> bool:
    """Say whether who may only approve may see a refund: it waits for that, or they have decided it."""
    return found.status is UnlinkedRefundStatus.PENDING_APPROVAL or found.decided_by == approver


def check_other(*, is_same_person: bool) -> None:
    """Raise SameActor where who asked for the money is to approve it."""
    if is_same_person:
        raise SameActor("who asked for the money may not approve it: ask somebody else", "id")


def decided(
    found: UnlinkedRefund,
    wanted: UnlinkedRefundStatus,
    note: str | None,
    actor: str,
    now: datetime,
    expected_version: int | None,
) -> UnlinkedRefund | None:
    """Return it approved, declined or canceled; None where it is so already.

    Whether it is somebody else who approves is the caller's to check. Raises IllegalTransition and
    VersionConflict.
    """
    if not check_transition(TRANSITIONS, found.status, wanted, "the refund"):
        return None
    check_version(found.version, expected_version)
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


def check_payable(found: UnlinkedRefund, expected_version: int | None) -> None:
    """Raise IllegalTransition unless it is approved, and all of its goods are looked at; VersionConflict."""
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


def paid(
    found: UnlinkedRefund,
    method: UnlinkedRefundMethod,
    reference: str | None,
    actor: str,
    now: datetime,
    expected_version: int | None,
) -> UnlinkedRefund:
    """Return it paid by us: once, when all of its goods are looked at.

    Raises IllegalTransition, VersionConflict and InvalidInput naming the field.
    """
    check_payable(found, expected_version)
    if method is UnlinkedRefundMethod.MANUAL:
        if reference is None:
            raise InvalidInput("say by which reference it was paid", "paymentReference")
        reference = require_text(reference, MAX_TEXT_LENGTH, "paymentReference")
    elif reference is not None:
        raise InvalidInput("only a payment by hand has a reference", "paymentReference")
    elif found.recipient.email is None:
        raise InvalidInput("store credit is of an e-mail address, and this refund has none", "method")
    return settled(found, method, reference, worth(found).amount_minor, actor, now)


def settled(
    found: UnlinkedRefund,
    method: UnlinkedRefundMethod,
    reference: str | None,
    amount_minor: int,
    actor: str,
    now: datetime,
) -> UnlinkedRefund:
    """Return it paid, one version on."""
    return replace(
        found,
        status=UnlinkedRefundStatus.PAID,
        method=method,
        payment_reference=reference,
        paid_minor=amount_minor,
        paid_by=actor,
        paid_at=now,
        version=found.version + 1,
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
