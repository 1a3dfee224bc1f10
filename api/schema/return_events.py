"""GraphQL type of what happens to returns, as followers get it."""

from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.schema.returns import Return
from domain import returns as domain
from realtime.events import FeedEvent


@strawberry.type(description="Something that happened to a return; it is as it is when this is delivered.")
class ReturnEvent:
    """A step of a return."""

    cursor: str
    kind: str
    occurred_at: datetime
    version: int = strawberry.field(description="Of the order.")
    return_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, event: FeedEvent) -> "ReturnEvent":
        """Return the GraphQL form of an event that names a return."""
        return cls(
            cursor=event.cursor,
            kind=event.kind,
            occurred_at=event.occurred_at,
            version=event.version,
            return_id=domain.return_told(event.payload),
        )

    @strawberry.field(name="return", description="The return as it is now.")  # type: ignore[untyped-decorator]
    async def return_(self, info: Info) -> Return:
        """Return the return."""
        assert self.return_id is not None, "only such events are delivered"  # noqa: S101
        found = await info.context.loaders.returns().load(self.return_id)
        assert found is not None, "returns are never deleted"  # noqa: S101
        return Return.of(found)
