"""Use cases of what a channel says about routing, and of looking what would happen to a cart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain import addresses
from domain import routing_settings as decide
from domain.addresses import Address
from domain.catalog import VariantRef
from domain.channels import Channel, is_slug
from domain.kernel.changes import KEEP, check_version
from domain.kernel.errors import InvalidInput, NotFound, under
from domain.kernel.ids import new_id
from domain.kernel.quantities import is_storable, require_positive
from domain.routing_decisions import Request, RoutingDecision
from domain.routing_settings import ChannelRouting, RoutingChanges, RoutingReason, SiteTerms
from persistence import carts, catalog, channels
from persistence import routing as routing_rows
from persistence import routing_settings as rows
from services import audit
from services.access import Permission, require
from services.carts import TOKEN_KIND
from services.context import ServiceContext
from services.route_deciding import decided

MAX_LINES = 500
"""Most lines of a preview."""


@dataclass(frozen=True, slots=True)
class RoutingOfChannel:
    """What a channel says about routing; `is_set` says whether it says anything."""

    channel: Channel
    routing: ChannelRouting
    sites: Mapping[UUID, SiteTerms]
    is_set: bool


async def of_channel(context: ServiceContext, slug: str) -> RoutingOfChannel:
    """Return how a channel's orders are routed; raises NotFound."""
    require(context.actor, Permission.FULFILLMENT_READ)
    async with context.read() as connection:
        channel = await channels.by_slug(connection, slug) if is_slug(slug) else None
        if channel is None:
            raise NotFound("no channel has this slug", "channel")
        routing, sites = await rows.of_channel(connection, channel.id)
    return RoutingOfChannel(channel, routing or ChannelRouting(decide.UNSET), sites, routing is not None)


async def update(
    context: ServiceContext, slug: str, changes: RoutingChanges, expected_version: int | None = None
) -> RoutingOfChannel:
    """Change how a channel's orders are routed from now on.

    One that said nothing before is routed as cheaply as can be, unless a strategy is named. Raises NotFound,
    VersionConflict, and InvalidInput naming the field.
    """
    require(context.actor, Permission.ROUTING_WRITE)
    async with context.transaction() as transaction:
        connection = transaction.connection
        known = await channels.by_slug(connection, slug) if is_slug(slug) else None
        found = None if known is None else await channels.lock(connection, known.id)
        if found is None:
            raise NotFound("no channel has this slug", "channel")
        channel = found[0]
        before, sites = await rows.of_channel(connection, channel.id)
        current = before or ChannelRouting(version=0)
        if expected_version is not None:
            check_version(current.version, expected_version)
        routing = replace(decide.change(channel, current, changes), version=current.version + 1)
        await rows.save(connection, channel.id, routing)
        if changes.sites is not KEEP:
            sites = decide.check_sites(channel, changes.sites)
            in_use = await rows.known_locations(connection, list(sites))
            for at, draft in enumerate(changes.sites):
                if draft.location_id not in in_use:
                    raise NotFound("no location in use has this id", "locations", str(at), "locationId")
            await rows.save_sites(connection, channel.id, sites)
        await audit.record(transaction, "ChannelRoutingUpdated", "channel", channel.id, before, routing)
    return RoutingOfChannel(channel, routing, sites, is_set=True)


async def preview_cart(context: ServiceContext, token: str) -> RoutingDecision:
    """Return from where a cart would be sent if it were ordered now; what it holds counts as available to it.

    For staff: shoppers learn nothing of locations. Raises NotFound and InvalidInput without an address.
    """
    require(context.actor, Permission.FULFILLMENT_READ)
    subject = context.environment.tokens.read(TOKEN_KIND, token)
    cart = None
    async with context.read() as connection:
        if subject is not None:
            cart = await carts.load_by_id(connection, subject.id)
        if cart is None or subject is None or cart.token_generation != subject.generation:
            raise NotFound("no cart has this token", "cartToken")
        if cart.shipping_address is None:
            raise InvalidInput("the cart has no shipping address yet", "cartToken")
        own = await routing_rows.held_by_cart(connection, cart.id)
    demand: dict[UUID, int] = {}
    skus: dict[UUID, str] = {}
    for line in cart.lines:
        demand[line.variant.id] = demand.get(line.variant.id, 0) + line.quantity
        skus[line.variant.id] = line.variant.sku
    request = Request(new_id(), demand, skus, cart.shipping_address.country, cart.currency, own)
    return await _decide(context, request, cart.channel.id, cart.shipping_address)


async def preview(
    context: ServiceContext, slug: str, lines: Sequence[tuple[VariantRef, int]], address: Address
) -> RoutingDecision:
    """Return from where goods would be sent to an address if they were ordered now.

    Raises NotFound and InvalidInput naming the field.
    """
    require(context.actor, Permission.FULFILLMENT_READ)
    if not 1 <= len(lines) <= MAX_LINES:
        raise InvalidInput(f"name 1 to {MAX_LINES} lines", "lines")
    address = addresses.check(address, "address")
    refs = [ref for ref, _ in lines if ref.sku is None or is_storable(ref.sku)]
    async with context.read() as connection:
        channel = await channels.by_slug(connection, slug) if is_slug(slug) else None
        found = await catalog.variants_by_ref(connection, refs)
    if channel is None:
        raise NotFound("no channel has this slug", "channel")
    demand: dict[UUID, int] = {}
    skus: dict[UUID, str] = {}
    for at, (ref, quantity) in enumerate(lines):
        with under("lines", str(at)):
            variant = found.get(ref)
            if variant is None:
                raise NotFound(f"there is no variant {str(ref)[:64]!r}", "variant")
            demand[variant.id] = demand.get(variant.id, 0) + require_positive(quantity, "quantity")
            skus[variant.id] = variant.sku
    request = Request(new_id(), demand, skus, address.country, channel.currency, {})
    return await _decide(context, request, channel.id, address)


async def _decide(
    context: ServiceContext, request: Request, channel_id: UUID, address: Address
) -> RoutingDecision:
    now = context.now()
    async with context.read() as connection:
        facts = await routing_rows.facts(connection, channel_id, request.demand, address, now)
    return (await decided(request, facts, RoutingReason.PLACED, now)).decision
