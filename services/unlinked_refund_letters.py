"""What letters of refunds without an order say, read for many of them at once."""

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.letters import Letter
from domain.notifications import Notification
from domain.unlinked_refund_letters import refund_letter
from persistence import channels, unlinked_refunds


async def letters_of(
    connection: AsyncConnection, notifications: Sequence[Notification]
) -> list[tuple[Notification, Callable[[], Letter], str | None]]:
    """Return what there is to say of refunds that notifications tell of, and where answers go."""
    told = {one.unlinked_refund_id: one for one in notifications if one.unlinked_refund_id is not None}
    if not told:
        return []
    found = await unlinked_refunds.by_ids(connection, list(told))
    channel_ids = list({one.channel_id for one in found})
    named = await channels.by_ids(connection, channel_ids)
    settings = await channels.settings_of(connection, channel_ids)
    return [
        (
            told[one.id],
            partial(refund_letter, told[one.id], one, named[one.channel_id], settings[one.channel_id]),
            settings[one.channel_id].reply_to,
        )
        for one in found
    ]
