"""Payments: their status, and the transactions (calls to a provider) they are made of."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.kernel.money import Money

MANUAL = "manual"
"""The provider of what is paid outside: nobody can be asked, staff record what came."""

IMPORTED = "imported"
"""The provider of payments that were made elsewhere: what is given back of them, staff send themselves."""

OWN_TENDERS = frozenset({"gift_card", "store_credit"})
"""Providers that are our own books: what is asked of them is done by the transaction that asks."""


class PaymentStatus(StrEnum):
    """What a payment amounts to so far."""

    PENDING = "PENDING"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    AUTHORIZED = "AUTHORIZED"
    PARTIALLY_CAPTURED = "PARTIALLY_CAPTURED"
    CAPTURED = "CAPTURED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    VOIDED = "VOIDED"
    FAILED = "FAILED"


class TransactionKind(StrEnum):
    """What a provider is asked to do."""

    AUTHORIZATION = "AUTHORIZATION"
    CAPTURE = "CAPTURE"
    REFUND = "REFUND"
    VOID = "VOID"
    # Not asked for by us: the payer's bank took the money back.
    CHARGEBACK = "CHARGEBACK"


class TransactionStatus(StrEnum):
    """REQUESTED is an intent whose outcome is not known yet."""

    REQUESTED = "REQUESTED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


TRANSACTION_TRANSITIONS: Mapping[TransactionStatus, Set[TransactionStatus]] = {
    TransactionStatus.REQUESTED: {
        TransactionStatus.ACTION_REQUIRED,
        TransactionStatus.SUCCEEDED,
        TransactionStatus.FAILED,
    },
    TransactionStatus.ACTION_REQUIRED: {TransactionStatus.SUCCEEDED, TransactionStatus.FAILED},
}


class GivenUp(StrEnum):
    """Why a payment was given up that was undecided for too long: our own decline codes."""

    NO_ANSWER = "no_answer_in_time"
    NO_ACTION = "no_action_in_time"
    NEVER_ARRIVED = "never_arrived"
    PROVIDER_MISSING = "provider_missing"


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment towards a cart and the order it became; amounts in minor units."""

    id: UUID
    provider: str
    method: str
    status: PaymentStatus
    currency: str
    amount_minor: int
    authorized_minor: int = 0
    captured_minor: int = 0
    refunded_minor: int = 0
    order_id: UUID | None = None
    reference: str | None = None
    """The provider's own name for it."""
    capturing_minor: int = 0
    """Asked to be captured, with no outcome yet; `voiding_minor` and `refunding_minor` likewise."""
    voiding_minor: int = 0
    refunding_minor: int = 0
    charged_back_minor: int = 0
    """What the payer's bank took back of what was captured and not refunded."""
    expires_at: datetime | None = None
    """When what is authorized lapses, where the provider says so."""
    buyer_reference: str | None = None
    """The number of the buyer's own purchase order, where it is paid by one."""
    due_at: datetime | None = None
    """When what is billed has to be paid, where the channel has terms."""
    credited_minor: int = 0
    """What was given back of it as store credit: it is not refunded again."""

    @property
    def amount(self) -> Money:
        """What is to be paid with it."""
        return Money(self.amount_minor, self.currency)

    @property
    def counts(self) -> bool:
        """Whether it can still bring money: neither given up nor failed."""
        return self.status not in {PaymentStatus.VOIDED, PaymentStatus.FAILED}

    @property
    def capturable_minor(self) -> int:
        """What can still be captured: authorized, neither captured nor asked for."""
        if not self.counts:
            return 0
        return self.authorized_minor - self.captured_minor - self.capturing_minor - self.voiding_minor

    @property
    def refundable_minor(self) -> int:
        """What can still be refunded: captured, neither given or taken back nor asked for."""
        return self.captured_minor - self.refunding_minor - self.given_back_minor

    @property
    def given_back_minor(self) -> int:
        """What was given or taken back of it: refunded, credited, charged back."""
        return self.refunded_minor + self.credited_minor + self.charged_back_minor


@dataclass(frozen=True, slots=True)
class PaymentTransaction:
    """One movement of a payment: asked of its provider, or told by it; the amount in minor units."""

    id: UUID
    payment_id: UUID
    kind: TransactionKind
    status: TransactionStatus
    amount_minor: int
    requested_at: datetime
    settled_at: datetime | None = None
    reference: str | None = None
    """The provider's own name for the movement."""
    decline_code: str | None = None
    reason: str | None = None
    """Why staff asked for it."""
