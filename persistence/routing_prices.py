"""SQL of learning what scarce stock is worth: whose turn it is, what was sold, and the prices."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.routing_places import centroid
from domain.routing_prices import PastOrder, Prices
from domain.routing_problem import RoutingFacts
from persistence.json_text import json_text
from persistence.routing import FACTS_PARAMETERS, FACTS_SQL, facts_of, point

_CHANNEL = bindparam("channel_id", type_=Uuid())
_SINCE = bindparam("since", type_=DateTime(timezone=True))
_DUE = text(
    """
    SELECT r.channel_id FROM channel_routing r JOIN channels c ON c.id = r.channel_id
      LEFT JOIN stock_price_runs u ON u.channel_id = r.channel_id
     WHERE r.stock_prices AND r.strategy = 'cheapest' AND c.archived_at IS NULL
       AND (u.channel_id IS NULL OR u.finished_at IS NULL OR u.started_at < :since)
     ORDER BY r.channel_id
    """
).bindparams(_SINCE)
_BEGIN = text(
    """
    INSERT INTO stock_price_runs AS u (channel_id, started_at) VALUES (:channel_id, :now)
    ON CONFLICT (channel_id) DO UPDATE
       SET started_at = CASE WHEN u.finished_at IS NULL AND u.started_at > :since
                             THEN u.started_at ELSE excluded.started_at END,
           after_id = CASE WHEN u.finished_at IS NULL AND u.started_at > :since THEN u.after_id END,
           variants = CASE WHEN u.finished_at IS NULL AND u.started_at > :since THEN u.variants ELSE 0 END,
           prices = CASE WHEN u.finished_at IS NULL AND u.started_at > :since THEN u.prices ELSE 0 END,
           finished_at = NULL
    RETURNING started_at, after_id, variants, prices
    """
).bindparams(_CHANNEL, _SINCE, bindparam("now", type_=DateTime(timezone=True)))
# Only what was sold, and what there is a choice of: at two of the channel's locations at least.
_SOLD = text(
    """
    SELECT sold.variant_id, sold.units
      FROM (SELECT l.variant_id, sum(l.quantity)::int AS units
              FROM orders o JOIN order_lines l ON l.order_id = o.id
             WHERE o.channel_id = :channel_id AND o.placed_at >= :since
               AND o.status IN ('OPEN', 'COMPLETED', 'PENDING_APPROVAL')
               AND (CAST(:after_id AS uuid) IS NULL OR l.variant_id > :after_id)
             GROUP BY l.variant_id) sold
     WHERE 1 < (SELECT count(*) FROM stock_levels s
                  JOIN channel_locations c ON c.channel_id = :channel_id AND c.location_id = s.location_id
                 WHERE s.variant_id = sold.variant_id AND s.available > 0)
     ORDER BY sold.variant_id LIMIT :most
    """
).bindparams(_CHANNEL, _SINCE, bindparam("after_id", type_=Uuid()), bindparam("most", type_=Integer()))
_FACTS = text(f"SELECT {FACTS_SQL} AS facts").bindparams(*FACTS_PARAMETERS)
# The newest orders with any of the variants, whole; codes as domain/postal_places.py has them.
_PAST = text(
    """
    SELECT o.country, place.at,
           (SELECT jsonb_agg(jsonb_build_array(n.variant_id, n.units, n.grams))
              FROM (SELECT l.variant_id, sum(l.quantity) AS units, coalesce(max(v.weight_grams), 0) AS grams
                      FROM order_lines l JOIN variants v ON v.id = l.variant_id
                     WHERE l.order_id = o.id GROUP BY l.variant_id) n) AS lines
      FROM (SELECT o.id, o.shipping_address ->> 'country' AS country,
                   left(regexp_replace(upper(o.shipping_address ->> 'postal_code'), '[^A-Z0-9]', '', 'g'), 10)
                       AS code
              FROM orders o
             WHERE o.channel_id = :channel_id AND o.placed_at >= :since
               AND o.status IN ('OPEN', 'COMPLETED', 'PENDING_APPROVAL')
               AND EXISTS (SELECT FROM order_lines l
                            WHERE l.order_id = o.id AND l.variant_id = ANY (:variants))
             ORDER BY o.placed_at DESC, o.id LIMIT :most) o
      LEFT JOIN LATERAL (
           SELECT jsonb_build_array(p.latitude, p.longitude) AS at FROM postal_places p
            WHERE p.country = o.country
              AND p.prefix = ANY (SELECT left(coalesce(o.code, ''), n) FROM generate_series(0, 10) n)
            ORDER BY length(p.prefix) DESC LIMIT 1) place ON true
    """
).bindparams(_CHANNEL, _SINCE, bindparam("variants", type_=ARRAY(Uuid)), bindparam("most", type_=Integer()))
_SAVE = text(
    """
    WITH progress AS (
        UPDATE stock_price_runs SET after_id = :after_id, variants = variants + :variant_count,
               prices = prices + :price_count
         WHERE channel_id = :channel_id
    ), gone AS (
        DELETE FROM stock_prices WHERE channel_id = :channel_id AND variant_id = ANY (:variants)
           AND (variant_id, location_id) NOT IN (SELECT (one ->> 0)::uuid, (one ->> 1)::uuid
                                                   FROM jsonb_array_elements(CAST(:prices AS jsonb)) one)
    )
    INSERT INTO stock_prices (channel_id, variant_id, location_id, price_minor, learned_at)
    SELECT :channel_id, (one ->> 0)::uuid, (one ->> 1)::uuid, (one ->> 2)::float8, :now
      FROM jsonb_array_elements(CAST(:prices AS jsonb)) one
    ON CONFLICT (channel_id, variant_id, location_id) DO UPDATE
       SET price_minor = excluded.price_minor, learned_at = excluded.learned_at
    """
).bindparams(
    _CHANNEL,
    bindparam("after_id", type_=Uuid()),
    bindparam("variants", type_=ARRAY(Uuid)),
    bindparam("now", type_=DateTime(timezone=True)),
)
_FINISH = text(
    """
    WITH gone AS (
        DELETE FROM stock_prices WHERE channel_id = :channel_id AND learned_at < :started_at
    )
    UPDATE stock_price_runs SET finished_at = :now WHERE channel_id = :channel_id
    """
).bindparams(
    _CHANNEL,
    bindparam("started_at", type_=DateTime(timezone=True)),
    bindparam("now", type_=DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class PriceRun:
    """How far learning has come: variants looked at and prices found, up to the variant `after_id`."""

    started_at: datetime
    after_id: UUID | None
    variants: int
    prices: int


async def due(connection: AsyncConnection, since: datetime) -> list[UUID]:
    """Return channels that charge stock prices and have not learned them since."""
    return list((await connection.scalars(_DUE, {"since": since})).all())


async def begin(
    connection: AsyncConnection, channel_id: UUID, *, resumed_since: datetime, now: datetime
) -> PriceRun:
    """Begin to learn a channel's prices, or go on with a run that was broken off since."""
    values = {"channel_id": channel_id, "since": resumed_since, "now": now}
    row = (await connection.execute(_BEGIN, values)).one()
    return PriceRun(row.started_at, row.after_id, row.variants, row.prices)


