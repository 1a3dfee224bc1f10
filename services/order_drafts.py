"""Use cases of orders that staff make: by phone, or as an offer whose link the customer pays by.

A draft is an order and an ordinary cart behind it, so it is paid for as any cart is. The cart is locked
first, by whoever changes the draft and by whoever pays for it; the order's row follows.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from domain import order_drafts as decide
from domain import orders as order_rules
from domain.carts import Cart, CartStatus, Offer
from domain.catalog import VariantRef
from domain.channels import is_slug
from domain.checkouts import Checkout
from domain.kernel.changes import KEEP
from domain.kernel.errors import DomainError, NotFound, Several
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.order_drafts import DraftChanges
from domain.orders import Order, OrderStatus
from domain.payment_means import NO_MEANS, PaymentMeans
from persistence import carts as cart_rows
from persistence import order_drafts as rows
from persistence.idempotency import Claim, claim_for
from services import cart_changes, carts, order_placement
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.payment_attempts import Placed
from services.tokens import TokenSubject


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft, and the secret token of its cart: the link by which it can be paid."""

    order: Order
    cart_token: str


class NoDraft(Exception):
    """The order is no draft: what was asked is for others to do. The transaction is undone."""


async def create(context: ServiceContext, channel_slug: str, changes: DraftChanges, key: str) -> Draft:
    """Make a draft; the same key returns the same one, as it is then.

    Raises InvalidInput, NotFound (channel, lines.N.variant, deliveryOptionId) and, where it shall hold
    its stock, InsufficientStock.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    changes = _findable(decide.check(changes))
    if not is_slug(channel_slug):
        raise NotFound("no channel has this slug", "channel")
    claim = _claim(context, "orderDraftCreate", key, [channel_slug, changes.named])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is None:
            return await _create(context, transaction, channel_slug, changes)
    return await _found(context, UUID(stored["order"]))


async def update(
    context: ServiceContext, order_id: UUID, changes: DraftChanges, expected_version: int, key: str
) -> Draft:
    """Change what is named of a draft; where nothing is, nothing is changed.

    Raises NotFound, InvalidInput, InsufficientStock, IllegalTransition (no draft any more),
    VersionConflict, and CartClosed while somebody pays for it.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    changes = _findable(decide.check(changes))
    claim = _claim(context, "orderDraftUpdate", key, [order_id, changes.named, expected_version])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is None:
            order, cart = await _locked(transaction, order_id, "id")
            decide.check_draft(order.status, order.version, expected_version)
            if cart is None:
                raise NotFound("the order has no cart", "id")
            decide.check_idle(cart, "id")
            return await _update(context, transaction, order, cart, changes)
    return await _found(context, order_id)


