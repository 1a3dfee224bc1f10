"""What each movement of money enters into the ledger.

What an order owes is booked when it is placed (accrual), what it brings when it is captured. Amounts are in
minor units; an entry of nothing is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.ledger import About, Account, Entry, EntryKind, Position, Posting, SourceKind
from domain.payments import IMPORTED, MANUAL, OWN_TENDERS


class Figures(Protocol):
    """What an order amounts to, in minor units; its total says whether the tax is inside."""

    @property
    def shipping_minor(self) -> int:
        """Delivery."""
        ...

    @property
    def tax_minor(self) -> int:
        """Tax, inside the prices or on top of them."""
        ...

    @property
    def discount_minor(self) -> int:
        """Discount, above zero."""
        ...

    @property
    def total_minor(self) -> int:
        """What has to be paid."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """Where the money of a payment stands once it is captured."""

    account: Account
    dimension: str | None = None


_SOLD = (Account.SALES, Account.SHIPPING, Account.TAX, Account.DISCOUNT)
_UNDONE = (*_SOLD, Account.REFUND, Account.CHARGEBACK)


def means_of(provider: str) -> Means:
    """Return where the money of a provider's payments stands."""
    if provider in OWN_TENDERS:
        return Means(Account.STORE_CREDIT, provider)
    if provider in {MANUAL, IMPORTED}:
        return Means(Account.CASH, provider)
    return Means(Account.PROVIDER_CLEARING, provider)


def order_placed(about: About, figures: Figures) -> Entry | None:
    """The customer owes the total, for goods, delivery and tax, less the discount. None for a free order."""
    return _order(about, EntryKind.ORDER_PLACED, sold(figures))


def order_edited(about: About, edit_id: UUID, before: Figures, after: Figures) -> Entry | None:
    """The order changed: the difference is booked. None when no amount differs."""
    was, becomes = sold(before), sold(after)
    change = {account: becomes[account] - was[account] for account in becomes}
    return _entry(about, EntryKind.ORDER_EDITED, SourceKind.ORDER_EDIT, edit_id, _owed(change))


def order_ended(about: About, kind: EntryKind, position: Position) -> Entry | None:
    """The order was canceled or rejected or expired: nothing of it is owed, and nothing was sold.

    What was given back or charged back before is no longer less revenue or a loss, but settles what the
    customer is owed. None where nothing was booked, as of an order from another system.
    """
    return _order(about, kind, {account: -position.get(account, 0) for account in _UNDONE})


def captured(about: About, transaction_id: UUID, amount_minor: int, provider: str) -> Entry | None:
    """A payment was taken: it is with the provider, and so much less is owed."""
    means = means_of(provider)
    stored = means.account is Account.STORE_CREDIT
    kind = EntryKind.VALUE_SPENT if stored else EntryKind.CAPTURED
    postings = [
        Posting(means.account, amount_minor, means.dimension),
        Posting(Account.RECEIVABLE, -amount_minor),
    ]
    return _entry(about, kind, SourceKind.PAYMENT_TRANSACTION, transaction_id, postings)


def refunded(
    about: About, transaction_id: UUID, amount_minor: int, provider: str, position: Position
) -> Entry | None:
    """Money was given back by the way it came: first what is owed to the customer, the rest as a refund."""
    means = means_of(provider)
    stored = means.account is Account.STORE_CREDIT
    kind = EntryKind.VALUE_RETURNED if stored else EntryKind.REFUNDED
    postings = _given_back(amount_minor, position)
    postings.append(Posting(means.account, -amount_minor, means.dimension))
    return _entry(about, kind, SourceKind.PAYMENT_TRANSACTION, transaction_id, postings)


def credited(about: About, source_id: UUID, amount_minor: int, position: Position) -> Entry | None:
    """A refund was given as store credit, whatever the order was paid with."""
    postings = _given_back(amount_minor, position)
    postings.append(Posting(Account.STORE_CREDIT, -amount_minor, "store_credit"))
    return _entry(about, EntryKind.CREDITED, SourceKind.STORED_VALUE, source_id, postings)