async def sold(
    connection: AsyncConnection, channel_id: UUID, since: datetime, after_id: UUID | None, most: int
) -> dict[UUID, int]:
    """Return units sold since of the next variants that stock can be chosen of."""
    values = {"channel_id": channel_id, "since": since, "after_id": after_id, "most": most}
    return {row.variant_id: row.units for row in await connection.execute(_SOLD, values)}


async def facts(
    connection: AsyncConnection, channel_id: UUID, variants: Mapping[UUID, int], now: datetime
) -> RoutingFacts:
    """Return what decides where these variants are sent from, whatever the address."""
    values = {
        "routed_channel": channel_id,
        "routed_variants": list(variants),
        "routed_country": "",
        "routed_prefixes": [],
        "now": now,
    }
    return facts_of(await connection.scalar(_FACTS, values), "")


async def past(
    connection: AsyncConnection, channel_id: UUID, since: datetime, variants: Mapping[UUID, int], most: int
) -> list[PastOrder]:
    """Return the newest orders since with any of the variants."""
    values = {"channel_id": channel_id, "since": since, "variants": list(variants), "most": most}
    return [_past(row) for row in await connection.execute(_PAST, values)]


async def save(
    connection: AsyncConnection,
    channel_id: UUID,
    variants: Mapping[UUID, int],
    prices: Prices,
    *,
    after_id: UUID,
    now: datetime,
) -> None:
    """Write the prices of these variants in place of those they had, and that they are done with."""
    records = [[variant, location, price] for (variant, location), price in prices.items()]
    await connection.execute(
        _SAVE,
        {
            "channel_id": channel_id,
            "variants": list(variants),
            "prices": json_text(records),
            "after_id": after_id,
            "variant_count": len(variants),
            "price_count": len(records),
            "now": now,
        },
    )


async def finish(connection: AsyncConnection, channel_id: UUID, started_at: datetime, now: datetime) -> None:
    """Write that a channel's prices are learned; those it did not come to again go."""
    await connection.execute(_FINISH, {"channel_id": channel_id, "started_at": started_at, "now": now})


def _past(row: Any) -> PastOrder:
    lines = row.lines or ()
    return PastOrder(
        row.country,
        point(*row.at) if row.at else centroid(row.country),
        {UUID(variant): units for variant, units, _ in lines},
        {UUID(variant): grams for variant, _, grams in lines},
    )
