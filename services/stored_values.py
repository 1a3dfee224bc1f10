"""Use cases of gift cards and store credit: issuing them, looking at them, and letting carts use them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain import stored_values as decide
from domain.carts import Cart
from domain.kernel.changes import check_version
from domain.kernel.emails import check_email
from domain.kernel.errors import InsufficientBalance, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.moments import in_utc
from domain.kernel.money import Amount, exponent_of
from domain.kernel.quantities import is_storable, require_storable, require_text
from domain.stored_values import StoredValue, StoredValueKind
from persistence import customers
from persistence import stored_value_tenders as tender_rows
from persistence import stored_values as rows
from persistence.idempotency import Claim, claim_for
from services import audit, carts, ledger
from services.access import Permission, require
from services.cart_changes import Change
from services.context import ServiceContext, Transaction

_MOST_DISCREPANCIES = 100


@dataclass(frozen=True, slots=True)
class BalanceCheck:
    """How many balances and movements there are, and each balance that its movements do not sum to.

    That is its id, itself and their sum, in minor units.
    """

    balances: int
    movements: int
    discrepancies: list[tuple[UUID, int, int]]


async def check(context: ServiceContext) -> BalanceCheck:
    """Compare every balance with its movements; for whoever runs the machine."""
    require(context.actor, Permission.STORED_VALUE_READ)
    async with context.read() as connection:
        discrepancies = await rows.unexplained(connection, most=_MOST_DISCREPANCIES)
        balances, movements = await rows.count(connection)
    return BalanceCheck(balances, movements, discrepancies)


async def create_card(
    context: ServiceContext, amount: Amount, expires_at: datetime | None, note: str | None, key: str
) -> tuple[StoredValue, str | None]:
    """Create a gift card; returns it and its code, which is shown this once and stored only as a hash.

    The same key returns the card again, without its code. Raises InvalidInput naming the field.
    """
    require(context.actor, Permission.STORED_VALUE_WRITE)
    money = decide.check_amount(amount)
    expires_at = None if expires_at is None else in_utc(expires_at, "expiresAt")
    note = None if note is None else require_text(note, decide.MAX_NOTE_LENGTH, "note")
    claim = _claim(context, "giftCardCreate", key, [money.amount_minor, money.currency, expires_at, note])
    code = "".join(secrets.choice(decide.CODE_ALPHABET) for _ in range(decide.CODE_LENGTH))
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return await _known(transaction, UUID(stored["storedValue"])), None
        card = StoredValue(
            new_id(),
            StoredValueKind.GIFT_CARD,
            money.currency,
            money.amount_minor,
            1,
            transaction.now,
            last_characters=code[-4:],
            expires_at=decide.check_expiry(expires_at, transaction.now),
            note=note,
        )
        card = await rows.create_card(
            transaction.connection, card, _code_hash(context, code), actor=transaction.actor
        )
        await audit.record(transaction, "GiftCardCreated", "stored_value", card.id, after=card)
        _emit(transaction, "GiftCardCreated", card, card.balance_minor)
        transaction.post(ledger.value_issued(card, card.id, card.balance_minor))
        transaction.answer({"storedValue": str(card.id)})
    return card, decide.printed_code(code)


async def disable_card(
    context: ServiceContext, card_id: UUID, expected_version: int | None = None
) -> StoredValue:
    """Let nothing be paid with a gift card any more; what is left stays on it.

    Disabling a disabled one changes nothing. Raises NotFound and VersionConflict.
    """
    require(context.actor, Permission.STORED_VALUE_WRITE)
    async with context.transaction() as transaction:
        card = await rows.lock(transaction.connection, card_id)
        if card is None or card.kind is not StoredValueKind.GIFT_CARD:
            raise NotFound("no gift card has this id", "id")
        if card.disabled_at is not None:
            return card
        check_version(card.version, expected_version)
        disabled = replace(card, disabled_at=transaction.now, version=card.version + 1)
        await rows.disable(transaction.connection, card.id, transaction.now)
        await audit.record(transaction, "GiftCardDisabled", "stored_value", card.id, card, disabled)
        _emit(transaction, "GiftCardDisabled", disabled, 0)
    return disabled


async def issue_credit(
    context: ServiceContext, email: str, amount: Amount, reason: str, key: str
) -> StoredValue:
    """Give a customer store credit, in addition to what they have in that currency.

    Raises InvalidInput naming the field.
    """
    require(context.actor, Permission.STORED_VALUE_WRITE)
    email, money = check_email(email, "email"), decide.check_amount(amount)
    reason = require_text(reason, decide.MAX_NOTE_LENGTH, "reason")
    claim = _claim(
        context, "storeCreditIssue", key, [email.lower(), money.amount_minor, money.currency, reason]
    )
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return await _known(transaction, UUID(stored["storedValue"]))
        credit = decide.check_ceiling(
            await rows.issue_credit(
                transaction.connection,
                new_id(),
                email,
                money.currency,
                money.amount_minor,
                reason,
                actor=transaction.actor,
                now=transaction.now,
            )
        )
        before = replace(
            credit, balance_minor=credit.balance_minor - money.amount_minor, version=credit.version - 1
        )
        await _record(transaction, "StoreCreditIssued", before, credit)
        # What is added to the same credit again is an issue of its own.
        transaction.post(ledger.value_issued(credit, new_id(), money.amount_minor))
    return credit


async def adjust_credit(
    context: ServiceContext,
    email: str,
    amount: Amount,
    reason: str,
    key: str,
    expected_version: int | None = None,
) -> StoredValue:
    """Correct a customer's store credit by an amount above or below zero; what is left is never below it.

    Raises NotFound (email), InsufficientBalance (amount), VersionConflict, and InvalidInput naming the
    field.
    """
    require(context.actor, Permission.STORED_VALUE_WRITE)
    email, money = check_email(email, "email"), decide.check_difference(amount)
    reason = require_text(reason, decide.MAX_NOTE_LENGTH, "reason")
    request = [email.lower(), money.amount_minor, money.currency, reason, expected_version]
    claim = _claim(context, "storeCreditAdjust", key, request)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return await _known(transaction, UUID(stored["storedValue"]))
        credit = await rows.lock_by_email(transaction.connection, email, money.currency)
        if credit is None:
            raise NotFound(f"they have no store credit in {money.currency}", "email")
        check_version(credit.version, expected_version)
        if credit.balance_minor + money.amount_minor < 0:
            raise InsufficientBalance(None, credit.balance_minor, credit.currency, "amount")
        adjusted = decide.check_ceiling(
            await rows.adjust(
                transaction.connection,
                credit.id,
                money.amount_minor,
                reason,
                actor=transaction.actor,
                now=transaction.now,
            )
        )
        await _record(transaction, "StoreCreditAdjusted", credit, adjusted)
        transaction.post(ledger.value_adjusted(adjusted, new_id(), money.amount_minor))
    return adjusted


async def cards(
    context: ServiceContext,
    last_characters: str | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[StoredValue]:
    """Return gift cards from the newest on, one more than the page has if there are more."""
    require(context.actor, Permission.STORED_VALUE_READ)
    if last_characters is not None:
        last_characters = require_storable(
            decide.canonical_code(last_characters), decide.CODE_LENGTH, "lastCharacters"
        )
    async with context.read() as connection:
        return await rows.page(connection, last_characters, size + 1, after)


async def credit(context: ServiceContext, email: str, currency: str) -> StoredValue | None:
    """Return a customer's store credit in a currency, for staff; None where they have none."""
    require(context.actor, Permission.STORED_VALUE_READ)
    exponent_of(currency)
    if not is_storable(email):
        return None
    async with context.read() as connection:
        return await rows.by_email(connection, email.strip(), currency)