def charged_back(
    about: About, transaction_id: UUID, amount_minor: int, provider: str, position: Position
) -> Entry | None:
    """The payer's bank took money back: what the customer is owed anyway, the rest is a loss."""
    means = means_of(provider)
    owed = _owed_to_customer(amount_minor, position)
    postings = [
        Posting(Account.RECEIVABLE, owed),
        Posting(Account.CHARGEBACK, amount_minor - owed),
        Posting(means.account, -amount_minor, means.dimension),
    ]
    return _entry(about, EntryKind.CHARGED_BACK, SourceKind.PAYMENT_TRANSACTION, transaction_id, postings)


def chargeback_won(
    about: About, transaction_id: UUID, amount_minor: int, provider: str, position: Position
) -> Entry | None:
    """A chargeback was decided for us: the loss is none, and what was owed to the customer is again."""
    means = means_of(provider)
    loss = min(amount_minor, max(position.get(Account.CHARGEBACK, 0), 0))
    postings = [
        Posting(means.account, amount_minor, means.dimension),
        Posting(Account.CHARGEBACK, -loss),
        Posting(Account.RECEIVABLE, loss - amount_minor),
    ]
    return _entry(about, EntryKind.CHARGEBACK_WON, SourceKind.PAYMENT_TRANSACTION, transaction_id, postings)


def value_issued(
    about: About, value_id: UUID, amount_minor: int, form: str, against: Account = Account.GOODWILL
) -> Entry | None:
    """A gift card or store credit was given out: `against` is GOODWILL, or who paid for it (CASH).

    `form` is as a tender's provider is named. A source is posted once: `value_id` is the card, or an id
    of this issue where credit is added to what a customer has.
    """
    postings = [Posting(against, amount_minor), Posting(Account.STORE_CREDIT, -amount_minor, form)]
    return _entry(about, EntryKind.VALUE_ISSUED, SourceKind.STORED_VALUE, value_id, postings)


def value_adjusted(about: About, change_id: UUID, amount_minor: int, form: str) -> Entry | None:
    """Store credit was corrected by hand, up (above zero) or down."""
    postings = [Posting(Account.GOODWILL, amount_minor), Posting(Account.STORE_CREDIT, -amount_minor, form)]
    return _entry(about, EntryKind.VALUE_ADJUSTED, SourceKind.STORED_VALUE, change_id, postings)


def value_expired(about: About, value_id: UUID, amount_minor: int, form: str) -> Entry | None:
    """What was left of a gift card or store credit can no longer be spent."""
    postings = [Posting(Account.STORE_CREDIT, amount_minor, form), Posting(Account.BREAKAGE, -amount_minor)]
    return _entry(about, EntryKind.VALUE_EXPIRED, SourceKind.STORED_VALUE, value_id, postings)


def payout_received(
    about: About, payout_id: UUID, gross_minor: int, fees_minor: int, provider: str
) -> Entry | None:
    """A provider paid out `gross_minor` of what it held, less its fees."""
    postings = [
        Posting(Account.CASH, gross_minor - fees_minor, provider),
        Posting(Account.PROVIDER_FEES, fees_minor, provider),
        Posting(Account.PROVIDER_CLEARING, -gross_minor, provider),
    ]
    return _entry(about, EntryKind.PAYOUT_RECEIVED, SourceKind.PAYOUT, payout_id, postings)


def unlinked_refunded(
    about: About, refund_id: UUID, amount_minor: int, tax_minor: int, provider: str
) -> Entry | None:
    """Money was given back for goods whose sale is not in the books: less revenue, and less tax owed.

    `provider` is how it went out: `manual`, or `store_credit` where the customer was credited.
    """
    means = means_of(provider)
    postings = [
        Posting(Account.TAX, tax_minor),
        Posting(Account.REFUND, amount_minor - tax_minor),
        Posting(means.account, -amount_minor, means.dimension),
    ]
    return _entry(about, EntryKind.UNLINKED_REFUND, SourceKind.UNLINKED_REFUND, refund_id, postings)


