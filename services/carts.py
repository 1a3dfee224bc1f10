"""Use cases of carts: whoever holds a cart's token may read and change it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from domain import cart_discounts
from domain import carts as decide
from domain.cart_details import Details, checked_details
from domain.carts import Cart, CartStatus
from domain.catalog import MAX_SKU_LENGTH, VariantRef
from domain.channels import check_locale, is_slug
from domain.discounts import is_code
from domain.kernel.changes import check_version
from domain.kernel.emails import check_email
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key, check_secret_key
from domain.kernel.quantities import is_storable
from persistence import cart_discounts as code_rows
from persistence import carts as rows
from persistence.carts import Touch
from persistence.idempotency import Claim, claim_for
from services import cart_changes
from services.access import ActorKind
from services.cart_changes import Change
from services.context import ServiceContext, Transaction
from services.tokens import TokenSubject

TOKEN_KIND = "cart"  # noqa: S105 - what tokens are made for, not one


@dataclass(frozen=True, slots=True)
class Wanted:
    """A variant and how many units of it."""

    ref: VariantRef
    quantity: int


async def create(
    context: ServiceContext,
    channel_slug: str,
    lines: Sequence[Wanted] = (),
    email: str | None = None,
    key: str | None = None,
    locale: str | None = None,
) -> tuple[Cart, str]:
    """Create a cart, its stock held from now on; returns it and its secret token.

    The same key returns the same cart and token again, so an anonymous one must be a UUID.
    Raises InvalidInput, NotFound (channel, lines.N.variant) and InsufficientStock.
    """
    email = None if email is None else check_email(email, "email")
    locale = None if locale is None else check_locale(locale)
    if len(lines) > decide.MAX_LINES:
        raise InvalidInput(f"a cart has at most {decide.MAX_LINES} lines", "lines")
    if not is_slug(channel_slug):
        raise _unknown_channel()
    lines = [replace(line, ref=findable(line.ref)) for line in lines]
    claim = _creation_claim(context, channel_slug, lines, [email, locale] if locale else [email], key)

    async def write(transaction: Transaction) -> Cart:
        return await _create(context, transaction, channel_slug, lines, email, locale)

    cart = await _once(context, claim, write)
    return cart, token_of(context, cart)


async def get(context: ServiceContext, token: str) -> Cart | None:
    """Return the cart that a token names, or None."""
    subject = context.environment.tokens.read(TOKEN_KIND, token)
    if subject is None:
        return None
    async with context.read() as connection:
        cart = await rows.load_by_id(connection, subject.id)
    return cart if cart is not None and cart.token_generation == subject.generation else None


async def add_line(
    context: ServiceContext, token: str, ref: VariantRef, quantity: int, key: str | None = None
) -> Cart:
    """Add units of a variant and hold them; a variant that is there already gets more units.

    Raises NotFound (cartToken, variant), InvalidInput, CartClosed and InsufficientStock.
    """
    subject = subject_of(context, token)
    ref = findable(ref)
    claim = _claim("cartLineAdd", subject, key, [ref.id, ref.sku, quantity])

    async def change(transaction: Transaction) -> Change:
        found = await rows.touch_and_find(transaction.connection, _touch(context, transaction, subject), ref)
        cart = _changeable(found[0], lines=True)
        after, line = decide.add(cart, found[1], quantity, context.environment.cart_limits.units)
        facts = {"lineId": line.id, "sku": line.variant.sku, "quantity": quantity}
        return Change(cart, after, "CartLineAdded", facts, saved=line)

    return await _apply(context, subject, claim, change)


async def update_line(
    context: ServiceContext,
    token: str,
    line_id: UUID,
    quantity: int,
    expected_version: int | None = None,
    key: str | None = None,
) -> Cart:
    """Make a line exactly `quantity` units, at today's price, all of them held.

    Raises NotFound (cartToken, lineId), InvalidInput, CartClosed, VersionConflict and
    InsufficientStock for this line; other lines that lost their stock do not stop it.
    """
    subject = subject_of(context, token)
    claim = _claim("cartLineUpdate", subject, key, [line_id, quantity, expected_version])

    async def change(transaction: Transaction) -> Change:
        touched = await rows.touch(transaction.connection, _touch(context, transaction, subject))
        cart = _changeable(touched, expected_version, lines=True)
        after, line = decide.resize(cart, line_id, quantity, context.environment.cart_limits.units)
        facts = {"lineId": line.id, "sku": line.variant.sku, "quantity": quantity}
        return Change(cart, after, "CartLineUpdated", facts, saved=line, repairs=True)

    return await _apply(context, subject, claim, change)


async def remove_line(
    context: ServiceContext,
    token: str,
    line_id: UUID,
    expected_version: int | None = None,
    key: str | None = None,
) -> Cart:
    """Remove a line and put its units back on sale.

    Raises NotFound (cartToken, lineId), CartClosed and VersionConflict, never InsufficientStock: it
    is the way out for a cart whose stock is gone.
    """
    subject = subject_of(context, token)
    claim = _claim("cartLineRemove", subject, key, [line_id, expected_version])

    async def change(transaction: Transaction) -> Change:
        touched = await rows.touch(transaction.connection, _touch(context, transaction, subject))
        cart = _changeable(touched, expected_version, lines=True)
        after, line = decide.remove(cart, line_id)
        facts = {"lineId": line.id, "sku": line.variant.sku, "quantity": line.quantity}
        return Change(cart, after, "CartLineRemoved", facts, removed=line, repairs=True)

    return await _apply(context, subject, claim, change)


async def update(context: ServiceContext, token: str, details: Details) -> Cart:
    """Set the e-mail address and the postal addresses that `details` names (None clears).

    Raises NotFound (cartToken), InvalidInput naming the field, CartClosed and InsufficientStock.
    """
    subject = subject_of(context, token)
    details = checked_details(details)

    async def change(transaction: Transaction) -> Change:
        touched = await rows.touch_with_details(
            transaction.connection, _touch(context, transaction, subject), details
        )
        cart = _changeable(touched)
        # Which fields, never their values: those are personal data.
        return Change(cart, cart, "CartUpdated", {"fields": sorted(details.names)})

    return await _apply(context, subject, None, change)


async def select_delivery_option(context: ServiceContext, token: str, option_id: UUID) -> Cart:
    """Choose how the order shall be delivered.

    Raises NotFound (cartToken, deliveryOptionId: unknown, or not for this cart), CartClosed and
    InsufficientStock.
    """
    subject = subject_of(context, token)

    async def change(transaction: Transaction) -> Change:
        touched, moves = await rows.touch_with_rate(
            transaction.connection, _touch(context, transaction, subject), option_id
        )
        cart = _changeable(touched)
        rate = decide.check_rate(cart)
        facts = {"carrier": rate.carrier, "service": rate.service, "priceMinor": rate.price_minor}
        return Change(cart, cart, "CartDeliveryOptionSelected", facts, moves=moves)

    return await _apply(context, subject, None, change)


async def apply_discount_code(context: ServiceContext, token: str, code: str, key: str | None = None) -> Cart:
    """Give the cart a discount's code; one that it has already changes nothing of its price.

    Raises NotFound (cartToken, code), DiscountNotApplicable, InvalidInput, CartClosed and
    InsufficientStock.
    """
    subject = subject_of(context, token)
    code = code.strip() if is_code(code.strip()) else ""
    claim = _claim("cartDiscountCodeApply", subject, key, code.lower())

    async def change(transaction: Transaction) -> Change:
        connection = transaction.connection
        touch = _touch(context, transaction, subject)
        touched, found = await rows.touch_and_find_code(connection, touch, code)
        cart = _changeable(touched)
        after = cart_discounts.with_code(cart, found)
        assert found is not None, "a cart is given no code that is not there"  # noqa: S101
        await code_rows.add(connection, cart.id, found.discount.id, transaction.now)
        facts = {"discountId": str(found.discount.id)}
        return Change(cart, after, "CartDiscountCodeApplied", facts)

    return await _apply(context, subject, claim, change)


async def remove_discount_code(
    context: ServiceContext, token: str, code: str, key: str | None = None
) -> Cart:
    """Take a code from the cart; raises NotFound (cartToken, code), CartClosed and InsufficientStock."""
    subject = subject_of(context, token)
    code = code.strip() if is_code(code.strip()) else ""
    claim = _claim("cartDiscountCodeRemove", subject, key, code.lower())

    async def change(transaction: Transaction) -> Change:
        touch = _touch(context, transaction, subject)
        touched, _ = await rows.touch_and_find_code(transaction.connection, touch, code)
        cart = _changeable(touched)
        after, gone = cart_discounts.without_code(cart, code)
        await code_rows.remove(transaction.connection, cart.id, gone.id)
        facts = {"discountId": str(gone.id)}
        return Change(cart, after, "CartDiscountCodeRemoved", facts, repairs=True)

    return await _apply(context, subject, claim, change)


async def change(
    context: ServiceContext, token: str, decided: Callable[[Transaction, Cart], Awaitable[Change]]
) -> Cart:
    """Carry out what another feature decides on a locked cart, its holds renewed.

    Raises NotFound (cartToken), CartClosed, InsufficientStock, and what `decided` raises.
    """
    subject = subject_of(context, token)

    async def decide_locked(transaction: Transaction) -> Change:
        touched = await rows.touch_with_details(
            transaction.connection, _touch(context, transaction, subject), Details(frozenset())
        )
        return await decided(transaction, _changeable(touched))

    return await _apply(context, subject, None, decide_locked)


async def check_token(context: ServiceContext, token: str) -> UUID:
    """Return the id of the cart that a token names now; raises NotFound."""
    subject = context.environment.tokens.read(TOKEN_KIND, token)
    if subject is not None:
        async with context.read() as connection:
            if await rows.generation(connection, subject.id) == subject.generation:
                return subject.id
    raise NotFound("no cart has this token", "token")


def token_of(context: ServiceContext, cart: Cart) -> str:
    """Return a cart's secret token: derived, never stored."""
    return context.environment.tokens.sign(TOKEN_KIND, cart.id, cart.token_generation)


