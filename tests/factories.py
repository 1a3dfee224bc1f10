"""Real rows for tests, made the way the product makes them; every name is new, so nothing collides.

shop = await make_shop(database, stock=10)          # channel, location and variant in one go
context = make_context(database)                    # a service context (everything allowed)
result = await execute(database, QUERY, {...})      # GraphQL as somebody
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from strawberry.types import ExecutionResult

from api.context import RequestContext
from api.root import build_schema
from domain.addresses import Address
from domain.catalog import Box, PriceDraft, Product, ProductDraft, Variant, VariantDraft
from domain.channels import Channel
from domain.discounts import Discount, DiscountKind
from domain.inventory import HoldPolicy
from domain.kernel.money import Amount
from domain.locations import Location
from domain.taxes import TaxRate
from persistence.database import Database
from services import apps, catalog, channels, discounts, locations, taxes
from services.access import SYSTEM, Actor, ActorKind, Permission
from services.context import Environment, ServiceContext
from services.discounts import DiscountChanges
from services.taxes import RateDraft
from services.tokens import TokenSigner

SECRET_KEY = "tests-only-secret-key-of-32-characters"
SCHEMA = build_schema()
_NUMBERS = itertools.count(1)
_MOVE = text(
    """
    SELECT * FROM stock_move(CAST(ARRAY[:variant] AS uuid[]), CAST(ARRAY[:location] AS uuid[]),
        ARRAY['adjustment'], ARRAY['available'], CAST(ARRAY[:units] AS int[]), ARRAY['RECEIVED'],
        'adjustment', NULL, 'test', now())
    """
)


def unique(prefix: str) -> str:
    """Return a name that no other test of this run has, in any process."""
    return f"{prefix}-{os.getpid()}-{next(_NUMBERS)}"


def make_environment(database: Database, **changes: Any) -> Environment:
    """Return what a process offers to its use cases; `changes` replace its fields."""
    made = Environment(database, TokenSigner(SECRET_KEY), HoldPolicy(900, 7200))
    return replace(made, **changes)


def make_context(
    database: Database, actor: Actor = SYSTEM, *, address: str | None = None, **changes: Any
) -> ServiceContext:
    """Return the service context of a request from `address`; `changes` replace fields of its environment."""
    return ServiceContext(make_environment(database, **changes), actor, unique("request"), address)


def make_app(*permissions: Permission) -> Actor:
    """Return an app that has exactly these permissions."""
    return Actor(ActorKind.APP, UUID(int=next(_NUMBERS)), frozenset(permissions))


async def bearer(database: Database, *permissions: Permission) -> str:
    """Make an app with these permissions, and return the credentials that it shows."""
    return f"Bearer {await apps.create(make_context(database), 'staff', [one.value for one in permissions])}"


async def execute(
    database: Database,
    document: str,
    variables: Mapping[str, Any] | None = None,
    actor: Actor = SYSTEM,
    **changes: Any,
) -> ExecutionResult:
    """Execute a GraphQL operation against the real database, with a fresh request context."""
    context = RequestContext.of(make_context(database, actor, **changes))
    return await SCHEMA.execute(document, dict(variables or {}), context_value=context)


async def data_of(
    database: Database,
    document: str,
    variables: Mapping[str, Any] | None = None,
    actor: Actor = SYSTEM,
    **changes: Any,
) -> dict[str, Any]:
    """Execute a GraphQL operation that must not fail; returns its data."""
    result = await execute(database, document, variables, actor, **changes)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


async def make_channel(
    database: Database,
    slug: str | None = None,
    currency: str = "USD",
    location_codes: Sequence[str] | None = None,
) -> Channel:
    """Create a channel; without `location_codes` every location serves it, later ones too."""
    slug = slug or unique("channel")
    return await channels.create(make_context(database), slug, f"Shop {slug}", currency, location_codes)


async def make_location(
    database: Database, code: str | None = None, address: Address | None = None
) -> Location:
    """Create a location."""
    code = code or unique("LOC")
    return await locations.create(make_context(database), code, f"Warehouse {code}", address)


def variant_draft(
    sku: str | None = None, prices: Mapping[str, tuple[str, str]] | None = None, **changes: Any
) -> VariantDraft:
    """Return a variant to create; `prices` is {channel slug: (amount, currency)}."""
    listed = [
        PriceDraft(slug, Amount(Decimal(amount), currency))
        for slug, (amount, currency) in (prices or {}).items()
    ]
    return VariantDraft(sku=sku or unique("SKU"), prices=listed, **changes)


async def make_product(
    database: Database,
    *variants: VariantDraft,
    name: str | None = None,
    description: str | None = None,
) -> tuple[Product, list[Variant]]:
    """Create a product with these variants (none given: one without a price)."""
    draft = ProductDraft(name or unique("Product"), description, variants or [variant_draft()])
    return await catalog.create_product(make_context(database), draft)


async def make_variant(
    database: Database,
    *priced_in: Channel,
    sku: str | None = None,
    price: str = "10",
    weight_grams: int | None = None,
    box: Box | None = None,
    name: str | None = None,
) -> Variant:
    """Create a product of one variant that costs `price` in each of the channels' own currency."""
    prices = {channel.slug: (price, channel.currency) for channel in priced_in}
    draft = variant_draft(sku, prices, weight_grams=weight_grams, box=box)
    return (await make_product(database, draft, name=name))[1][0]


async def make_discount(
    database: Database,
    channel: Channel,
    kind: DiscountKind = DiscountKind.PERCENTAGE,
    code: str | None = None,
    **changes: Any,
) -> Discount:
    """Create a discount of a channel, 10 % unless said; `changes` are fields of DiscountChanges."""
    if kind is DiscountKind.PERCENTAGE:
        changes = {"percent": Decimal(10), **changes}
    given = DiscountChanges(**{"name": f"Discount {code or 'of the shop'}", **changes})
    return (await discounts.create(make_context(database), channel.slug, kind, code, given))[1]


async def make_tax_rate(
    database: Database, channel: Channel, percent: str = "20", country: str = "GB", **changes: Any
) -> TaxRate:
    """Create a tax rate of a channel, VAT unless said; `changes` are fields of RateDraft."""
    draft = RateDraft(channel.slug, country, percent=Decimal(percent), **{"name": "VAT", **changes})
    return (await taxes.set_rate(make_context(database), draft))[1]


async def give_stock(database: Database, variant: Variant, location: Location, units: int) -> None:
    """Receive units of a variant at a location: level, ledger and event, as in production."""
    async with database.transaction() as connection:
        values = {"variant": variant.id, "location": location.id, "units": units}
        short = (await connection.execute(_MOVE, values)).all()
    assert not short


@dataclass(frozen=True, slots=True)
class Shop:
    """The least a sale needs."""

    channel: Channel
    location: Location
    variant: Variant


async def make_shop(
    database: Database, stock: int = 0, price: str = "10", currency: str = "USD", sku: str | None = None
) -> Shop:
    """Create a channel served by one location of its own, and a variant with stock there."""
    location = await make_location(database)
    channel = await make_channel(database, currency=currency, location_codes=[location.code])
    variant = await make_variant(database, channel, price=price, sku=sku)
    if stock:
        await give_stock(database, variant, location, stock)
    return Shop(channel, location, variant)