async def card_by_code(context: ServiceContext, code: str) -> StoredValue | None:
    """Return the gift card with this code, for whoever knows it; None for any other.

    Whatever is sent is hashed and looked up alike: how long that takes tells nothing about codes.
    """
    async with context.read() as connection:
        return await rows.by_code(connection, _code_hash(context, code))


async def apply_card(context: ServiceContext, cart_token: str, code: str) -> Cart:
    """Let a cart be paid with a gift card; again, its balance is looked at again.

    Raises NotFound (cartToken, code), CartClosed, GiftCardUnusable, InsufficientBalance for a card that is
    used up, and InvalidInput for one card too many.
    """

    async def decided(transaction: Transaction, cart: Cart) -> Change:
        card = decide.check_gift_card(
            await rows.by_code(transaction.connection, _code_hash(context, code)),
            cart.currency,
            transaction.now,
        )
        decide.check_room(await _applied(transaction, cart), card)
        await _apply(transaction, cart, card, None)
        return Change(cart, cart, "CartGiftCardApplied", {"giftCardId": card.id})

    return await carts.change(context, cart_token, decided)


async def remove_card(context: ServiceContext, cart_token: str, code: str) -> Cart:
    """Let a cart not be paid with a gift card; `code` may be its last four characters only.

    Raises NotFound (cartToken, code) and CartClosed.
    """

    async def decided(transaction: Transaction, cart: Cart) -> Change:
        card = decide.named_by(await _applied(transaction, cart), code)
        if card is None:  # more than an ending was given
            card = await rows.by_code(transaction.connection, _code_hash(context, code))
        if card is None or not await tender_rows.remove(
            transaction.connection, cart.id, StoredValueKind.GIFT_CARD, card.id
        ):
            raise NotFound("the cart has no gift card with this code", "code")
        return Change(cart, cart, "CartGiftCardRemoved", {"giftCardId": card.id})

    return await carts.change(context, cart_token, decided)


