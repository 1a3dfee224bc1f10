"""How a change of a cart is carried out: saved, its stock secured, its events appended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain import carts as decide
from domain.backorders import with_fewer_held
from domain.carts import Cart, CartLine, CartStatus
from domain.kernel.errors import DomainError, InsufficientStock, InvalidInput, Several
from domain.kernel.events import Event
from domain.order_drafts import following, order_event
from domain.orders import OrderStatus
from persistence import cart_limits, order_drafts
from persistence import carts as rows
from persistence.inventory import HoldTarget, LineHold
from services import backorders
from services.context import ServiceContext, Transaction

Paths = Mapping[UUID, tuple[str, ...]]
"""The input field to blame for a line's shortage, by line id."""


@dataclass(frozen=True, slots=True)
class Change:
    """What was decided: the cart before and after, the event, and the line that is another now.

    With `repairs`, lines other than its own may stay without stock: the shopper is putting right
    a cart whose stock is gone, one line at a time.
    """

    before: Cart
    after: Cart
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    saved: CartLine | None = None
    removed: CartLine | None = None
    repairs: bool = False
    moves: bool = False
    """Whether every line is to be held anew, because it comes from elsewhere now."""


async def carry_out(context: ServiceContext, transaction: Transaction, change: Change) -> Cart:
    """Save a change, secure the cart's stock and append the events; returns the cart as it is then.

    The cart's row is locked, its version raised. Raises InsufficientStock.
    """
    cart = decide.without_stale_rate(replace(change.after, status=CartStatus.ACTIVE))
    if change.saved is not None:
        await rows.save_lines(transaction.connection, cart.id, [change.saved])
    if change.removed is not None:
        await rows.remove_line(transaction.connection, change.removed.id)
    returns = decide.comes_back(change.before.status)
    if returns or cart.delivery_rate_id != change.before.delivery_rate_id:
        await rows.settle(transaction.connection, cart)
    if returns:
        transaction.emit(event_of(cart, "CartReactivated", transaction.now))
    transaction.emit(event_of(cart, change.kind, transaction.now, change.facts))
    if cart.order_id is not None:
        await _tell_draft(transaction, cart, change)
    return await _secure_change(context, transaction, cart, change)


async def secure(
    context: ServiceContext,
    transaction: Transaction,
    cart: Cart,
    lines: Sequence[CartLine],
    *,
    removed: CartLine | None = None,
    paths: Paths | None = None,
) -> Cart:
    """Hold every unit of `lines`, and release those of `removed`; renews all holds of the cart.

    A line that the cart held for the maximum in all is kept unheld, as long as it is in stock.
    Raises InsufficientStock (several as one Several), all lines or none, and InvalidInput when the
    client's address would hold more than it may: then nothing was changed.
    """
    targets = [HoldTarget(line.id, line.variant.id, line.quantity) for line in lines]
    if removed is not None:
        targets.append(HoldTarget(removed.id, removed.variant.id, 0))
    if not targets:
        return cart
    await _check_address(context, transaction, cart, lines, paths or {})
    held = await backorders.hold(
        transaction,
        cart.id,
        cart.channel.id,
        targets,
        context.environment.holds,
        counting=False,
        collected=cart.pickup is not None,
    )
    _check_enough(held, lines, paths or {})
    cart = decide.with_holds(cart, {one.line_id: one.expires_at for one in held})
    return with_fewer_held(cart, {one.line_id: one.wanted for one in held})


def creation_events(cart: Cart, now: datetime) -> list[Event]:
    """Return the events of a new cart: that it is there, and what is in it."""
    facts = [{"lineId": line.id, "sku": line.variant.sku, "quantity": line.quantity} for line in cart.lines]
    created = event_of(cart, "CartCreated", now)
    return [created, *(event_of(cart, "CartLineAdded", now, one) for one in facts)]


def event_of(cart: Cart, kind: str, now: datetime, facts: Mapping[str, Any] | None = None) -> Event:
    """Return an event of a cart's stream; `facts` never hold personal data."""
    return Event(kind, "cart", cart.id, cart.version, now, cart.channel.id, facts or {})


async def _tell_draft(transaction: Transaction, cart: Cart, change: Change) -> None:
    """Let the draft that a cart stands behind show what the shopper has changed."""
    found = await order_drafts.find(transaction.connection, cart.order_id) if cart.order_id else None
    if found is None or found.order.status is not OrderStatus.DRAFT:
        return
    draft = following(found.order, cart)
    await order_drafts.follow(transaction.connection, draft)
    chosen = ["deliveryOptionId"] if change.kind == "CartDeliveryOptionSelected" else []
    names = change.facts.get("fields", chosen)
    transaction.emit(order_event("OrderDraftUpdated", draft, transaction.now, names))


async def _secure_change(
    context: ServiceContext, transaction: Transaction, cart: Cart, change: Change
) -> Cart:
    if not cart.holds_stock:
        return cart
    own = [] if change.saved is None else [change.saved]
    concerned = cart.lines if change.moves else cart.unsecured
    others = [line for line in concerned if change.saved is None or line.id != change.saved.id]
    paths: Paths = {line.id: ("quantity",) for line in own}
    try:
        return await secure(context, transaction, cart, [*own, *others], removed=change.removed, paths=paths)
    except (InsufficientStock, InvalidInput, Several):
        if not change.repairs or not others:
            raise
    return await secure(context, transaction, cart, own, removed=change.removed, paths=paths)


async def _check_address(
    context: ServiceContext, transaction: Transaction, cart: Cart, lines: Sequence[CartLine], paths: Paths
) -> None:
    """Raise InvalidInput when the carts of this cart's client address would hold too much together.

    Only what shoppers ask for themselves counts: an app asks for many shoppers from one address.
    """
    most = context.environment.cart_limits.held_per_address
    more = sum(line.quantity - line.held for line in lines)
    if not most or more <= 0 or not context.actor.is_shopper:
        return
    held = await cart_limits.lock_held_by_address(transaction.connection, cart.id)
    if held is not None and held + more > most:
        blamed = next((paths[line.id] for line in lines if line.id in paths), ("cartToken",))
        raise InvalidInput(f"carts from one address hold at most {most} units together", *blamed)


def _check_enough(held: Iterable[LineHold], lines: Sequence[CartLine], paths: Paths) -> None:
    short = {one.line_id: one for one in held if one.is_short}
    errors: list[DomainError] = [
        InsufficientStock(
            line.variant.sku,
            short[line.id].wanted,
            short[line.id].present,
            *paths.get(line.id, ("cartToken",)),
        )
        for line in lines
        if line.id in short
    ]
    if len(errors) > 1:
        raise Several(errors)
    if errors:
        raise errors[0]
