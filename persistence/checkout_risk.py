"""SQL of what rules of approval know of a cart at the till: read with the cart, no more than is asked for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Row, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.approvals import ApprovalRule, RuleAction, RuleKind
from domain.carts import CartStatus
from domain.checkouts import Checkout
from domain.order_reviews import History
from domain.payments import Payment
from persistence.json_text import json_text

RULE_COLUMNS = """a.id, a.channel_id, a.kind, a.action, a.priority, a.active, a.amount_from_minor,
           a.countries, a.orders_from, a.within_minutes, a.counted_by, a.score_from, a.version"""
"""The columns of a rule `a` that `rule_of` reads, in its order."""

_OF_CHANNEL = "FROM approval_rules a WHERE a.channel_id = c.channel_id AND a.active"

RISK_SQL = f"""
           h.hold_unpaid, coalesce(c.address_number, :client_number) AS client_number,
           (SELECT jsonb_agg(jsonb_build_array({RULE_COLUMNS}) ORDER BY a.priority, a.id)
             {_OF_CHANNEL}) AS rules,
           (SELECT approval_velocity(c.id, c.channel_id, c.email, c.shipping_address,
                                     coalesce(c.address_number, :client_number), :now)
             WHERE EXISTS (SELECT {_OF_CHANNEL} AND a.kind = 'VELOCITY')) AS velocity,
           (SELECT EXISTS (SELECT FROM orders o WHERE lower(o.email) = lower(c.email)
                                                  AND o.status IN ('OPEN', 'COMPLETED'))
             WHERE EXISTS (SELECT {_OF_CHANNEL} AND a.kind = 'FIRST_ORDER')) AS is_known
"""
"""Columns of the cart `c` in its channel `h`. Orders are looked for and counted only where a rule asks."""

RISK_PARAMETERS = (
    bindparam("client_number", type_=BigInteger()),
    bindparam("now", type_=DateTime(timezone=True)),
)
# A rule turns the cart down before anybody is asked for money: it keeps what it has, and comes back if it
# was abandoned.
_REFUSE = text(
    """
    WITH payment AS (
        INSERT INTO payments (id, cart_id, provider, method, status, currency, amount_minor, placement,
                              created_at)
        VALUES (:payment_id, :cart_id, :provider, :method, 'FAILED', :currency, :amount_minor,
                CAST(:placement AS jsonb), :now)
    ), attempt AS (
        INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, decline_code,
                                          requested_at, next_attempt_at, settled_at)
        VALUES (:transaction_id, :payment_id, 'AUTHORIZATION', 'FAILED', :amount_minor, :decline_code, :now,
                :now, :now)
    )
    UPDATE carts SET status = :status, version = version + 1, active_at = :now, abandoned_at = NULL
     WHERE id = :cart_id RETURNING version
    """
).bindparams(
    bindparam("cart_id", type_=Uuid()),
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("amount_minor", type_=BigInteger()),
)


def rules_of(row: Row[*tuple[Any, ...]]) -> tuple[ApprovalRule, ...]:
    """Return the rules in a row selected with RISK_SQL, by priority."""
    return tuple(rule_of(record) for record in row.rules or ())


def history_of(row: Row[*tuple[Any, ...]]) -> History:
    """Return what was counted in a row selected with RISK_SQL."""
    orders: dict[UUID, dict[str, int]] = {}
    for rule_id, identity, count in row.velocity or ():
        orders.setdefault(UUID(rule_id), {})[identity] = count
    return History(orders, bool(row.is_known))


async def refuse(
    connection: AsyncConnection,
    checkout: Checkout,
    payment: Payment,
    transaction_id: UUID,
    *,
    placement: dict[str, Any],
    decline_code: str,
    now: datetime,
) -> int:
    """Record that `payment` was not asked for, because rules turned the locked cart down; its version."""
    values = {
        "cart_id": checkout.cart_id,
        "status": CartStatus.ACTIVE.value,
        "payment_id": payment.id,
        "transaction_id": transaction_id,
        "provider": payment.provider,
        "method": payment.method,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
        "placement": json_text(placement),
        "decline_code": decline_code,
        "now": now,
    }
    return int((await connection.execute(_REFUSE, values)).scalar_one())


def rule_of(record: Sequence[Any]) -> ApprovalRule:
    """Return the rule of RULE_COLUMNS, from a row or from JSON."""
    rule_id, channel_id, kind, action, priority, active, amount, countries, *counted, by, score, version = (
        record
    )
    orders, minutes = counted
    return ApprovalRule(
        id=UUID(str(rule_id)),
        channel_id=UUID(str(channel_id)),
        kind=RuleKind(kind),
        action=RuleAction(action),
        priority=priority,
        active=active,
        amount_from_minor=amount,
        countries=None if countries is None else frozenset(countries),
        orders_from=orders,
        within_minutes=minutes,
        counted_by=None if by is None else frozenset(by),
        score_from=score,
        version=version,
    )
