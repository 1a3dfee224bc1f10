"""The ledger of money: its accounts, and entries whose postings sum to zero.

What is entered when is decided in `domain/ledger_rules.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from domain.kernel.ids import new_id


class Side(StrEnum):
    """Where an account normally stands."""

    DEBIT = "DEBIT"
    CREDIT = "CREDIT"


class Account(StrEnum):
    """Where money stands, or what it stands for."""

    RECEIVABLE = "RECEIVABLE"
    PROVIDER_CLEARING = "PROVIDER_CLEARING"
    CASH = "CASH"
    SALES = "SALES"
    SHIPPING = "SHIPPING"
    TAX = "TAX"
    DISCOUNT = "DISCOUNT"
    REFUND = "REFUND"
    STORE_CREDIT = "STORE_CREDIT"
    GOODWILL = "GOODWILL"
    BREAKAGE = "BREAKAGE"
    CHARGEBACK = "CHARGEBACK"
    PROVIDER_FEES = "PROVIDER_FEES"
    CARRIER_CLAIMS = "CARRIER_CLAIMS"
    SHIPPING_LOSSES = "SHIPPING_LOSSES"

    @property
    def side(self) -> Side:
        """Where it normally stands."""
        return _CHART[self][0]

    @property
    def meaning(self) -> str:
        """What it is for, in one line for people."""
        return _CHART[self][1]

    def natural(self, amount_minor: int) -> int:
        """Return a debit-positive amount as seen from the account's normal side."""
        return amount_minor if self.side is Side.DEBIT else -amount_minor


_CHART: Mapping[Account, tuple[Side, str]] = {
    Account.RECEIVABLE: (Side.DEBIT, "what customers owe; on the other side what is owed to them"),
    Account.PROVIDER_CLEARING: (Side.DEBIT, "captured, and still with the payment provider"),
    Account.CASH: (Side.DEBIT, "in the bank or the till: payouts, transfers, cash on delivery"),
    Account.SALES: (Side.CREDIT, "goods sold, without tax and before discounts"),
    Account.SHIPPING: (Side.CREDIT, "delivery, as charged"),
    Account.TAX: (Side.CREDIT, "tax that is owed to the state"),
    Account.DISCOUNT: (Side.DEBIT, "discounts given: less revenue"),
    Account.REFUND: (Side.DEBIT, "given back for orders that stand, without its tax: less revenue"),
    Account.STORE_CREDIT: (Side.CREDIT, "gift cards and store credit that can still be spent"),
    Account.GOODWILL: (Side.DEBIT, "store value that was given away: a cost"),
    Account.BREAKAGE: (Side.CREDIT, "store value that expired unspent: income"),
    Account.CHARGEBACK: (Side.DEBIT, "taken back by payers' banks: a loss, until it is won"),
    Account.PROVIDER_FEES: (Side.DEBIT, "what providers keep of their payouts: a cost"),
    Account.CARRIER_CLAIMS: (Side.DEBIT, "what carriers owe for parcels that they lost or damaged"),
    Account.SHIPPING_LOSSES: (
        Side.DEBIT,
        "the loss of such parcels: on the other side what carriers answer for",
    ),
}


class SourceKind(StrEnum):
    """What kind of document an entry comes from."""

    ORDER = "order"
    ORDER_EDIT = "order_edit"
    PAYMENT_TRANSACTION = "payment_transaction"
    STORED_VALUE = "stored_value"
    PAYOUT = "payout"
    UNLINKED_REFUND = "unlinked_refund"
    CLAIM = "claim"


class EntryKind(StrEnum):
    """What happened; a source has at most one entry of a kind."""

    ORDER_PLACED = "ORDER_PLACED"
    ORDER_EDITED = "ORDER_EDITED"
    ORDER_CANCELED = "ORDER_CANCELED"
    ORDER_REJECTED = "ORDER_REJECTED"
    ORDER_EXPIRED = "ORDER_EXPIRED"
    CAPTURED = "CAPTURED"
    REFUNDED = "REFUNDED"
    CREDITED = "CREDITED"
    CHARGED_BACK = "CHARGED_BACK"
    CHARGEBACK_WON = "CHARGEBACK_WON"
    VALUE_ISSUED = "VALUE_ISSUED"
    VALUE_SPENT = "VALUE_SPENT"
    VALUE_RETURNED = "VALUE_RETURNED"
    VALUE_ADJUSTED = "VALUE_ADJUSTED"
    VALUE_EXPIRED = "VALUE_EXPIRED"
    PAYOUT_RECEIVED = "PAYOUT_RECEIVED"
    UNLINKED_REFUND = "UNLINKED_REFUND"
    CARRIER_CHARGED = "CARRIER_CHARGED"
    CARRIER_SETTLED = "CARRIER_SETTLED"


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount on an account, in minor units: a debit above zero, a credit below, never zero.

    `dimension` tells apart what stands on one account, such as the providers of PROVIDER_CLEARING.
    """

    account: Account
    amount_minor: int
    dimension: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement: its postings sum to zero in `currency`. Raises ValueError where they do not."""

    kind: EntryKind
    source_kind: SourceKind
    source_id: UUID
    channel_id: UUID | None
    currency: str
    postings: tuple[Posting, ...]
    order_id: UUID | None = None
    payment_id: UUID | None = None
    id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        amounts = [posting.amount_minor for posting in self.postings]
        if sum(amounts) or len(amounts) < 2 or 0 in amounts:
            raise ValueError(f"{self.kind.value} does not balance: {amounts}")


@dataclass(frozen=True, slots=True)
class About:
    """Whose money moves: the currency, and the channel, order and payment where there is one."""

    channel_id: UUID | None
    currency: str
    order_id: UUID | None = None
    payment_id: UUID | None = None


Position = Mapping[Account, int]
"""What an order's entries have made of each account so far, debit-positive, in minor units."""


def position_of(entries: Sequence[Entry]) -> dict[Account, int]:
    """Return what entries make of each account, debit-positive."""
    position: dict[Account, int] = {}
    for entry in entries:
        for posting in entry.postings:
            position[posting.account] = position.get(posting.account, 0) + posting.amount_minor
    return position
