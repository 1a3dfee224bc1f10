"""GraphQL types of the ledger of money."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import encode_id
from api.schema.values import Money
from domain import ledger as domain
from persistence.ledger import Balance, Recorded

OLDEST = "OCCURRED_OLDEST"
"""The one order of these lists, named in their cursors."""

KEY = (datetime, UUID)
"""What a cursor holds: when the entry's movement happened, and its id."""

LedgerAccount = strawberry.enum(
    domain.Account, name="LedgerAccount", description="Where money stands, or what it stands for."
)
LedgerSide = strawberry.enum(domain.Side, name="LedgerSide", description="The two sides of an account.")
LedgerEntryKind = strawberry.enum(domain.EntryKind, name="LedgerEntryKind", description="What happened.")


@strawberry.type
class LedgerPosting:
    """An amount on one side of one account."""

    account: LedgerAccount  # type: ignore[valid-type]
    side: LedgerSide  # type: ignore[valid-type]
    amount: Money = strawberry.field(description="Above zero.")
    dimension: str | None = strawberry.field(
        description="What tells apart what stands on one account: the provider's name."
    )

    @classmethod
    def of(cls, posting: domain.Posting, currency: str) -> "LedgerPosting":
        """Return the GraphQL form of a posting."""
        return cls(
            account=posting.account,
            side=domain.Side.DEBIT if posting.amount_minor > 0 else domain.Side.CREDIT,
            amount=Money.of_minor(abs(posting.amount_minor), currency),
            dimension=posting.dimension,
        )


@strawberry.type(description="One movement of money: what its debits come to, its credits do too.")
class LedgerEntry:
    """An entry of the ledger; it never changes."""

    id: strawberry.ID
    kind: LedgerEntryKind  # type: ignore[valid-type]
    source_kind: str = strawberry.field(description="What it comes from: order, payment_transaction, ...")
    source_id: str = strawberry.field(description="The id of what it comes from.")
    order_id: strawberry.ID | None
    payment_id: strawberry.ID | None
    channel_id: strawberry.ID | None = strawberry.field(
        description="Null for what is of no channel: gift cards, store credit, payouts."
    )
    currency: str
    occurred_at: datetime
    actor: str
    postings: list[LedgerPosting]

    @classmethod
    def of(cls, recorded: Recorded) -> "LedgerEntry":
        """Return the GraphQL form of an entry."""
        entry = recorded.entry
        return cls(
            id=strawberry.ID(str(entry.id)),
            kind=entry.kind,
            source_kind=entry.source_kind.value,
            source_id=str(entry.source_id),
            order_id=encode_id("Order", entry.order_id) if entry.order_id else None,
            payment_id=encode_id("Payment", entry.payment_id) if entry.payment_id else None,
            channel_id=encode_id("Channel", entry.channel_id) if entry.channel_id else None,
            currency=entry.currency,
            occurred_at=recorded.occurred_at,
            actor=recorded.actor,
            postings=[LedgerPosting.of(posting, entry.currency) for posting in entry.postings],
        )


@strawberry.type
class LedgerEntryEdge:
    """An entry and where it stands in the list."""

    cursor: str
    node: LedgerEntry


@strawberry.type
class LedgerEntryConnection:
    """A page of entries."""

    edges: list[LedgerEntryEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[Recorded], request: PageRequest) -> "LedgerEntryConnection":
        """Return the page; an entry beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: LedgerEntryEdge(
                cursor=cursor(OLDEST, one.occurred_at, one.entry.id), node=LedgerEntry.of(one)
            ),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.type(
    description="An account over a period. opening and closing are as seen from the account's normal side: "
    "closing = opening + debits - credits for a DEBIT account, opening - debits + credits for a CREDIT one."
)
class LedgerBalance:
    """One account, of one dimension and currency."""

    account: LedgerAccount  # type: ignore[valid-type]
    normal_side: LedgerSide  # type: ignore[valid-type]
    meaning: str = strawberry.field(description="What the account is for, in one line.")
    dimension: str | None = strawberry.field(
        description="What tells apart what stands on one account: the provider's name."
    )
    opening: Money
    debits: Money
    credits: Money
    closing: Money

    @classmethod
    def of(cls, balance: Balance) -> "LedgerBalance":
        """Return the GraphQL form of a balance."""
        account, currency = balance.account, balance.currency
        return cls(
            account=account,
            normal_side=account.side,
            meaning=account.meaning,
            dimension=balance.dimension,
            opening=Money.of_minor(account.natural(balance.opening_minor), currency),
            debits=Money.of_minor(balance.debits_minor, currency),
            credits=Money.of_minor(balance.credits_minor, currency),
            closing=Money.of_minor(account.natural(balance.closing_minor), currency),
        )
