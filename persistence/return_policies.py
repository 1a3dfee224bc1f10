"""SQL of the rules of returns: policies, what follows from checks, and proven fraud."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.orders import Order
from domain.return_evidence import Check, Decision
from domain.return_policies import LabelPayer, ReturnPolicy, ShippingRefund
from domain.returns import Grade
from persistence.tables.base import JSON

_COLUMNS = """
    id, channel_id, tag, sku, window_days, final_sale, restocking_fee, label_payer, label_fee_minor,
    keep_below_minor, auto_refund_most_minor, shipping_refund, credit_bonus, arrive_within_days, grades,
    version, exchange_in_advance, repair
"""
_PAGE = (
    text(
        f"""
    SELECT {_COLUMNS} FROM return_policies
     WHERE (:channel_id IS NULL OR channel_id IS NULL OR channel_id = :channel_id)
       AND (:after IS NULL OR id > :after)
     ORDER BY id LIMIT :limit
    """
    )
    .bindparams(bindparam("channel_id", type_=Uuid()), bindparam("after", type_=Uuid()))
    .columns(grades=JSON)
)
_LOCK = (
    text(
        f"""
    SELECT {_COLUMNS} FROM return_policies
     WHERE channel_id IS NOT DISTINCT FROM :channel_id AND tag IS NOT DISTINCT FROM :tag
       AND sku IS NOT DISTINCT FROM :sku
       FOR NO KEY UPDATE
    """
    )
    .bindparams(
        bindparam("channel_id", type_=Uuid()), bindparam("tag", type_=Text()), bindparam("sku", type_=Text())
    )
    .columns(grades=JSON)
)
_LOCK_BY_ID = (
    text(f"SELECT {_COLUMNS} FROM return_policies WHERE id = :id FOR NO KEY UPDATE")
    .bindparams(bindparam("id", type_=Uuid()))
    .columns(grades=JSON)
)
_REMOVE = text("DELETE FROM return_policies WHERE id = :id").bindparams(bindparam("id", type_=Uuid()))
_TAG_KNOWN = text("SELECT EXISTS (SELECT FROM variants WHERE :tag = ANY (tags))")
_SET = (
    text(
        f"""
    INSERT INTO return_policies ({_COLUMNS})
    VALUES (:id, :channel_id, :tag, :sku, :window_days, :final_sale, :restocking_fee, :label_payer,
            :label_fee_minor, :keep_below_minor, :auto_refund_most_minor, :shipping_refund, :credit_bonus,
            :arrive_within_days, :grades, 1, :exchange_in_advance, :repair)
    ON CONFLICT (channel_id, tag, sku) DO UPDATE SET window_days = excluded.window_days,
           final_sale = excluded.final_sale, restocking_fee = excluded.restocking_fee,
           label_payer = excluded.label_payer, label_fee_minor = excluded.label_fee_minor,
           keep_below_minor = excluded.keep_below_minor,
           auto_refund_most_minor = excluded.auto_refund_most_minor,
           shipping_refund = excluded.shipping_refund, credit_bonus = excluded.credit_bonus,
           arrive_within_days = excluded.arrive_within_days, grades = excluded.grades,
           exchange_in_advance = excluded.exchange_in_advance, repair = excluded.repair,
           version = return_policies.version + 1
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
# All that a request is judged by: few rows each, read at once. Of who buys all the time, the latest orders.
_FACTS = (
    text(
        """
    WITH recent AS (SELECT o.id, o.currency FROM orders o WHERE lower(o.email) = :email
                     ORDER BY o.placed_at DESC LIMIT 1000)
    SELECT (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM return_policies p
             WHERE (p.channel_id IS NULL OR p.channel_id = :channel_id)
               AND (p.sku IS NULL OR p.sku = ANY (:skus))
               AND (p.tag IS NULL OR EXISTS (SELECT FROM variants t
                                              WHERE t.id = ANY (:variants) AND p.tag = ANY (t.tags)))
           ) AS policies,
           (SELECT jsonb_object_agg(code, decision) FROM return_rules) AS rules,
           (SELECT jsonb_object_agg(v.id, v.tags) FROM variants v WHERE v.id = ANY (:variants)) AS tags,
           (SELECT jsonb_agg(f.note ORDER BY f.id) FROM fraud_flags f WHERE f.email = :email) AS fraud,
           (SELECT coalesce(sum(k.refund_minor), 0) FROM returns k JOIN recent b ON b.id = k.order_id
             WHERE k.keeps_items AND b.currency = :currency AND b.id <> :order_id
               AND k.created_at > CAST(:placed_at AS timestamptz) - interval '1 year'
               AND NOT EXISTS (SELECT FROM claims c WHERE c.return_id = k.id)) AS kept,
           (SELECT jsonb_build_array(count(*), count(*) FILTER (WHERE EXISTS
                      (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.quantity_returned > 0)))
              FROM recent o
             WHERE EXISTS (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.quantity_shipped > 0)
           ) AS history,
           (SELECT jsonb_object_agg(n.order_line_id, n.units)
              FROM (SELECT k.order_line_id, sum(k.units) AS units
                      FROM order_lines l JOIN unlinked_refund_links k ON k.order_line_id = l.id
                     WHERE l.order_id = :order_id GROUP BY 1) n) AS linked
    """
    )
    .bindparams(
        bindparam("order_id", type_=Uuid()),
        bindparam("channel_id", type_=Uuid()),
        bindparam("variants", type_=ARRAY(Uuid)),
        bindparam("skus", type_=ARRAY(Text)),
        bindparam("email", type_=Text()),
        bindparam("order_id", type_=Uuid()),
        bindparam("placed_at", type_=DateTime(timezone=True)),
    )
    .columns(policies=JSON, rules=JSON, tags=JSON, fraud=JSON, history=JSON, linked=JSON)
)
# By the address, as orders are found by it; a statement of its own, since what is counted after the wait must
# be seen by a later one.
_LOCK_BUYER = text("SELECT pg_advisory_xact_lock(hashtextextended('returns and claims of ' || :email, 0))")
_RULES = text("SELECT code, decision FROM return_rules")
_SET_RULE = text(
    """
    INSERT INTO return_rules (code, decision) VALUES (:code, :decision)
    ON CONFLICT (code) DO UPDATE SET decision = excluded.decision
    """
)
_DEFAULT_RULE = text("DELETE FROM return_rules WHERE code = :code")
_FLAG_COLUMNS = "id, email, note, created_by, created_at"
_FLAG = text(
    f"INSERT INTO fraud_flags ({_FLAG_COLUMNS}) VALUES (:id, lower(:email), :note, :created_by, :created_at)"
)
_UNFLAG = text(f"DELETE FROM fraud_flags WHERE id = :id RETURNING {_FLAG_COLUMNS}").bindparams(
    bindparam("id", type_=Uuid())
)
_FLAGS = text(
    f"""
    SELECT {_FLAG_COLUMNS} FROM fraud_flags
     WHERE (:email IS NULL OR email = :email)
       AND (:after_id IS NULL OR (created_at, id) < (:after_at, :after_id))
     ORDER BY created_at DESC, id DESC LIMIT :limit
    """
).bindparams(
    bindparam("email", type_=Text()),
    bindparam("after_id", type_=Uuid()),
    bindparam("after_at", type_=DateTime(timezone=True)),
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
    linked: Mapping[UUID, int]
    """Units of each order line that were given money for without the order."""
    kept_minor: int = 0
    """Worth of what the customer was let keep of other orders since a year before this one was placed."""


@dataclass(frozen=True, slots=True)
class FraudFlag:
    """A fraud of a customer that is proven."""

    id: UUID
    email: str
    note: str
    created_by: str
    created_at: datetime


async def facts(
    connection: AsyncConnection, order: Order, variants: Sequence[UUID], skus: Sequence[str]
) -> Facts:
    """Return all that a request for a return of one order is judged by, in one statement."""
    values = {
        "channel_id": order.channel_id,
        "variants": list(variants),
        "skus": list(skus),
        "email": (order.email or "").strip().lower(),
        "currency": order.currency,
        "order_id": order.id,
        "placed_at": order.placed_at,
    }
    row = (await connection.execute(_FACTS, values)).one()
    orders, returned = row.history or (0, 0)
    return Facts(
        tuple(_policy(record) for record in row.policies or ()),
        {Check(code): Decision(decision) for code, decision in (row.rules or {}).items()},
        {UUID(variant): tags for variant, tags in (row.tags or {}).items()},
        tuple(row.fraud or ()),
        orders,
        returned,
        {UUID(line): int(units) for line, units in (row.linked or {}).items()},
        row.kept,
    )


async def lock_buyer(connection: AsyncConnection, email: str | None) -> None:
    """Let one transaction at a time judge what a buyer asks for, whatever the order it is of.

    Each then counts what the others have granted. Lock the order before; who has this lock waits for no other
    order. Without an address nothing of other orders is counted.
    """
    if email is not None:
        await connection.execute(_LOCK_BUYER, {"email": email.strip().lower()})


async def policies(
    connection: AsyncConnection, limit: int, after: UUID | None, channel_id: UUID | None
) -> list[ReturnPolicy]:
    """Return policies in the order they were made; those that hold in a channel, or all."""
    values = {"limit": limit, "after": after, "channel_id": channel_id}
    return [_policy(_record(row)) for row in await connection.execute(_PAGE, values)]


async def lock_policy(connection: AsyncConnection, scope: ReturnPolicy) -> ReturnPolicy | None:
    """Lock and return the policy that covers exactly what another does."""
    values = {"channel_id": scope.channel_id, "tag": scope.tag, "sku": scope.sku}
    row = (await connection.execute(_LOCK, values)).first()
    return None if row is None else _policy(_record(row))


async def lock_by_id(connection: AsyncConnection, policy_id: UUID) -> ReturnPolicy | None:
    """Lock and return a policy."""
    row = (await connection.execute(_LOCK_BY_ID, {"id": policy_id})).first()
    return None if row is None else _policy(_record(row))


async def remove_policy(connection: AsyncConnection, policy_id: UUID) -> None:
    """Forget a policy."""
    await connection.execute(_REMOVE, {"id": policy_id})


async def is_tag_known(connection: AsyncConnection, tag: str) -> bool:
    """Say whether any variant has a tag."""
    return bool(await connection.scalar(_TAG_KNOWN, {"tag": tag}))


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
                "repair": policy.repair,
                "grades": {grade.value: part for grade, part in policy.grades.items()},
            },
        )
    ).one()
    return _policy(_record(row))


