"""Idempotency keys: claim a key first in the transaction, store the answer last in it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.errors import IdempotencyKeyReused

_CLAIM = text(
    """
    INSERT INTO idempotency_keys (scope, key, request_hash, created_at)
    VALUES (:scope, :key, :request_hash, :now) ON CONFLICT DO NOTHING RETURNING true
    """
)
_FIND = text("SELECT request_hash, response FROM idempotency_keys WHERE scope = :scope AND key = :key")
# The key of a payment whose outcome is open is what the answer will be stored under, however old it is.
_FORGET = text(
    """
    WITH waited_for AS MATERIALIZED (
        SELECT p.placement ->> 'scope' AS scope, p.placement ->> 'key' AS key
          FROM payment_transactions t JOIN payments p ON p.id = t.payment_id
         WHERE t.status IN ('REQUESTED', 'ACTION_REQUIRED')
    ), old AS (
        SELECT k.scope, k.key FROM idempotency_keys k
         WHERE k.created_at < :before
           AND NOT EXISTS (SELECT FROM waited_for w WHERE w.scope = k.scope AND w.key = k.key)
         ORDER BY k.created_at LIMIT :most FOR NO KEY UPDATE OF k SKIP LOCKED
    )
    DELETE FROM idempotency_keys k USING old WHERE k.scope = old.scope AND k.key = old.key RETURNING true
    """
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A key within its scope (operation and actor or cart), and the hash of the request."""

    scope: str
    key: str
    request_hash: bytes


def claim_for(scope: str, key: str, request: object) -> Claim:
    """Build a claim; `request` is whatever JSON-like facts make two requests the same."""
    packed = orjson.dumps(request, option=orjson.OPT_SORT_KEYS, default=str)
    return Claim(scope, key, hashlib.sha256(packed).digest())


async def take(connection: AsyncConnection, claim: Claim, now: datetime) -> dict[str, Any] | None:
    """Take the key, or return the stored answer of the request that took it before.

    A concurrent request with the same key waits here until the first one commits. Raises
    IdempotencyKeyReused when the key was taken for another request.
    """
    values = {"scope": claim.scope, "key": claim.key}
    row = None
    while row is None:  # again when the key was too old to stay, and went between the two statements
        taken = await connection.execute(_CLAIM, {**values, "request_hash": claim.request_hash, "now": now})
        if taken.first() is not None:
            return None
        row = (await connection.execute(_FIND, values)).first()
    if bytes(row.request_hash) != claim.request_hash:
        raise IdempotencyKeyReused
    return dict(row.response or {})


async def find(connection: AsyncConnection, claim: Claim) -> dict[str, Any]:
    """Return the answer stored under a key that was taken before."""
    row = (await connection.execute(_FIND, {"scope": claim.scope, "key": claim.key})).one()
    return dict(row.response or {})


async def forget(connection: AsyncConnection, *, before: datetime, most: int) -> int:
    """Remove up to `most` keys answered before that moment; returns how many.

    Those of payments that are still waited for stay, and so do those that somebody has locked.
    """
    gone = await connection.execute(_FORGET, {"before": before, "most": most})
    return len(gone.all())
