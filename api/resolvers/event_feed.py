"""Root fields of the event feed."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, query
from realtime.cursors import Cursor
from services import event_feed


@strawberry.type
class EventFeedQuery:
    """Queries of the event feed."""

    @query(PUBLIC)
    async def event_cursor(self, info: Info) -> str:
        """Where to begin: read it, then the state, then subscribe with it as `after`, and nothing is missed.

        It is the cursor of the newest event. What the state shows already may be delivered again.
        """
        head = await event_feed.head(info.context.service)
        return str(Cursor(head.epoch, head.sequence))
