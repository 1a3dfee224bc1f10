"""GraphQL types of holds of fulfillment orders: for staff alone."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from domain import fulfillment as domain

if TYPE_CHECKING:
    from api.schema.fulfillment import FulfillmentOrder
    from api.schema.orders import Order

FulfillmentHoldKind = strawberry.enum(
    domain.HoldKind,
    name="FulfillmentHoldKind",
    description="Why a fulfillment order must not be worked on yet.",
)


@strawberry.type(
    description="What keeps a fulfillment order from being worked on. id is null for INVENTORY_OUT_OF_STOCK: "
    "units were lost, and it ends when stock comes."
)
class FulfillmentOrderHold:
    """One hold, not released yet."""

    id: strawberry.ID | None
    kind: FulfillmentHoldKind  # type: ignore[valid-type]
    of_review: bool = strawberry.field(description="Whether it ends with the review of the order.")
    code: str | None = strawberry.field(
        description="What put it there, if no person did: a rule's code, UNPAID, or ROUTING_BATCH where it"
        " waits to be routed together with other orders."
    )
    note: str | None
    created_by: str | None
    created_at: datetime | None

    @classmethod
    def of(cls, hold: domain.FulfillmentHold) -> "FulfillmentOrderHold":
        """Return the GraphQL form of a hold."""
        return cls(
            id=encode_id("FulfillmentOrderHold", hold.id),
            kind=hold.kind,
            of_review=hold.of_review,
            code=hold.code,
            note=hold.note,
            created_by=hold.created_by,
            created_at=hold.created_at,
        )

    @classmethod
    def all_of(cls, part: domain.FulfillmentOrder) -> "list[FulfillmentOrderHold]":
        """Return all that keeps a fulfillment order, lost units too."""
        holds = [cls.of(hold) for hold in part.holds]
        if part.lacks_units:
            kind = domain.HoldKind.INVENTORY_OUT_OF_STOCK
            holds.append(
                cls(
                    id=None,
                    kind=kind,
                    of_review=False,
                    code=None,
                    note=None,
                    created_by=None,
                    created_at=None,
                )
            )
        return holds


@strawberry.input
class FulfillmentOrderHoldAddInput:
    """A fulfillment order to keep from being worked on, and why."""

    fulfillment_order_id: strawberry.ID
    kind: FulfillmentHoldKind  # type: ignore[valid-type]
    idempotency_key: str
    note: str | None = None
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.input
class FulfillmentOrderHoldReleaseInput:
    """A hold to end."""

    id: strawberry.ID
    idempotency_key: str
    note: str | None = None
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.type
class FulfillmentOrderHoldPayload:
    """The fulfillment order and its order as they are now, or why nothing was changed."""

    fulfillment_order: Annotated["FulfillmentOrder", strawberry.lazy("api.schema.fulfillment")] | None = None
    order: Annotated["Order", strawberry.lazy("api.schema.orders")] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
