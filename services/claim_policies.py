"""Use cases of the limits of claims: how far they are granted by themselves, by kind and channel."""

from uuid import UUID

from domain.claim_policies import ClaimPolicy, ClaimPolicyChanges, changed
from domain.claims import ClaimKind
from domain.kernel.changes import check_version
from domain.kernel.errors import NotFound
from domain.kernel.ids import new_id
from persistence import claim_policies as rows
from services import audit
from services.access import Permission, require
from services.context import ServiceContext
from services.return_policies import channel_of


async def policies(
    context: ServiceContext, size: int, after: UUID | None, channel: str | None
) -> list[ClaimPolicy]:
    """Return policies in the order they were made, one more than the page has if there are more.

    With a channel (its slug) those that hold in it, of all channels among them. Raises NotFound.
    """
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        found = await channel_of(connection, channel)
        return await rows.policies(connection, size + 1, after, found.id if found else None)


async def set_policy(
    context: ServiceContext,
    channel: str | None,
    kind: ClaimKind | None,
    changes: ClaimPolicyChanges,
    expected_version: int | None,
) -> ClaimPolicy:
    """Set the policy of a scope, or change the one that it has: what is judged from now on is judged by it.

    Raises NotFound, InvalidInput naming the field, and VersionConflict; a scope without a policy has
    version 0.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    async with context.transaction() as transaction:
        connection = transaction.connection
        found = await channel_of(connection, channel)
        wanted = ClaimPolicy(channel_id=found.id if found else None, kind=kind)
        before = await rows.lock_policy(connection, wanted)
        check_version(before.version if before else 0, expected_version)
        after = changed(before or wanted, changes, found)
        stored = await rows.set_policy(connection, new_id(), after)
        assert stored.id is not None, "its key"  # noqa: S101
        await audit.record(transaction, "ClaimPolicySet", "claim_policy", stored.id, before, stored)
    return stored


async def remove_policy(context: ServiceContext, policy_id: UUID, expected_version: int | None) -> None:
    """Forget a policy: what it covered has the next closest. Raises NotFound and VersionConflict."""
    require(context.actor, Permission.RETURNS_WRITE)
    async with context.transaction() as transaction:
        before = await rows.lock_by_id(transaction.connection, policy_id)
        if before is None:
            raise NotFound("no claim policy has this id", "id")
        check_version(before.version, expected_version)
        await rows.remove_policy(transaction.connection, policy_id)
        await audit.record(transaction, "ClaimPolicyRemoved", "claim_policy", policy_id, before)
