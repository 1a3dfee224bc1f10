"""Use case of delivery quotes: carriers are asked what a cart's delivery costs, and the cart keeps it.

Carriers are asked all at once, each within its time, between a read and a short transaction: never inside
one, never while a cart is only looked at, and never while an order is placed. Who does not answer in time is
left out, and asked again the next time.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from domain.addresses import Address
from domain.calendars import NoWorkingDay
from domain.carrier_ports import CarrierRefused, CarrierUnavailable, RateQuote, RateRequest
from domain.carts import Cart, check_changeable
from domain.delivery_quotes import DeliveryService, QuotesOfProvider, fresh, offers_of
from domain.kernel.errors import CartIncomplete, NotFound, VersionConflict
from domain.kernel.money import Money
from persistence import delivery_quotes as rows
from services import carts
from services.cart_changes import Change
from services.context import Environment, ServiceContext, Transaction

MOST_PARCELS = 50
"""Carriers are not asked about more parcels than these at once: that is freight, and has rates of its own."""

_log = structlog.get_logger(__name__)
_LEFT_OUT = Counter(
    "ordertide_carrier_quotes_left_out_total",
    "Times a carrier was left out of a cart's delivery options.",
    ["provider", "reason"],
)

Services = Mapping[str, Sequence[DeliveryService]]
"""What a channel offers of each carrier's port."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A cart with what carriers have quoted; `complete` unless one of them was left out."""

    cart: Cart
    complete: bool


async def refresh(context: ServiceContext, token: str) -> Refreshed:
    """Ask the carriers whose services the cart's channel offers, unless what they have said still holds.

    Raises NotFound (cartToken), CartClosed, CartIncomplete (lines, shippingAddress), InsufficientStock, and
    VersionConflict when the cart has other goods or another address by the time of the answers.
    """
    cart = await carts.get(context, token)
    if cart is None:
        raise NotFound("no cart has this token", "cartToken")
    check_changeable(cart)
    _check_complete(cart)
    async with context.read() as connection:
        offered = await rows.SERVICES.in_use(connection, cart.channel.id)
        sender = await rows.sender(connection, cart.channel.id, cart.id) if offered else None
    environment, now = context.environment, context.now()
    wanted = _by_provider(offered, _kept(cart, now))
    if not wanted:
        return Refreshed(cart, complete=True)
    request = _request(cart, sender, now)
    if request is None:
        return Refreshed(cart, complete=False)
    answers = await _ask_all(environment, sorted(wanted), request)
    until = now + timedelta(seconds=environment.delivery_quote_seconds)
    asked = cart.consignment.fingerprint
    quotes = [
        QuotesOfProvider(
            provider, asked, until, tuple(offers_of(cart.id, wanted[provider], answer, cart.currency))
        )
        for provider, answer in answers.items()
        if answer is not None
    ]
    complete = len(quotes) == len(wanted)
    return Refreshed(await _keep(context, token, asked, quotes) if quotes else cart, complete)


async def _keep(context: ServiceContext, token: str, asked: str, quotes: Sequence[QuotesOfProvider]) -> Cart:
    """Store what was quoted, if the cart is still what was asked about."""

    async def keep(transaction: Transaction, before: Cart) -> Change:
        if before.consignment.fingerprint != asked:
            raise VersionConflict(before.version - 1, "cartToken")
        await rows.save(transaction.connection, before.id, quotes, transaction.now)
        answered = {one.provider for one in quotes}
        others = tuple(one for one in before.delivery_rules.quotes if one.provider not in answered)
        merged = tuple(sorted((*others, *quotes), key=lambda one: one.provider))
        after = replace(before, delivery_rules=replace(before.delivery_rules, quotes=merged))
        return Change(before, after, "CartDeliveryQuoted", {"offers": sum(len(one.offers) for one in quotes)})

    return await carts.change(context, token, keep)


def _check_complete(cart: Cart) -> None:
    needed = {"lines": cart.lines, "shippingAddress": cart.shipping_address}
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise CartIncomplete(missing)


def _kept(cart: Cart, now: datetime) -> set[str]:
    """Return whose quotes still hold."""
    asked = cart.consignment.fingerprint
    return {one.provider for one in cart.delivery_rules.quotes if fresh(one, asked, now)}


def _by_provider(offered: Sequence[DeliveryService], kept: set[str]) -> Services:
    found: dict[str, list[DeliveryService]] = {}
    for service in offered:
        if service.provider not in kept:
            found.setdefault(service.provider, []).append(service)
    return found


def _request(cart: Cart, sender: Address | None, now: datetime) -> RateRequest | None:
    """Return what carriers are asked; None where it cannot be: staff read in the log why."""
    parcels = cart.consignment.packing(cart.delivery_rules).parcels
    if sender is None or len(parcels) > MOST_PARCELS:
        reason = "no place that ships has an address" if sender is None else "too many parcels"
        _log.warning("carriers_not_asked", channel=cart.channel.slug, reason=reason, parcels=len(parcels))
        return None
    assert cart.shipping_address is not None, "it is checked to be there"  # noqa: S101
    return RateRequest(
        sender,
        cart.shipping_address,
        tuple(parcel.size for parcel in parcels),
        Money(cart.subtotal_minor, cart.currency),
        _ships_at(cart, now),
    )


def _ships_at(cart: Cart, now: datetime) -> datetime:
    origin = next(iter(cart.delivery_rules.origins), None)
    try:
        return now if origin is None else max(now, origin.day_begins(origin.dispatch_day(now)))
    except NoWorkingDay:
        return now


async def _ask_all(
    environment: Environment, providers: Sequence[str], request: RateRequest
) -> dict[str, Sequence[RateQuote] | None]:
    """Return what each has quoted: nothing where it does not go, None where it did not say."""
    asked = (_ask(environment, name, request) for name in providers)
    answers: dict[str, Sequence[RateQuote] | None] = {}
    for name, answer in zip(providers, await asyncio.gather(*asked, return_exceptions=True), strict=True):
        if not isinstance(answer, BaseException):
            answers[name] = answer
        elif isinstance(answer, Exception):
            # A defect in one carrier's answer, or in how we read it, is no reason to offer nothing at all.
            _log.error("carrier_failed", provider=name, exc_info=answer)
            _left_out(name, "failed")
            answers[name] = None
        else:
            raise answer
    return answers


async def _ask(environment: Environment, provider: str, request: RateRequest) -> Sequence[RateQuote] | None:
    carrier = environment.carriers.get(provider)
    if carrier is None:
        reason = "not set up"
    else:
        try:
            async with asyncio.timeout(environment.carrier_quote_seconds):
                return await carrier.rates(request)
        except TimeoutError:
            reason = "too slow"
        except CarrierUnavailable:
            reason = "unavailable"
        except CarrierRefused as refused:
            _log.info("carrier_does_not_quote", provider=provider, code=refused.code)
            return []
    _left_out(provider, reason)
    return None


def _left_out(provider: str, reason: str) -> None:
    _log.warning("carrier_left_out", provider=provider, reason=reason)
    _LEFT_OUT.labels(provider, reason).inc()
