"""GraphQL inputs of returns that are to be repaired."""

import strawberry

from api.schema.returns import ReturnWish


@strawberry.input
class ReturnRepairedInput:
    """A return whose units are repaired: they go back to the customer; the note is what they are told."""

    id: strawberry.ID
    idempotency_key: str
    note: str | None = None
    expected_version: int | None = None


@strawberry.input
class ReturnRepairGiveUpInput:
    """A return that cannot be repaired, why, and what it is for instead: REFUND or STORE_CREDIT."""

    id: strawberry.ID
    wish: ReturnWish  # type: ignore[valid-type]
    note: str
    expected_version: int | None = None
