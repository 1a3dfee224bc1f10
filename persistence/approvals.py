"""SQL of rules of approval: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Integer, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.approvals import ApprovalRule
from persistence.checkout_risk import RULE_COLUMNS, rule_of

_OF_CHANNEL = text(
    f"SELECT {RULE_COLUMNS} FROM approval_rules a WHERE a.channel_id = :channel_id ORDER BY a.priority, a.id"
)
_COUNT = text("SELECT count(*) FROM approval_rules WHERE channel_id = :channel_id")
_LOCK = text(f"SELECT {RULE_COLUMNS} FROM approval_rules a WHERE a.id = :id FOR NO KEY UPDATE")
_TYPES = (
    bindparam("id", type_=Uuid()),
    bindparam("amount_from_minor", type_=BigInteger()),
    bindparam("countries", type_=ARRAY(Text)),
    bindparam("orders_from", type_=Integer()),
    bindparam("within_minutes", type_=Integer()),
    bindparam("counted_by", type_=ARRAY(Text)),
    bindparam("score_from", type_=Integer()),
)
_INSERT = text(
    """
    INSERT INTO approval_rules (id, channel_id, kind, action, priority, active, amount_from_minor, countries,
           orders_from, within_minutes, counted_by, score_from, version, created_at)
    VALUES (:id, :channel_id, :kind, :action, :priority, :active, :amount_from_minor, :countries,
            :orders_from, :within_minutes, :counted_by, :score_from, :version, :now)
    """
).bindparams(*_TYPES, bindparam("now", type_=DateTime(timezone=True)))
_UPDATE = text(
    """
    UPDATE approval_rules SET action = :action, priority = :priority, active = :active,
           amount_from_minor = :amount_from_minor, countries = :countries, orders_from = :orders_from,
           within_minutes = :within_minutes, counted_by = :counted_by, score_from = :score_from,
           version = :version
     WHERE id = :id
    """
).bindparams(*_TYPES)
_DELETE = text("DELETE FROM approval_rules WHERE id = :id").bindparams(bindparam("id", type_=Uuid()))


async def of_channel(connection: AsyncConnection, channel_id: UUID) -> list[ApprovalRule]:
    """Return the rules of a channel, by priority."""
    found = await connection.execute(_OF_CHANNEL, {"channel_id": channel_id})
    return [_rule(row) for row in found]


async def count(connection: AsyncConnection, channel_id: UUID) -> int:
    """Return how many rules a channel has."""
    return int(await connection.scalar(_COUNT, {"channel_id": channel_id}) or 0)


async def create(connection: AsyncConnection, rule: ApprovalRule, now: datetime) -> None:
    """Insert a rule."""
    await connection.execute(_INSERT, {**_values(rule), "now": now})


async def lock(connection: AsyncConnection, rule_id: UUID) -> ApprovalRule | None:
    """Lock a rule and return it; None when there is none."""
    row = (await connection.execute(_LOCK, {"id": rule_id})).first()
    return None if row is None else _rule(row)


async def save(connection: AsyncConnection, rule: ApprovalRule) -> None:
    """Write every field of a locked rule but its kind and channel."""
    values = _values(rule)
    del values["kind"], values["channel_id"]
    await connection.execute(_UPDATE, values)


async def delete(connection: AsyncConnection, rule_id: UUID) -> None:
    """Forget a locked rule; reviews keep what it found."""
    await connection.execute(_DELETE, {"id": rule_id})


def _rule(row: Sequence[Any]) -> ApprovalRule:
    return rule_of(tuple(row))


def _values(rule: ApprovalRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "channel_id": rule.channel_id,
        "kind": rule.kind.value,
        "action": rule.action.value,
        "priority": rule.priority,
        "active": rule.active,
        "amount_from_minor": rule.amount_from_minor,
        "countries": None if rule.countries is None else sorted(rule.countries),
        "orders_from": rule.orders_from,
        "within_minutes": rule.within_minutes,
        "counted_by": None if rule.counted_by is None else sorted(rule.counted_by),
        "score_from": rule.score_from,
        "version": rule.version,
    }
