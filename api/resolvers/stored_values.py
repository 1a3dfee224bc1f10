"""Root fields of gift cards and store credit."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import TOKEN, OwnOr, mutation, query
from api.scalars import decode_id
from api.schema.carts import Cart, CartPayload
from api.schema.stored_values import (
    GIFT_CARD,
    KEY,
    NEWEST,
    CartGiftCardApplyInput,
    CartGiftCardRemoveInput,
    CartStoreCreditApplyInput,
    CartStoreCreditRemoveInput,
    GiftCard,
    GiftCardBalance,
    GiftCardConnection,
    GiftCardCreateInput,
    GiftCardCreatePayload,
    GiftCardDisableInput,
    GiftCardPayload,
    StoreCredit,
    StoreCreditAdjustInput,
    StoreCreditIssueInput,
    StoreCreditPayload,
)
from domain import carts as domain
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import stored_values
from services.access import Permission


@strawberry.type
class StoredValuesQuery:
    """Queries of gift cards and store credit."""

    @query(TOKEN)
    async def gift_card(self, info: Info, code: str) -> GiftCardBalance | None:
        """What is left on a gift card, for whoever knows its code; null for any other code."""
        card = await stored_values.card_by_code(info.context.service, code)
        return GiftCardBalance.of(card, info.context.service.now()) if card else None

    @query(Permission.STORED_VALUE_READ)
    async def gift_cards(
        self,
        info: Info,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
        last_characters: str | None = None,
    ) -> GiftCardConnection | None:
        """Every gift card, newest first."""
        request = page_request(NEWEST, KEY, first, after)
        found = await stored_values.cards(info.context.service, last_characters, request.size, request.after)
        return GiftCardConnection.of(found, request)

    @query(Permission.STORED_VALUE_READ)
    async def store_credit(self, info: Info, email: str, currency: str) -> StoreCredit | None:
        """What a customer has with the shop in a currency; null when they never had any."""
        credit = await stored_values.credit(info.context.service, email, currency)
        return StoreCredit.of(credit) if credit else None


@strawberry.type
class StoredValuesMutation:
    """Mutations of gift cards and store credit."""

    @mutation(GiftCardCreatePayload, Permission.STORED_VALUE_WRITE)
    async def gift_card_create(
        self,
        info: Info,
        input: GiftCardCreateInput,  # noqa: A002
    ) -> GiftCardCreatePayload | None:
        """Create a gift card worth an amount; its code is in this answer and nowhere else."""
        card, code = await stored_values.create_card(
            info.context.service,
            input.amount.to_domain(),
            input.expires_at,
            input.note,
            input.idempotency_key,
        )
        return GiftCardCreatePayload(gift_card=GiftCard.of(card), code=code)

    @mutation(GiftCardPayload, Permission.STORED_VALUE_WRITE)
    async def gift_card_disable(self, info: Info, input: GiftCardDisableInput) -> GiftCardPayload | None:  # noqa: A002
        """Let nothing be paid with a gift card any more; what is left stays on it."""
        card_id = decode_id(GIFT_CARD, input.id, "id")
        card = await stored_values.disable_card(info.context.service, card_id, input.expected_version)
        return GiftCardPayload(gift_card=GiftCard.of(card))

    @mutation(StoreCreditPayload, Permission.STORED_VALUE_WRITE)
    async def store_credit_issue(
        self,
        info: Info,
        input: StoreCreditIssueInput,  # noqa: A002
    ) -> StoreCreditPayload | None:
        """Give a customer store credit, in addition to what they have in that currency."""
        credit = await stored_values.issue_credit(
            info.context.service,
            input.email,
            input.amount.to_domain(),
            input.reason,
            input.idempotency_key,
        )
        return StoreCreditPayload(store_credit=StoreCredit.of(credit))

    @mutation(StoreCreditPayload, Permission.STORED_VALUE_WRITE)
    async def store_credit_adjust(
        self,
        info: Info,
        input: StoreCreditAdjustInput,  # noqa: A002
    ) -> StoreCreditPayload | None:
        """Correct a customer's store credit; never below zero."""
        credit = await stored_values.adjust_credit(
            info.context.service,
            input.email,
            input.amount.to_domain(),
            input.reason,
            input.idempotency_key,
            input.expected_version,
        )
        return StoreCreditPayload(store_credit=StoreCredit.of(credit))

    @mutation(CartPayload, TOKEN)
    async def cart_gift_card_apply(
        self,
        info: Info,
        input: CartGiftCardApplyInput,  # noqa: A002
    ) -> CartPayload | None:
        """Let the cart be paid with a gift card; with one it has, look at its balance again."""
        cart = await stored_values.apply_card(info.context.service, input.cart_token, input.code)
        return _changed(info, cart)

    @mutation(CartPayload, TOKEN)
    async def cart_gift_card_remove(
        self,
        info: Info,
        input: CartGiftCardRemoveInput,  # noqa: A002
    ) -> CartPayload | None:
        """Let the cart not be paid with a gift card."""
        cart = await stored_values.remove_card(info.context.service, input.cart_token, input.code)
        return _changed(info, cart)

    @mutation(CartPayload, OwnOr(Permission.STORED_VALUE_SPEND))
    async def cart_store_credit_apply(
        self,
        info: Info,
        input: CartStoreCreditApplyInput,  # noqa: A002
    ) -> CartPayload | None:
        """Let the cart be paid with their own store credit, or that of whom the app vouches for."""
        limit = input.amount.to_domain() if input.amount else None
        cart = await stored_values.apply_credit(info.context.service, input.cart_token, input.email, limit)
        return _changed(info, cart)

    @mutation(CartPayload, TOKEN)
    async def cart_store_credit_remove(
        self,
        info: Info,
        input: CartStoreCreditRemoveInput,  # noqa: A002
    ) -> CartPayload | None:
        """Let the cart not be paid with store credit."""
        cart = await stored_values.remove_credit(info.context.service, input.cart_token)
        return _changed(info, cart)


def _changed(info: Info, cart: domain.Cart) -> CartPayload:
    # An earlier mutation of the same request may have looked at what the cart is paid with.
    info.context.loaders.applied_stored_values().clear_all()
    return CartPayload(cart=Cart.of(cart))
