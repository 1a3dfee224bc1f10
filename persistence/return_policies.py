"""SQL of the rules of returns: policies, what follows from checks, and proven fraud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.return_evidence import Check, Decision
from domain.return_policies import LabelPayer, ReturnPolicy, ShippingRefund
from domain.returns import Grade
from persistence.tables.base import JSON

_COLUMNS = """
    id, channel_id, tag, sku, window_days, final_sale, restocking_fee, label_payer, label_fee_minor,
    keep_below_minor, auto_refund_most_minor, shipping_refund, credit_bonus, arrive_within_days, grades,
    version, exchange_in_advance
"""
_ALL = text(f"SELECT {_COLUMNS} FROM return_policies ORDER BY id").columns(grades=JSON)
_SET = (
    text(
        f"""
    INSERT INTO return_policies ({_COLUMNS})
    VALUES (:id, :channel_id, :tag, :sku, :window_days, :final_sale, :restocking_fee, :label_payer,
            :label_fee_minor, :keep_below_minor, :auto_refund_most_minor, :shipping_refund, :credit_bonus,
            :arrive_within_days, :grades, 1, :exchange_in_advance)
    ON CONFLICT (channel_id, tag, sku) DO UPDATE SET window_days = excluded.window_days,
           final_sale = excluded.final_sale, restocking_fee = excluded.restocking_fee,
           label_payer = excluded.label_payer, label_fee_minor = excluded.label_fee_minor,
           keep_below_minor = excluded.keep_below_minor,
           auto_refund_most_minor = excluded.auto_refund_most_minor,
           shipping_refund = excluded.shipping_refund, credit_bonus = excluded.credit_bonus,
           arrive_within_days = excluded.arrive_within_days, grades = excluded.grades,
           exchange_in_advance = excluded.exchange_in_advance, version = return_policies.version + 1
    RETURNING {_COLUMNS}
    """
    )
    .bindparams(
        bindparam("channel_id", type_=Uuid()),
        bindparam("tag", type_=Text()),
        bindparam("sku", type_=Text()),
        bindparam("grades", type_=JSON),
    )
    .columns(grades=JSON)
)
# All that a request is judged by: few rows each, read at once.
_FACTS = (
    text(
        """
    SELECT (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM return_policies p
             WHERE p.channel_id IS NULL OR p.channel_id = :channel_id) AS policies,
           (SELECT jsonb_object_agg(code, decision) FROM return_rules) AS rules,
           (SELECT jsonb_object_agg(v.id, v.tags) FROM variants v WHERE v.id = ANY (:variants)) AS tags,
           (SELECT jsonb_agg(f.note ORDER BY f.id) FROM fraud_flags f WHERE f.email = :email) AS fraud,
           (SELECT jsonb_build_array(count(*), count(*) FILTER (WHERE EXISTS
                      (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.quantity_returned > 0)))
              FROM orders o
             WHERE lower(o.email) = :email AND EXISTS
                   (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.quantity_shipped > 0)) AS history
    """
    )
    .bindparams(
        bindparam("channel_id", type_=Uuid()),
        bindparam("variants", type_=ARRAY(Uuid)),
        bindparam("email", type_=Text()),
    )
    .columns(policies=JSON, rules=JSON, tags=JSON, fraud=JSON, history=JSON)
)
_RULES = text("SELECT code, decision FROM return_rules")
_SET_RULE = text(
    """
    INSERT INTO return_rules (code, decision) VALUES (:code, :decision)
    ON CONFLICT (code) DO UPDATE SET decision = excluded.decision
    """
)
_FLAG = text(
    "INSERT INTO fraud_flags (id, email, note, created_by, created_at)"
    " VALUES (:id, lower(:email), :note, :created_by, :now)"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """The rules that may matter for an order, its variants' tags, and what is known of its customer."""

    policies: tuple[ReturnPolicy, ...]
    actions: Mapping[Check, Decision]
    tags: Mapping[UUID, Sequence[str]]
    fraud_notes: tuple[str, ...]
    orders: int
    returned: int


async def facts(
    connection: AsyncConnection, channel_id: UUID, variants: Sequence[UUID], email: str | None
) -> Facts:
    """Return all that a request for a return of one order is judged by, in one statement."""
    values = {"channel_id": channel_id, "variants": list(variants), "email": (email or "").strip().lower()}
    row = (await connection.execute(_FACTS, values)).one()
    orders, returned = row.history or (0, 0)
    return Facts(
        tuple(_policy(record) for record in row.policies or ()),
        {Check(code): Decision(decision) for code, decision in (row.rules or {}).items()},
        {UUID(variant): tags for variant, tags in (row.tags or {}).items()},
        tuple(row.fraud or ()),
        orders,
        returned,
    )


async def policies(connection: AsyncConnection) -> list[ReturnPolicy]:
    """Return all policies."""
    return [_policy(_record(row)) for row in await connection.execute(_ALL)]


async def set_policy(connection: AsyncConnection, policy_id: UUID, policy: ReturnPolicy) -> ReturnPolicy:
    """Write the policy of what it covers, in place of the one there was; returns it as it is stored."""
    row = (
        await connection.execute(
            _SET,
            {
                "id": policy_id,
                "channel_id": policy.channel_id,
                "tag": policy.tag,
                "sku": policy.sku,
                "window_days": policy.window_days,
                "final_sale": policy.final_sale,
                "restocking_fee": policy.restocking_fee,
                "label_payer": policy.label_payer.value,
                "label_fee_minor": policy.label_fee_minor,
                "keep_below_minor": policy.keep_below_minor,
                "auto_refund_most_minor": policy.auto_refund_most_minor,
                "shipping_refund": policy.shipping_refund.value,
                "credit_bonus": policy.credit_bonus,
                "arrive_within_days": policy.arrive_within_days,
                "exchange_in_advance": policy.exchange_in_advance,
                "grades": {grade.value: part for grade, part in policy.grades.items()},
            },
        )
    ).one()
    return _policy(_record(row))


async def rules(connection: AsyncConnection) -> dict[Check, Decision]:
    """Return what shall follow from checks, where that is not the default."""
    return {Check(row.code): Decision(row.decision) for row in await connection.execute(_RULES)}


async def set_rule(connection: AsyncConnection, check: Check, decision: Decision) -> None:
    """Say what shall follow from a check."""
    await connection.execute(_SET_RULE, {"code": check.value, "decision": decision.value})


async def flag(
    connection: AsyncConnection, flag_id: UUID, email: str, note: str, created_by: str, now: datetime
) -> None:
    """Note a fraud that is proven."""
    values = {"id": flag_id, "email": email, "note": note, "created_by": created_by, "now": now}
    await connection.execute(_FLAG, values)


def _record(row: Row[*tuple[Any, ...]]) -> Mapping[str, Any]:
    return row._asdict()


def _policy(record: Mapping[str, Any]) -> ReturnPolicy:
    values = dict(record)
    for name in ("id", "channel_id"):
        if isinstance(values[name], str):
            values[name] = UUID(values[name])
    values["label_payer"] = LabelPayer(values["label_payer"])
    values["shipping_refund"] = ShippingRefund(values["shipping_refund"])
    values["grades"] = {Grade(grade): part for grade, part in values["grades"].items()}
    return ReturnPolicy(**values)