async def apply_credit(context: ServiceContext, cart_token: str, email: str, limit: Amount | None) -> Cart:
    """Let a cart be paid with the store credit of a customer for whom the asking app vouches, or who asks.

    Raises NotFound (cartToken; email where they have none in the cart's currency), CartClosed,
    InsufficientBalance for a limit above what they have, and InvalidInput naming the field.
    """
    customer_id = context.actor.customer_id
    if customer_id is None:
        require(context.actor, Permission.STORED_VALUE_SPEND)
    email = check_email(email, "email")

    async def decided(transaction: Transaction, cart: Cart) -> Change:
        connection, value = transaction.connection, None
        if customer_id is None or await customers.has_address(connection, customer_id, email):
            value = await rows.by_email(connection, email, cart.currency)
        limit_minor = decide.check_credit(value, cart.currency, limit)
        if value is None:
            raise NotFound("they have no store credit", "email")
        # Of one customer at a time.
        await tender_rows.remove(transaction.connection, cart.id, StoredValueKind.STORE_CREDIT, None)
        await _apply(transaction, cart, value, limit_minor)
        return Change(cart, cart, "CartStoreCreditApplied", {"storeCreditId": value.id})

    return await carts.change(context, cart_token, decided)


async def remove_credit(context: ServiceContext, cart_token: str) -> Cart:
    """Let a cart not be paid with store credit; raises NotFound (cartToken) and CartClosed."""

    async def decided(transaction: Transaction, cart: Cart) -> Change:
        await tender_rows.remove(transaction.connection, cart.id, StoredValueKind.STORE_CREDIT, None)
        return Change(cart, cart, "CartStoreCreditRemoved")

    return await carts.change(context, cart_token, decided)


async def _applied(transaction: Transaction, cart: Cart) -> Sequence[decide.Applied]:
    return (await tender_rows.applied_to(transaction.connection, [cart.id])).get(cart.id, ())


async def _apply(transaction: Transaction, cart: Cart, value: StoredValue, limit_minor: int | None) -> None:
    await tender_rows.apply(
        transaction.connection,
        cart.id,
        value.id,
        seen_minor=value.balance_minor,
        limit_minor=limit_minor,
        now=transaction.now,
    )


async def _known(transaction: Transaction, stored_value_id: UUID) -> StoredValue:
    return (await rows.by_ids(transaction.connection, [stored_value_id]))[stored_value_id]


async def _record(transaction: Transaction, kind: str, before: StoredValue, after: StoredValue) -> None:
    await audit.record(transaction, kind, "stored_value", after.id, before, after)
    _emit(transaction, kind, after, after.balance_minor - before.balance_minor)
    transaction.answer({"storedValue": str(after.id)})


def _emit(transaction: Transaction, kind: str, value: StoredValue, amount_minor: int) -> None:
    facts = {
        "kind": value.kind.value,
        "amountMinor": amount_minor,
        "balanceMinor": value.balance_minor,
        "currency": value.currency,
    }
    transaction.emit(Event(kind, "stored_value", value.id, value.version, transaction.now, None, facts))


def _code_hash(context: ServiceContext, code: str) -> bytes:
    return context.environment.tokens.code_hash(decide.canonical_code(code))


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)