def carrier_charged(about: About, claim_id: UUID, amount_minor: int, carrier: str) -> Entry | None:
    """A carrier is to answer for a parcel: it owes us, and our loss is less by that."""
    postings = [
        Posting(Account.CARRIER_CLAIMS, amount_minor, carrier),
        Posting(Account.SHIPPING_LOSSES, -amount_minor, carrier),
    ]
    return _entry(about, EntryKind.CARRIER_CHARGED, SourceKind.CLAIM, claim_id, postings)


def carrier_settled(
    about: About, claim_id: UUID, charged_minor: int, paid_minor: int, carrier: str
) -> Entry | None:
    """A carrier has paid for a parcel, once and for all: what it did not pay is our loss after all."""
    postings = [
        Posting(Account.CASH, paid_minor, carrier),
        Posting(Account.SHIPPING_LOSSES, charged_minor - paid_minor, carrier),
        Posting(Account.CARRIER_CLAIMS, -charged_minor, carrier),
    ]
    return _entry(about, EntryKind.CARRIER_SETTLED, SourceKind.CLAIM, claim_id, postings)


def sold(figures: Figures) -> dict[Account, int]:
    """Return what an order sells, by account, debit-positive: the sum is its total, below zero.

    Goods are what the total has beside the rest: so it balances whether prices include the tax or not.
    """
    goods = figures.total_minor + figures.discount_minor - figures.shipping_minor - figures.tax_minor
    amounts = (-goods, -figures.shipping_minor, -figures.tax_minor, figures.discount_minor)
    return dict(zip(_SOLD, amounts, strict=True))


def _given_back(amount_minor: int, position: Position) -> list[Posting]:
    """Return the debits of a refund: what the customer is owed, then what the sale is worth less.

    The tax of what is given back is its part in what is still sold, so that the whole given back in
    whatever steps takes exactly the whole tax with it.
    """
    owed = _owed_to_customer(amount_minor, position)
    rest = amount_minor - owed
    worth = -sum(position.get(account, 0) for account in (*_SOLD, Account.REFUND))
    tax = -position.get(Account.TAX, 0)
    part = (2 * tax * min(rest, worth) + worth) // (2 * worth) if worth > 0 else 0
    return [
        Posting(Account.RECEIVABLE, owed),
        Posting(Account.TAX, part),
        Posting(Account.REFUND, rest - part),
    ]


def _owed_to_customer(amount_minor: int, position: Position) -> int:
    return min(amount_minor, max(-position.get(Account.RECEIVABLE, 0), 0))


def _owed(change: Mapping[Account, int]) -> list[Posting]:
    """Let the customer owe what `change` sells."""
    postings = [Posting(account, amount) for account, amount in change.items()]
    return [Posting(Account.RECEIVABLE, -sum(change.values())), *postings]


def _order(about: About, kind: EntryKind, change: Mapping[Account, int]) -> Entry | None:
    if about.order_id is None:
        raise ValueError("an order's entry is about an order")
    return _entry(about, kind, SourceKind.ORDER, about.order_id, _owed(change))


def _entry(
    about: About,
    kind: EntryKind,
    source_kind: SourceKind,
    source_id: UUID,
    postings: Sequence[Posting],
) -> Entry | None:
    """Make an entry of the postings that are not zero; None when none is."""
    kept = tuple(posting for posting in postings if posting.amount_minor)
    if not kept:
        return None
    return Entry(
        kind,
        source_kind,
        source_id,
        about.channel_id,
        about.currency,
        kept,
        about.order_id,
        about.payment_id,
    )
