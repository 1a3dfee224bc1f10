"""GraphQL types of the report of refunds without an order."""

import strawberry

from api.context import Info
from api.schema.unlinked_refunds import UnlinkedRefundMethod, UnlinkedRefundStatus
from api.schema.values import Money
from domain import unlinked_refund_reports as domain


@strawberry.type
class UnlinkedRefundReportRow:
    """What the refunds of one channel, status and way of paying amount to."""

    status: UnlinkedRefundStatus  # type: ignore[valid-type]
    method: UnlinkedRefundMethod | None  # type: ignore[valid-type]
    provider: str | None = strawberry.field(description="Which provider paid, or is asked to.")
    refunds: int
    decided_alone: int = strawberry.field(
        description="How many of them nobody but who asked for them has approved."
    )
    linked: int = strawberry.field(description="Of how many the order was found.")
    units: int
    units_accepted: int = strawberry.field(description="Units that came in and are ours.")
    total: Money
    paid: Money
    row: strawberry.Private[domain.UnlinkedReportRow]

    @classmethod
    def of(cls, row: domain.UnlinkedReportRow) -> "UnlinkedRefundReportRow":
        """Return the GraphQL form of a row."""
        return cls(
            status=row.status,
            method=row.method,
            provider=row.provider,
            refunds=row.refunds,
            decided_alone=row.decided_alone,
            linked=row.linked,
            units=row.units,
            units_accepted=row.units_accepted,
            total=Money.of_minor(row.total_minor, row.currency),
            paid=Money.of_minor(row.paid_minor, row.currency),
            row=row,
        )

    @strawberry.field(description="The channel's slug.")  # type: ignore[untyped-decorator]
    async def channel(self, info: Info) -> str:
        """Return the slug of the channel."""
        found = await info.context.loaders.channels().load(self.row.channel_id)
        assert found is not None, "a foreign key holds every refund to its channel"  # noqa: S101
        return found.slug
