"""GraphQL types of reconciliation."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import strawberry

from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import encode_id
from api.schema.payments import PaymentTransactionKind
from api.schema.values import Money
from domain import reconciliation as domain
from persistence.reconciliation import Listed

OLDEST = "FOUND_OLDEST"
"""The one order of the work list, named in its cursors."""

KEY = (datetime, UUID)
"""What a cursor holds: when the difference was found, and its id."""

ReconciliationDifferenceKind = strawberry.enum(
    domain.DifferenceKind,
    name="ReconciliationDifferenceKind",
    description="MISSING_HERE: the provider reports what we have not settled. MISSING_THERE: we settled what "
    "it does not report.",
)
ReconciliationDifferenceState = strawberry.enum(
    domain.DifferenceState,
    name="ReconciliationDifferenceState",
    description="Whether somebody still has to look.",
)


@strawberry.type(description="A movement of money that a provider's report and our record differ about.")
class ReconciliationDifference:
    """One row of the work list."""

    id: strawberry.ID
    provider: str
    day: date = strawberry.field(description="The day of the movement, in UTC.")
    kind: ReconciliationDifferenceKind  # type: ignore[valid-type]
    movement: PaymentTransactionKind  # type: ignore[valid-type]
    reference: str | None = strawberry.field(description="The provider's own name of the movement.")
    order_id: strawberry.ID | None
    payment_id: strawberry.ID | None
    ours: Money | None = strawberry.field(description="What we have settled; null: nothing.")
    theirs: Money | None = strawberry.field(description="What the provider reports; null: nothing.")
    state: ReconciliationDifferenceState  # type: ignore[valid-type]
    note: str | None = strawberry.field(description="What became of it.")
    resolved_by: str | None = strawberry.field(
        description="Who resolved it; `reconciliation`: both records came to agree."
    )
    found_at: datetime
    resolved_at: datetime | None

    @classmethod
    def of(cls, listed: Listed) -> "ReconciliationDifference":
        """Return the GraphQL form of a difference."""
        found = listed.difference
        return cls(
            id=encode_id("ReconciliationDifference", listed.id),
            provider=listed.provider,
            day=listed.day,
            kind=found.kind,
            movement=found.movement,
            reference=found.reference,
            order_id=encode_id("Order", listed.order_id) if listed.order_id else None,
            payment_id=encode_id("Payment", listed.payment_id) if listed.payment_id else None,
            ours=Money.of(found.ours) if found.ours else None,
            theirs=Money.of(found.theirs) if found.theirs else None,
            state=listed.state,
            note=listed.note,
            resolved_by=listed.resolved_by,
            found_at=listed.found_at,
            resolved_at=listed.resolved_at,
        )


@strawberry.type
class ReconciliationDifferenceEdge:
    """A difference and where it stands in the list."""

    cursor: str
    node: ReconciliationDifference


@strawberry.type
class ReconciliationDifferenceConnection:
    """A page of the work list."""

    edges: list[ReconciliationDifferenceEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[Listed], request: PageRequest) -> "ReconciliationDifferenceConnection":
        """Return the page; a difference beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: ReconciliationDifferenceEdge(
                cursor=cursor(OLDEST, one.found_at, one.id), node=ReconciliationDifference.of(one)
            ),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input
class ReconciliationDifferenceResolveInput:
    """A difference that was seen to, and what became of it."""

    id: strawberry.ID
    note: str


@strawberry.type
class ReconciliationDifferencePayload:
    """A difference as it now is, or why nothing was changed."""

    reconciliation_difference: ReconciliationDifference | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
