"""SQL of what prices go by: the discounts and tax rates of a channel, packed into the rows of carts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from domain.discounts import Candidate, Discount, DiscountKind
from domain.kernel.moments import FIRST, LAST
from domain.pricing import PricingRules
from domain.tax_quotes import KeptQuote
from domain.taxes import TaxRate, TaxRounding, TaxSource

DISCOUNT_COLUMNS = """d.id, d.kind, d.name, d.code, d.basis_points, d.amount_minor, d.buy_quantity,
                   d.get_quantity, d.minimum_subtotal_minor, d.skus, d.starts_at, d.ends_at, d.usage_limit,
                   d.usage_limit_per_customer, d.combinable, d.priority, d.active, d.used, d.version"""
"""The columns of a discount `d`, packed in this order."""

_USED_BY = """CASE WHEN d.usage_limit_per_customer IS NULL THEN 0 ELSE coalesce((
                       SELECT m.used FROM discount_customers m
                        WHERE m.discount_id = d.id AND m.customer = lower({customer})), 0) END"""


def candidate_sql(customer: str) -> str:
    """Return the expression that packs a discount `d` as it is for a customer, named by e-mail address."""
    return f"json_build_array({_USED_BY.format(customer=customer)}, {DISCOUNT_COLUMNS})"


def rules_sql(
    channel: str, customer: str, *, cart: str | None, address: str | None, quote: str = "CAST(NULL AS jsonb)"
) -> str:
    """Return columns that gather what a cart is priced by; `rules_of` reads them.

    `channel` is the alias of its channel, `customer`, `cart` and `address` are expressions for the e-mail
    address, the cart's id and where it goes, `quote` for what a tax service has said of it. They cost an
    index probe each where a channel has none.
    """
    automatic = f"d.channel_id = {channel}.id AND d.code IS NULL AND d.active"
    found = (
        f"SELECT d.* FROM discounts d WHERE {automatic}"
        if cart is None
        else f"""SELECT d.* FROM discounts d WHERE {automatic}
                   UNION ALL SELECT d.* FROM cart_discount_codes k JOIN discounts d ON d.id = k.discount_id
                              WHERE k.cart_id = {cart}"""
    )
    rates = (
        "CAST(NULL AS json)"
        if address is None
        else f"""(SELECT json_agg(json_build_array(
                   t.id, t.country, t.name, CAST(t.percent * 10000 AS int), t.tax_class, t.region,
                   t.valid_from, t.valid_until, t.applies_to_shipping))
          FROM tax_rates t WHERE t.channel_id = {channel}.id AND t.country = {address} ->> 'country')"""
    )
    return f"""
       {channel}.prices_include_tax, {channel}.tax_rounding, {channel}.tax_source, {quote} AS tax_quote,
       (SELECT json_agg({candidate_sql(customer)})
          FROM ({found}) d) AS discounts,
       {rates} AS tax_rates"""


def rules_of(row: Row[*tuple[Any, ...]]) -> PricingRules:
    """Return what `rules_sql` gathered."""
    source = TaxSource(row.tax_source)
    asked = source is TaxSource.SERVICE and row.tax_quote
    return PricingRules(
        tuple(candidate_of(record) for record in row.discounts or ()),
        tuple(_tax_rate(record) for record in row.tax_rates or ()),
        row.prices_include_tax,
        TaxRounding(row.tax_rounding),
        source,
        KeptQuote.from_json(row.tax_quote) if asked else None,
    )


def candidate_of(record: list[Any]) -> Candidate:
    """Return a discount that `candidate_sql` packed."""
    used_by_customer, *columns = record
    return Candidate(discount_of(columns), used_by_customer)


def discount_of(record: list[Any]) -> Discount:
    """Return the discount of DISCOUNT_COLUMNS, packed as JSON."""
    one, kind, name, code, points, amount, buy, get, minimum, skus, starts, ends, *rest = record
    limit, per_customer, combinable, priority, active, used, version = rest
    return Discount(
        UUID(one),
        DiscountKind(kind),
        name,
        code,
        points,
        amount,
        buy,
        get,
        minimum,
        None if skus is None else frozenset(skus),
        moment_of(starts),
        moment_of(ends),
        limit,
        per_customer,
        combinable,
        priority,
        active,
        used,
        version,
    )


def moment_of(packed: str | None) -> datetime | None:
    """Return a moment that was packed as JSON, the ends of the calendar included.

    The driver writes the first and the last moment that Python knows as infinities, and a server whose
    zone is not UTC may show those near them in the year 10000, or BC.
    """
    if not packed:
        return None
    try:
        return datetime.fromisoformat(packed)
    except ValueError:
        return FIRST if packed.startswith("-") or packed.endswith("BC") else LAST


def _tax_rate(record: list[Any]) -> TaxRate:
    one, country, name, parts, tax_class, region, valid_from, valid_until, to_shipping = record
    return TaxRate(
        UUID(one),
        country,
        name,
        parts,
        tax_class,
        region,
        moment_of(valid_from),
        moment_of(valid_until),
        to_shipping,
    )