async def place(
    context: ServiceContext,
    order_id: UUID,
    provider: str,
    method: str,
    expected_version: int | None,
    key: str,
    means: PaymentMeans = NO_MEANS,
) -> Placed:
    """Place a draft for a customer, as `order_placement.place` does; the same key does it once.

    Raises what that does, IllegalTransition for what is no draft, and VersionConflict.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    asked = [order_id, provider, method, expected_version, *means.to_json().items()]
    claim = _claim(context, "orderDraftPlace", key, asked)

    def check(checkout: Checkout) -> None:
        decide.check_draft(checkout.order_status, checkout.order_version, expected_version)

    found = await _find(context, order_id)
    if found.order.cart_id is None or found.cart_generation is None:
        decide.check_draft(found.order.status, found.order.version, expected_version)
        raise NotFound("the order has no cart", "id")
    subject = TokenSubject(found.order.cart_id, found.cart_generation)
    with _named_by("id"):
        return await order_placement.place_cart(context, subject, claim, provider, method, means, check)


async def cancel(
    context: ServiceContext, order_id: UUID, reason: str, expected_version: int | None, claim: Claim
) -> Order:
    """Take a draft back: what it holds is on sale again, and its cart takes nothing any more.

    For `services.orders.cancel`, which has checked who asks. Raises NoDraft when it is none (any more),
    VersionConflict, and CartClosed while somebody pays for it.
    """
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        order, cart = await _locked(transaction, order_id, "ref")
        if stored is not None:
            return order
        if order.status is not OrderStatus.DRAFT or cart is None:
            raise NoDraft
        decide.check_idle(cart, "ref")
        now = transaction.now
        ended = order_rules.change(
            order, OrderStatus.CANCELED, (), (), expected_version=expected_version, reason=reason, now=now
        )
        if ended is None:
            raise NoDraft
        closed = replace(cart, status=CartStatus.EXPIRED, version=cart.version + 1)
        await rows.cancel(transaction.connection, ended, closed, now)
        await _secure(context, transaction, cart, replace(closed, holds_stock=False), {})
        transaction.emit(
            decide.order_event("OrderCanceled", ended, now),
            cart_changes.event_of(closed, "CartExpired", now),
        )
        transaction.answer({"order": str(order_id)})
        return ended


async def _create(
    context: ServiceContext, transaction: Transaction, slug: str, changes: DraftChanges
) -> Draft:
    lines = () if changes.lines is KEEP else changes.lines
    shelf = await cart_rows.shelf(transaction.connection, slug, [line.ref for line in lines])
    if shelf is None:
        raise NotFound("no channel has this slug", "channel")
    order_id, now = new_id(), transaction.now
    empty = Cart(
        new_id(),
        shelf.channel,
        CartStatus.ACTIVE,
        1,
        1,
        now,
        now,
        rates=shelf.rates,
        delivery_rules=shelf.delivery_rules,
        order_id=order_id,
        holds_stock=False,
    )
    cart = decide.change(empty, changes, shelf.offers, context.environment.cart_limits.units)
    note = None if changes.note is KEEP else changes.note
    order = decide.drafted(cart, order_id, note, now)
    order = replace(order, number=await rows.create(transaction.connection, order, cart))
    await _secure(context, transaction, empty, cart, changes.named)
    transaction.emit(
        decide.order_event("OrderDraftCreated", order, now), *cart_changes.creation_events(cart, now)
    )
    transaction.answer({"order": str(order_id)})
    return Draft(order, carts.token_of(context, cart))


async def _update(
    context: ServiceContext, transaction: Transaction, order: Order, cart: Cart, changes: DraftChanges
) -> Draft:
    transaction.answer({"order": str(order.id)})
    names = list(changes.named)
    if not names:
        return Draft(order, carts.token_of(context, cart))
    now = transaction.now
    offers = await _offers(transaction, cart, changes)
    after = decide.change(cart, changes, offers, context.environment.cart_limits.units)
    after = replace(after, version=cart.version + 1)
    changed = decide.following(order, after)
    if changes.note is not KEEP:
        changed = replace(changed, note=changes.note)
    await rows.save(transaction.connection, changed, after, now)
    await _secure(context, transaction, cart, after, changes.named)
    transaction.emit(
        decide.order_event("OrderDraftUpdated", changed, now, names),
        cart_changes.event_of(after, "CartUpdated", now, {"fields": decide.shown(names)}),
    )
    return Draft(changed, carts.token_of(context, after))


async def _offers(transaction: Transaction, cart: Cart, changes: DraftChanges) -> Mapping[VariantRef, Offer]:
    if changes.lines is KEEP:
        return {}
    refs = [line.ref for line in changes.lines]
    shelf = await cart_rows.shelf(transaction.connection, cart.channel.slug, refs)
    return shelf.offers if shelf is not None else {}  # none is sold in a channel that is archived


async def _secure(
    context: ServiceContext,
    transaction: Transaction,
    before: Cart,
    after: Cart,
    named: Mapping[str, object],
) -> None:
    """Hold what a draft is to hold, and put back on sale what it held and is not to hold any more."""
    kept = {line.id for line in after.lines} if after.holds_stock else set()
    dropped = [replace(line, quantity=0) for line in before.lines if line.held and line.id not in kept]
    held = after.lines if after.holds_stock else ()
    paths = {
        line.id: ("lines", str(position), "quantity") if "lines" in named else ("holdStock",)
        for position, line in enumerate(held)
    }
    await cart_changes.secure(context, transaction, after, [*held, *dropped], paths=paths)


async def _locked(transaction: Transaction, order_id: UUID, path: str) -> tuple[Order, Cart | None]:
    order, cart = await rows.lock(transaction.connection, order_id)
    if order is None:
        raise NotFound("there is no such order", path)
    return order, cart


async def _find(context: ServiceContext, order_id: UUID) -> rows.Found:
    async with context.read() as connection:
        found = await rows.find(connection, order_id)
    if found is None:
        raise NotFound("there is no such order", "id")
    return found


async def _found(context: ServiceContext, order_id: UUID) -> Draft:
    found = await _find(context, order_id)
    cart_id, generation = found.order.cart_id, found.cart_generation
    if cart_id is None or generation is None:
        raise NotFound("the order has no cart", "id")
    token = context.environment.tokens.sign(carts.TOKEN_KIND, cart_id, generation)
    return Draft(found.order, token)


def _findable(changes: DraftChanges) -> DraftChanges:
    if changes.lines is KEEP:
        return changes
    return replace(changes, lines=[replace(line, ref=carts.findable(line.ref)) for line in changes.lines])


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)


@contextmanager
def _named_by(field: str) -> Iterator[None]:
    """Let errors of the cart name the field by which staff have named the draft."""
    try:
        yield
    except DomainError as error:
        for one in error.errors if isinstance(error, Several) else (error,):
            if one.path == ("cartToken",):
                one.path = (field,)
        raise