async def rules(connection: AsyncConnection) -> dict[Check, Decision]:
    """Return what shall follow from checks, where that is not the default."""
    return {Check(row.code): Decision(row.decision) for row in await connection.execute(_RULES)}


async def set_rule(connection: AsyncConnection, check: Check, decision: Decision | None) -> None:
    """Say what shall follow from a check; None: the default."""
    if decision is None:
        await connection.execute(_DEFAULT_RULE, {"code": check.value})
    else:
        await connection.execute(_SET_RULE, {"code": check.value, "decision": decision.value})


async def flag(connection: AsyncConnection, made: FraudFlag) -> None:
    """Note a fraud that is proven."""
    await connection.execute(_FLAG, asdict(made))


async def unflag(connection: AsyncConnection, flag_id: UUID) -> FraudFlag | None:
    """Forget what was noted as a fraud; returns it, None where there is none."""
    row = (await connection.execute(_UNFLAG, {"id": flag_id})).first()
    return None if row is None else FraudFlag(**row._asdict())


async def flags(
    connection: AsyncConnection, limit: int, after: tuple[datetime, UUID] | None, email: str | None
) -> list[FraudFlag]:
    """Return proven frauds, the newest first, of one address or all."""
    after_at, after_id = after or (None, None)
    address = None if email is None else email.strip().lower()
    values = {"limit": limit, "after_at": after_at, "after_id": after_id, "email": address}
    return [FraudFlag(**row._asdict()) for row in await connection.execute(_FLAGS, values)]


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
