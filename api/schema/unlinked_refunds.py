"""GraphQL types of refunds without an order."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.pagination import PageInfo, PageRequest, cursor
from api.scalars import encode_id
from api.schema.notifications import NotificationState
from api.schema.values import Money, Node
from domain import unlinked_refunds as domain
from domain.channels import Channel
from domain.unlinked_refund_requests import UnlinkedRefundPolicy as UnlinkedRefundPolicyRow
from services.access import Permission

REFUND = "UnlinkedRefund"
LINE = "UnlinkedRefundLine"
NEWEST = "UNLINKED_REFUNDS_NEWEST"
"""The one order of these lists, named in their cursors."""
KEY = (datetime, UUID)
"""What a cursor holds: when the refund was asked for, and its id."""

UnlinkedRefundStatus = strawberry.enum(
    domain.UnlinkedRefundStatus, description="Life of a refund without an order."
)
UnlinkedRefundMethod = strawberry.enum(
    domain.UnlinkedRefundMethod,
    description="How the money goes out. PROVIDER: by one of `unlinkedRefundProviders`, to a card or account "
    "that it has no payment of.",
)
UnlinkedRefundPaymentStatus = strawberry.enum(
    domain.RefundPaymentStatus,
    name="UnlinkedRefundPaymentStatus",
    description="What became of a request to a provider.",
)


@strawberry.type
class UnlinkedRefundLine:
    """Units of one SKU that come in."""

    id: strawberry.ID
    sku: str
    quantity: int
    unit_price: Money = strawberry.field(description="What one unit brings, its tax included.")
    tax: Money = strawberry.field(description="The part of the whole line's price that is tax.")
    quantity_received: int
    quantity_inspected: int
    quantity_missing: int
    quantity_accepted: int = strawberry.field(description="Units that are ours, and here: these are paid.")

    @classmethod
    def of(cls, line: domain.UnlinkedRefundLine, currency: str) -> "UnlinkedRefundLine":
        """Return the GraphQL form of a line."""
        return cls(
            id=encode_id(LINE, line.id),
            sku=line.sku,
            quantity=line.quantity,
            unit_price=Money.of_minor(line.unit_price_minor, currency),
            tax=Money.of_minor(line.tax_minor, currency),
            quantity_received=line.quantity_received,
            quantity_inspected=line.quantity_inspected,
            quantity_missing=line.quantity_missing,
            quantity_accepted=line.quantity_accepted,
        )


@strawberry.type
class UnlinkedRefundPayment:
    """A request to a payment provider to pay a refund out."""

    provider: str
    status: UnlinkedRefundPaymentStatus  # type: ignore[valid-type]
    amount: Money
    requested_at: datetime
    requested_by: str
    settled_at: datetime | None
    reference: str | None = strawberry.field(description="The provider's own name of what it paid.")
    decline_code: str | None = strawberry.field(description="Why it refused, in its words.")

    @classmethod
    def of(cls, asked: domain.RefundPayment, currency: str) -> "UnlinkedRefundPayment":
        """Return the GraphQL form of a request."""
        return cls(
            provider=asked.provider,
            status=asked.status,
            amount=Money.of_minor(asked.amount_minor, currency),
            requested_at=asked.requested_at,
            requested_by=asked.requested_by,
            settled_at=asked.settled_at,
            reference=asked.reference,
            decline_code=asked.decline_code,
        )


@strawberry.type
class UnlinkedRefundLink:
    """Units of a refund whose order was found after all: they come back in no return."""

    line_id: strawberry.ID
    order_id: strawberry.ID
    order_line_id: strawberry.ID
    quantity: int

    @classmethod
    def of(cls, link: domain.Link) -> "UnlinkedRefundLink":
        """Return the GraphQL form of a link."""
        return cls(
            line_id=encode_id(LINE, link.line_id),
            order_id=encode_id("Order", link.order_id),
            order_line_id=encode_id("OrderLine", link.order_line_id),
            quantity=link.units,
        )


@strawberry.type(description="Money given back for goods whose sale is not in the books.")
class UnlinkedRefund(Node):
    """A refund without an order."""

    number: str
    version: int
    status: UnlinkedRefundStatus  # type: ignore[valid-type]
    email: str | None
    external_id: str | None
    reason: str
    document_reference: str
    document_known: bool = strawberry.field(
        description="Whether the document was known to have brought money before, or to be an order's number."
    )
    keeps_items: bool = strawberry.field(description="Whether no goods are waited for.")
    created_at: datetime
    created_by: str
    decided_at: datetime | None
    decided_by: str | None = strawberry.field(
        description="Who approved or declined it; its creator where one person is enough."
    )
    note: str | None
    total: Money = strawberry.field(description="What is asked for, should all goods come.")
    method: UnlinkedRefundMethod | None  # type: ignore[valid-type]
    payment_reference: str | None
    paid: Money
    paid_at: datetime | None
    paid_by: str | None
    payments: list[UnlinkedRefundPayment] = strawberry.field(
        description="What was asked of providers, the latest last."
    )
    links: list[UnlinkedRefundLink] = strawberry.field(
        description="The orders that were found for it, line by line."
    )
    told: NotificationState | None = strawberry.field(  # type: ignore[valid-type]
        description="How far the letter has come that tells the customer of the money; null: there is none."
    )
    lines: list[UnlinkedRefundLine]
    row: strawberry.Private[domain.UnlinkedRefund]

    @classmethod
    def of(cls, found: domain.UnlinkedRefund) -> "UnlinkedRefund":
        """Return the GraphQL form of a refund."""
        return cls(
            id=encode_id(REFUND, found.id),
            number=found.number,
            version=found.version,
            status=found.status,
            email=found.recipient.email,
            external_id=found.recipient.external_id,
            reason=found.evidence.reason,
            document_reference=found.evidence.document_reference,
            document_known=found.document_known,
            keeps_items=found.keeps_items,
            created_at=found.created_at,
            created_by=found.created_by,
            decided_at=found.decided_at,
            decided_by=found.decided_by,
            note=found.note,
            total=Money.of_minor(found.total_minor, found.currency),
            method=found.method,
            payment_reference=found.payment_reference,
            paid=Money.of_minor(found.paid_minor, found.currency),
            paid_at=found.paid_at,
            paid_by=found.paid_by,
            payments=[UnlinkedRefundPayment.of(one, found.currency) for one in found.payments],
            links=[UnlinkedRefundLink.of(one) for one in found.links],
            told=found.told,
            lines=[UnlinkedRefundLine.of(line, found.currency) for line in found.lines],
            row=found,
        )

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="An order that sent such an article to the same address, and has it not back: it may be "
        "the one, whose units are to be returned instead. A second person always looks at such; null for "
        "who may neither approve nor read orders."
    )
    def similar_order_id(self, info: Info) -> strawberry.ID | None:
        """Return its id: what somebody has bought is not for everybody who gives money out."""
        found, actor = self.row.similar_order_id, info.context.actor
        may_know = actor.may(Permission.ORDERS_READ) or actor.may(Permission.REFUNDS_APPROVE)
        return encode_id("Order", found) if found is not None and may_know else None


@strawberry.type
class UnlinkedRefundEdge:
    """A refund and where it stands in the list."""

    cursor: str
    node: UnlinkedRefund


@strawberry.type
class UnlinkedRefundConnection:
    """A page of refunds without an order."""

    edges: list[UnlinkedRefundEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.UnlinkedRefund], request: PageRequest) -> "UnlinkedRefundConnection":
        """Return the page; a refund beyond its size only tells that there are more."""
        edges = [
            UnlinkedRefundEdge(cursor=cursor(NEWEST, one.created_at, one.id), node=UnlinkedRefund.of(one))
            for one in found[: request.size]
        ]
        info = PageInfo.of(
            [edge.cursor for edge in edges],
            has_next=len(found) > request.size,
            resumed=request.after is not None,
        )
        return cls(edges=edges, page_info=info)


@strawberry.type
class UnlinkedRefundPolicy:
    """A channel's limits of refunds without an order; null: no such limit."""

    version: int
    row: strawberry.Private[UnlinkedRefundPolicyRow]

    @classmethod
    def of(cls, policy: UnlinkedRefundPolicyRow) -> "UnlinkedRefundPolicy":
        """Return the GraphQL form of limits."""
        return cls(version=policy.version, row=policy)

    @strawberry.field(description="The channel's slug.")  # type: ignore[untyped-decorator]
    async def channel(self, info: Info) -> str:
        """Return the slug of the channel."""
        return (await _channel(info, self.row)).slug

    @strawberry.field(description="Above this amount a second person approves.")  # type: ignore[untyped-decorator]
    async def four_eyes_above(self, info: Info) -> Money:
        """Return the amount."""
        return Money.of_minor(self.row.four_eyes_above_minor, (await _channel(info, self.row)).currency)

    @strawberry.field(description="The most that one refund may be.")  # type: ignore[untyped-decorator]
    async def most(self, info: Info) -> Money | None:
        """Return the limit."""
        most = self.row.most_minor
        return None if most is None else Money.of_minor(most, (await _channel(info, self.row)).currency)

    @strawberry.field(description="The most that refunds of 24 hours may be together.")  # type: ignore[untyped-decorator]
    async def most_per_day(self, info: Info) -> Money | None:
        """Return the limit."""
        most = self.row.most_per_day_minor
        return None if most is None else Money.of_minor(most, (await _channel(info, self.row)).currency)

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="The most that one person's refunds of 24 hours may be that nobody else approved."
    )
    async def alone_per_day(self, info: Info) -> Money | None:
        """Return the limit."""
        most = self.row.alone_per_day_minor
        return None if most is None else Money.of_minor(most, (await _channel(info, self.row)).currency)


async def _channel(info: Info, policy: UnlinkedRefundPolicyRow) -> Channel:
    assert policy.channel_id is not None, "it is a row's"  # noqa: S101
    found = await info.context.loaders.channels().load(policy.channel_id)
    assert found is not None, "a foreign key holds every policy to its channel"  # noqa: S101
    return found
