"""SQL of signing in by a code: one row an address, counted, tried and mailed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Integer, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.customers import MOST_TRIES, SignIn

_MOMENTS = [
    bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "since", "expires_at", "later")
]
_NOW, _SINCE, _EXPIRES_AT, _LATER = _MOMENTS
# The client's row is locked before the address's. Who has asked too often leaves the code before as it is.
_ASK = text(
    """
    WITH client AS (
        INSERT INTO customer_sign_in_clients AS k (number, asked, asked_since)
        SELECT :client_number, 1, :now WHERE :client_number IS NOT NULL
        ON CONFLICT (number) DO UPDATE
           SET asked = CASE WHEN k.asked_since > :since THEN k.asked + 1 ELSE 1 END,
               asked_since = CASE WHEN k.asked_since > :since THEN k.asked_since ELSE :now END
        RETURNING asked, asked_since
    ), asked AS (
        INSERT INTO customer_sign_ins AS s
               (email, id, channel_id, locale, created_at, expires_at, asked_since, mail_at)
        SELECT lower(:email), :id, c.id, coalesce(:locale, c.locale), :now, :expires_at, :now, :now
          FROM channels c LEFT JOIN client ON true
         WHERE c.id = :channel_id AND coalesce(client.asked, 0) <= :codes_per_client
        ON CONFLICT (email) DO UPDATE
           SET id = excluded.id, channel_id = excluded.channel_id, locale = excluded.locale,
               created_at = :now, expires_at = :expires_at, mail_at = :now, mail_attempts = 0, tries = 0,
               used_at = NULL, asked = CASE WHEN s.asked_since > :since THEN s.asked + 1 ELSE 1 END,
               asked_since = CASE WHEN s.asked_since > :since THEN s.asked_since ELSE :now END
         WHERE s.asked_since <= :since OR s.asked < :codes_per_address
        RETURNING true
    )
    SELECT EXISTS (SELECT FROM asked) AS done, (SELECT asked FROM client) > :codes_per_client AS by_client,
           (SELECT asked_since FROM client) AS client_since,
           (SELECT s.asked_since FROM customer_sign_ins s WHERE s.email = lower(:email)) AS address_since
    """
).bindparams(
    _NOW,
    _SINCE,
    _EXPIRES_AT,
    bindparam("email", type_=Text()),
    bindparam("id", type_=Uuid()),
    bindparam("channel_id", type_=Uuid()),
    bindparam("locale", type_=Text()),
    bindparam("client_number", type_=BigInteger()),
    bindparam("codes_per_client", type_=Integer()),
    bindparam("codes_per_address", type_=Integer()),
)
# A try is counted before it is looked at: of those that come at once each waits for the row.
_TRY = text(
    f"""
    UPDATE customer_sign_ins SET tries = tries + 1
     WHERE id = :id AND tries < {MOST_TRIES} AND used_at IS NULL AND expires_at > :now
    RETURNING email
    """
).bindparams(_NOW)
_USE = text("UPDATE customer_sign_ins SET used_at = :now, mail_at = NULL WHERE id = :id").bindparams(_NOW)
_CLAIM = text(
    """
    UPDATE customer_sign_ins s SET mail_attempts = s.mail_attempts + 1, mail_at = :later
      FROM (SELECT email FROM customer_sign_ins
             WHERE mail_at <= :now AND expires_at > :now
             ORDER BY mail_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED) due
     WHERE s.email = due.email
    RETURNING s.id, s.email, s.channel_id, s.locale, s.created_at, s.expires_at, s.mail_attempts
    """
).bindparams(_NOW, _LATER)
# Whoever was thought dead has not the newest claim; and a new code has another id.
_SETTLE = text(
    """
    UPDATE customer_sign_ins SET mail_at = :later
     WHERE id = :id AND mail_attempts = :attempts AND used_at IS NULL
       AND (:handed_over OR mail_at IS NOT NULL)
    RETURNING id
    """
).bindparams(_LATER)
_FORGET = text(
    """
    WITH old AS (
        SELECT email FROM customer_sign_ins WHERE asked_since < :since AND expires_at < :now
         ORDER BY asked_since LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    ), old_client AS (
        SELECT number FROM customer_sign_in_clients WHERE asked_since < :since
         ORDER BY asked_since LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM customer_sign_ins s USING old WHERE s.email = old.email RETURNING true
    ), gone_client AS (
        DELETE FROM customer_sign_in_clients k USING old_client WHERE k.number = old_client.number
        RETURNING true
    )
    SELECT (SELECT count(*) FROM gone) AS addresses, (SELECT count(*) FROM gone_client) AS clients
    """
).bindparams(_NOW, _SINCE)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether a code is on its way; if not, since when those before it are counted."""

    done: bool
    too_many_since: datetime | None = None


async def ask(
    connection: AsyncConnection,
    sign_in_id: UUID,
    email: str,
    channel_id: UUID,
    locale: str | None,
    client_number: int | None,
    *,
    now: datetime,
    expires_at: datetime,
    since: datetime,
    codes_per_address: int,
    codes_per_client: int,
) -> Asked:
    """Put a new code for an address in the place of the one before, unless too many were asked for.

    Counted since `since`, whether the address is known to the shop or not.
    """
    values = {
        "id": sign_in_id,
        "email": email,
        "channel_id": channel_id,
        "locale": locale,
        "client_number": client_number,
        "now": now,
        "expires_at": expires_at,
        "since": since,
        "codes_per_address": codes_per_address,
        "codes_per_client": codes_per_client,
    }
    row = (await connection.execute(_ASK, values)).one()
    if row.done:
        return Asked(done=True)
    return Asked(done=False, too_many_since=row.client_since if row.by_client else row.address_since)


async def attempt(connection: AsyncConnection, sign_in_id: UUID, now: datetime) -> str | None:
    """Count a try of a code and return its address; None where there is none to be had, however right."""
    email: str | None = await connection.scalar(_TRY, {"id": sign_in_id, "now": now})
    return email


async def use(connection: AsyncConnection, sign_in_id: UUID, now: datetime) -> None:
    """Write that a code was right: it is worth nothing any more."""
    await connection.execute(_USE, {"id": sign_in_id, "now": now})


async def claim(
    connection: AsyncConnection, *, most: int, now: datetime, leased_until: datetime
) -> list[SignIn]:
    """Take up to `most` codes that are to be mailed, for this caller alone until then."""
    rows = await connection.execute(_CLAIM, {"most": most, "now": now, "later": leased_until})
    return [_sign_in(row) for row in rows]


async def settle(
    connection: AsyncConnection, claimed: SignIn, again_at: datetime | None, *, handed_over: bool = False
) -> bool:
    """Write when a claimed code is to be mailed again, None for never; False for who lost the claim.

    `handed_over` is said of one that the mail server had and gave back.
    """
    values = {
        "id": claimed.id,
        "attempts": claimed.mail_attempts,
        "later": again_at,
        "handed_over": handed_over,
    }
    return (await connection.execute(_SETTLE, values)).first() is not None


async def forget(connection: AsyncConnection, *, now: datetime, since: datetime, most: int) -> Sequence[int]:
    """Remove up to `most` addresses and clients that are counted no more; returns how many of each."""
    row = (await connection.execute(_FORGET, {"now": now, "since": since, "most": most})).one()
    return row.addresses, row.clients


def _sign_in(row: Row[*tuple[Any, ...]]) -> SignIn:
    return SignIn(
        row.id, row.email, row.channel_id, row.locale, row.created_at, row.expires_at, row.mail_attempts
    )
