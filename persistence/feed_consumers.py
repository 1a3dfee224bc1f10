"""How far each durable consumer has read the feed: one row each, moved with what the consumer did."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# The shared lock waits for a pruner: what is registered here is kept from then on.
_REGISTER = text(
    """
    INSERT INTO feed_consumers (name, sequence, updated_at)
    SELECT :name, CASE WHEN :from_start THEN head.pruned_sequence ELSE head.sequence END, now()
      FROM (SELECT sequence, pruned_sequence FROM feed_head FOR SHARE) head
    ON CONFLICT DO NOTHING
    """
)
# A process that hangs with a consumer locked is thrown out by the server, so that another may go on.
_LOCK = text(
    """
    SELECT sequence, set_config('idle_in_transaction_session_timeout', '60s', true)
      FROM feed_consumers WHERE name = :name FOR NO KEY UPDATE SKIP LOCKED
    """
)
_ADVANCE = text("UPDATE feed_consumers SET sequence = :sequence, updated_at = now() WHERE name = :name")
_NAMES = text("SELECT name FROM feed_consumers ORDER BY name")


async def register(connection: AsyncConnection, name: str, *, from_start: bool) -> None:
    """Make a consumer known, where it is not yet: at the head, or at the oldest event that is kept."""
    await connection.execute(_REGISTER, {"name": name, "from_start": from_start})


async def lock(connection: AsyncConnection, name: str) -> int | None:
    """Lock a consumer and return the sequence it has read; None while another process has it."""
    sequence = await connection.scalar(_LOCK, {"name": name})
    return None if sequence is None else int(sequence)


async def advance(connection: AsyncConnection, name: str, sequence: int) -> None:
    """Move a locked consumer on."""
    await connection.execute(_ADVANCE, {"name": name, "sequence": sequence})


async def names(connection: AsyncConnection) -> Sequence[str]:
    """Return every consumer that retention waits for."""
    return (await connection.scalars(_NAMES)).all()
