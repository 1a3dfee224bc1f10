"""SQL of product lists: a page of products with variants, prices and availability in one statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.channels import Channel
from domain.product_lists import ProductFilter, ProductOrder, words_of
from persistence.availability import UNITS_ON_SALE

# The page is cut before anything is joined to it, so its cost does not grow with the catalogue. The
# channel comes along, which saves a round trip; one row of it alone says that the page is empty. The
# limit is written out: the generic plan of a prepared statement would take a parameter for a tenth of
# the table, and read whole tables to join as many.
_PAGE = """
    WITH sold_in AS MATERIALIZED (
        SELECT id, slug, name, currency, version FROM channels
         WHERE slug = :channel AND archived_at IS NULL),
    page AS MATERIALIZED (
        SELECT p.id, p.name, p.description, p.version, p.archived_at FROM products p
         WHERE {where} ORDER BY {order} LIMIT {limit})
    SELECT ch.id AS channel_id, ch.slug, ch.name AS channel_name, ch.currency,
           ch.version AS channel_version, p.id AS product_id, p.name AS product_name, p.description,
           p.version AS product_version, p.archived_at IS NOT NULL AS product_archived,
           v.id, v.sku, v.name, v.barcode, v.weight_grams, v.length_mm, v.width_mm, v.height_mm,
           v.version, v.tax_class, x.amount_minor, coalesce(s.available, 0) AS available
      FROM sold_in ch
      LEFT JOIN page p ON true
      LEFT JOIN variants v ON v.product_id = p.id AND v.archived_at IS NULL
      LEFT JOIN prices x ON x.variant_id = v.id AND x.channel_id = ch.id
      LEFT JOIN LATERAL (
           SELECT {units} AS available FROM stock_levels l
             JOIN channel_locations c ON c.location_id = l.location_id AND c.channel_id = ch.id
            WHERE l.variant_id = v.id) s ON true
     ORDER BY {order}, v.position, v.sku
"""
_ORDERS = {
    ProductOrder.OLDEST: ("p.id", "p.id > :after_id"),
    ProductOrder.NEWEST: ("p.id DESC", "p.id < :after_id"),
    ProductOrder.NAME: ("p.name, p.id", "(p.name, p.id) > (:after_name, :after_id)"),
}
_VARIANT = "EXISTS (SELECT FROM variants v {join} WHERE v.product_id = p.id AND v.archived_at IS NULL{where})"
_PRICED = "JOIN prices x ON x.variant_id = v.id AND x.channel_id = (SELECT id FROM sold_in)"
_STOCKED = """ AND EXISTS (
    SELECT FROM stock_levels l
      JOIN channel_locations c ON c.location_id = l.location_id AND c.channel_id = (SELECT id FROM sold_in)
     WHERE l.variant_id = v.id AND l.available > 0)"""
_SEARCH = """p.id IN (
    SELECT id FROM products WHERE search @@ to_tsquery('simple', :words)
    UNION SELECT product_id FROM variants WHERE lower(sku) LIKE lower(:sku_pattern)
    UNION SELECT product_id FROM variants WHERE barcode = :search)"""


async def page(
    connection: AsyncConnection,
    channel_slug: str,
    order: ProductOrder,
    narrowed: ProductFilter,
    limit: int,
    after: tuple[Any, ...] | None,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return up to `limit` products, a row for each variant, in the order asked for.

    There are no rows when there is no such channel, and one without a product when the page is
    empty. `after` is the key of the product before the page: (id), or (name, id) when sorted by name.
    """
    values: dict[str, Any] = {"channel": channel_slug}
    used = _used(narrowed, values)
    if after is not None:
        values["after_id"] = after[-1]
        if order is ProductOrder.NAME:
            values["after_name"] = after[0]
    statement = _statement(order, used, limit, after is not None)
    return (await connection.execute(statement, values)).all()


def channel_of(row: Row[*tuple[Any, ...]]) -> Channel:
    """Return the channel that every row of a page names."""
    return Channel(row.channel_id, row.slug, row.channel_name, row.currency, row.channel_version)


def _used(narrowed: ProductFilter, values: dict[str, Any]) -> frozenset[str]:
    used = {name for name in ("in_stock", "unpriced", "archived") if getattr(narrowed, name)}
    for name in ("skus", "min_price_minor", "max_price_minor"):
        value = getattr(narrowed, name)
        if value is not None:
            used.add(name)
            values[name] = value
    if narrowed.search is not None:
        used.add("search")
        values["search"] = narrowed.search
        values["words"] = _tsquery(narrowed.search)
        values["sku_pattern"] = _beginning_with(narrowed.search)
    return frozenset(used)


@lru_cache(maxsize=512)
def _statement(order: ProductOrder, used: frozenset[str], limit: int, resumed: bool) -> TextClause:
    by, after = _ORDERS[order]
    conditions = ["p.archived_at IS NOT NULL" if "archived" in used else "p.archived_at IS NULL"]
    if resumed:
        conditions.append(after)
    if "search" in used:
        conditions.append(_SEARCH)
    if "skus" in used:
        conditions.append(_VARIANT.format(join="", where=" AND v.sku = ANY (:skus)"))
    conditions += _offered(used)
    units = UNITS_ON_SALE.format(level="l")
    return text(_PAGE.format(where=" AND ".join(conditions), order=by, limit=limit, units=units))


def _offered(used: frozenset[str]) -> list[str]:
    # One variant has to fulfil all of these together: in stock at a price within the range.
    where = _STOCKED if "in_stock" in used else ""
    if "min_price_minor" in used:
        where += " AND x.amount_minor >= :min_price_minor"
    if "max_price_minor" in used:
        where += " AND x.amount_minor <= :max_price_minor"
    priced = "x." in where or not used & {"unpriced", "archived"}
    if not where and not priced:
        return []
    return [_VARIANT.format(join=_PRICED if priced else "", where=where)]


def _tsquery(search: str) -> str:
    # Quoted, a word is taken apart exactly as the indexed text was; each may go on after its end.
    quoted = (word.replace("\\", "\\\\").replace("'", "''") for word in words_of(search))
    return " & ".join(f"'{word}':*" for word in quoted)


def _beginning_with(search: str) -> str:
    return search.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
