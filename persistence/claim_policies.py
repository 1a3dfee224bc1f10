"""SQL of the limits of claims: rows in, dataclasses out."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claim_policies import ClaimPolicy
from domain.claims import ClaimKind

_COLUMNS = """
    id, channel_id, kind, approve_most_minor, silent_days, report_within_days, most_by_itself, needs_photos,
    version
"""
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM claim_policies
     WHERE (:channel_id IS NULL OR channel_id IS NULL OR channel_id = :channel_id)
       AND (:after IS NULL OR id > :after)
     ORDER BY id LIMIT :limit
    """
).bindparams(bindparam("channel_id", type_=Uuid()), bindparam("after", type_=Uuid()))
_LOCK = text(
    f"""
    SELECT {_COLUMNS} FROM claim_policies
     WHERE channel_id IS NOT DISTINCT FROM :channel_id AND kind IS NOT DISTINCT FROM :kind
       FOR NO KEY UPDATE
    """
).bindparams(bindparam("channel_id", type_=Uuid()), bindparam("kind", type_=Text()))
_LOCK_BY_ID = text(f"SELECT {_COLUMNS} FROM claim_policies WHERE id = :id FOR NO KEY UPDATE").bindparams(
    bindparam("id", type_=Uuid())
)
_REMOVE = text("DELETE FROM claim_policies WHERE id = :id").bindparams(bindparam("id", type_=Uuid()))
_SET = text(
    f"""
    INSERT INTO claim_policies ({_COLUMNS})
    VALUES (:id, :channel_id, :kind, :approve_most_minor, :silent_days, :report_within_days, :most_by_itself,
            :needs_photos, 1)
    ON CONFLICT (channel_id, kind) DO UPDATE SET approve_most_minor = excluded.approve_most_minor,
           silent_days = excluded.silent_days, report_within_days = excluded.report_within_days,
           most_by_itself = excluded.most_by_itself, needs_photos = excluded.needs_photos,
           version = claim_policies.version + 1
    RETURNING {_COLUMNS}
    """
).bindparams(
    bindparam("channel_id", type_=Uuid()),
    bindparam("kind", type_=Text()),
    bindparam("approve_most_minor", type_=BigInteger()),
)


async def policies(
    connection: AsyncConnection, limit: int, after: UUID | None, channel_id: UUID | None
) -> list[ClaimPolicy]:
    """Return policies in the order they were made; those that hold in a channel, or all."""
    values = {"limit": limit, "after": after, "channel_id": channel_id}
    return [_policy(row) for row in await connection.execute(_PAGE, values)]


async def lock_policy(connection: AsyncConnection, scope: ClaimPolicy) -> ClaimPolicy | None:
    """Lock and return the policy that covers exactly what another does."""
    values = {"channel_id": scope.channel_id, "kind": scope.kind.value if scope.kind else None}
    row = (await connection.execute(_LOCK, values)).first()
    return None if row is None else _policy(row)


async def lock_by_id(connection: AsyncConnection, policy_id: UUID) -> ClaimPolicy | None:
    """Lock and return a policy."""
    row = (await connection.execute(_LOCK_BY_ID, {"id": policy_id})).first()
    return None if row is None else _policy(row)


async def remove_policy(connection: AsyncConnection, policy_id: UUID) -> None:
    """Forget a policy."""
    await connection.execute(_REMOVE, {"id": policy_id})


async def set_policy(connection: AsyncConnection, policy_id: UUID, policy: ClaimPolicy) -> ClaimPolicy:
    """Write the policy of what it covers, in place of the one there was; returns it as it is stored."""
    row = (
        await connection.execute(
            _SET,
            {
                "id": policy_id,
                "channel_id": policy.channel_id,
                "kind": policy.kind.value if policy.kind else None,
                "approve_most_minor": policy.approve_most_minor,
                "silent_days": policy.silent_days,
                "report_within_days": policy.report_within_days,
                "most_by_itself": policy.most_by_itself,
                "needs_photos": policy.needs_photos,
            },
        )
    ).one()
    return _policy(row)


def policy_of(record: Mapping[str, Any]) -> ClaimPolicy:
    """Return the policy that a row as JSON is."""
    values = {**record, "kind": ClaimKind(record["kind"]) if record["kind"] else None}
    for name in ("id", "channel_id"):
        if isinstance(values[name], str):
            values[name] = UUID(values[name])
    return ClaimPolicy(**values)


def _policy(row: Row[*tuple[Any, ...]]) -> ClaimPolicy:
    return policy_of(row._asdict())