def subject_of(context: ServiceContext, token: str) -> TokenSubject:
    """Return what a cart token names, its generation still to be checked; raises NotFound."""
    subject = context.environment.tokens.read(TOKEN_KIND, token)
    if subject is None:
        raise _unknown_token()
    return subject


def findable(ref: VariantRef) -> VariantRef:
    """Return the reference if a variant could have it, else one that names none."""
    possible = ref.sku is None or (len(ref.sku) <= MAX_SKU_LENGTH and is_storable(ref.sku))
    return ref if possible else VariantRef()


async def _create(
    context: ServiceContext,
    transaction: Transaction,
    slug: str,
    lines: Sequence[Wanted],
    email: str | None,
    locale: str | None,
) -> Cart:
    shelf = await rows.shelf(transaction.connection, slug, [wanted.ref for wanted in lines], email)
    if shelf is None:
        raise _unknown_channel()
    now = transaction.now
    empty = Cart(
        new_id(),
        shelf.channel,
        CartStatus.ACTIVE,
        1,
        1,
        now,
        now,
        email,
        rates=shelf.rates,
        delivery_rules=shelf.delivery_rules,
        rules=shelf.rules,
        priced_at=now,
        locale=locale,
    )
    offered = ((shelf.offers.get(wanted.ref), wanted.quantity) for wanted in lines)
    cart, origins = decide.fill(empty, offered, context.environment.cart_limits.units)
    await rows.create(transaction.connection, cart, _address_number(context))
    paths = {line_id: ("lines", str(index), "quantity") for line_id, index in origins.items()}
    cart = await cart_changes.secure(context, transaction, cart, cart.lines, paths=paths)
    transaction.emit(*cart_changes.creation_events(cart, now))
    return cart


async def _apply(
    context: ServiceContext,
    subject: TokenSubject,
    claim: Claim | None,
    decided: Callable[[Transaction], Awaitable[Change]],
) -> Cart:
    async def write(transaction: Transaction) -> Cart:
        return await cart_changes.carry_out(context, transaction, await decided(transaction))

    cart = await _once(context, claim, write)
    # A stored answer is for whoever holds the token now, not for whoever once did.
    if cart.token_generation != subject.generation:
        raise _unknown_token()
    return cart


async def _once(
    context: ServiceContext, claim: Claim | None, write: Callable[[Transaction], Awaitable[Cart]]
) -> Cart:
    """Write in one transaction, or return the cart that a request with the same key has written."""
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is None:
            cart = await write(transaction)
            transaction.answer({"cartId": str(cart.id)})
            return cart
    async with context.read() as connection:
        written = await rows.load_by_id(connection, UUID(stored["cartId"]))
    if written is None:
        raise _unknown_token()
    return written


def _address_number(context: ServiceContext) -> int | None:
    """Return what stands for the client's address: kept only for shoppers' own carts, where it is counted."""
    if not context.actor.is_shopper or not context.environment.cart_limits.held_per_address:
        return None
    return context.environment.tokens.address_number(context.address)


def _touch(context: ServiceContext, transaction: Transaction, subject: TokenSubject) -> Touch:
    return Touch(subject.id, subject.generation, context.environment.holds, transaction.now)


def _changeable(cart: Cart | None, expected_version: int | None = None, *, lines: bool = False) -> Cart:
    if cart is None:
        raise _unknown_token()
    decide.check_changeable(cart)
    if lines:
        decide.check_lines_changeable(cart)
    # The lock has raised the version by one already.
    check_version(cart.version - 1, expected_version)
    return cart


def _creation_claim(
    context: ServiceContext, slug: str, lines: Sequence[Wanted], buyer: Sequence[str | None], key: str | None
) -> Claim | None:
    if key is None:
        return None
    anonymous = context.actor.kind is ActorKind.ANONYMOUS
    key = check_secret_key(key) if anonymous else check_key(key)
    wanted = [[line.ref.id, line.ref.sku, line.quantity] for line in lines]
    return claim_for(f"cartCreate:{context.actor.label}", key, [slug, wanted, *buyer])


def _claim(operation: str, subject: TokenSubject, key: str | None, request: Any) -> Claim | None:
    return None if key is None else claim_for(f"{operation}:{subject.id}", check_key(key), request)


def _unknown_channel() -> NotFound:
    return NotFound("no channel has this slug", "channel")


def _unknown_token() -> NotFound:
    return NotFound("no cart has this token", "cartToken")
