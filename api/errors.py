"""From domain errors to what clients read: typed user errors, or GraphQL errors with a code."""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum

import strawberry

from domain import discounts
from domain.kernel import errors as domain
from domain.kernel.money import Money
from domain.kernel.scan_errors import ScanRefused

DiscountRefusal = strawberry.enum(
    discounts.DiscountRefusal,
    description="Why a discount does not apply. NOT_COMBINABLE: others that do not go together with it take "
    "more off.",
)


@strawberry.enum(description="Why nothing can be paid with a gift card: CURRENCY is not the cart's.")
class GiftCardRefusal(Enum):
    """Why a gift card is of no use to a cart."""

    DISABLED = "DISABLED"
    EXPIRED = "EXPIRED"
    CURRENCY = "CURRENCY"


@strawberry.enum(description="What went wrong, for programs; enums only grow.")
class UserErrorCode(Enum):
    """Codes of user errors."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    INSUFFICIENT_STOCK = "INSUFFICIENT_STOCK"
    CART_CLOSED = "CART_CLOSED"
    CART_INCOMPLETE = "CART_INCOMPLETE"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"
    VARIANT_UNAVAILABLE = "VARIANT_UNAVAILABLE"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    GIFT_CARD_UNUSABLE = "GIFT_CARD_UNUSABLE"
    AMOUNT_TOO_LARGE = "AMOUNT_TOO_LARGE"
    DISCOUNT_NOT_APPLICABLE = "DISCOUNT_NOT_APPLICABLE"
    TAX_UNAVAILABLE = "TAX_UNAVAILABLE"
    LABEL_REFUSED = "LABEL_REFUSED"
    SCAN_REFUSED = "SCAN_REFUSED"
    PICKUP_CODE_REFUSED = "PICKUP_CODE_REFUSED"
    SAME_ACTOR = "SAME_ACTOR"
    NOT_RETURNABLE = "NOT_RETURNABLE"
    SIGN_IN_REFUSED = "SIGN_IN_REFUSED"
    RATE_LIMITED = "RATE_LIMITED"


@strawberry.interface(
    description="Why a mutation did not do what was asked. Concrete types add facts a client can act on."
)
class UserError:
    """What every user error tells; `path` names the input field it is about."""

    code: UserErrorCode
    message: str
    path: list[str] | None


@strawberry.type(description="For codes that need no facts of their own.")
class GeneralError(UserError):
    """A code and a message."""


@strawberry.type
class InvalidInputError(UserError):
    """A field's value is not acceptable."""


@strawberry.type
class NotFoundError(UserError):
    """What was named does not exist, or is not yours."""


@strawberry.type
class IllegalTransitionError(UserError):
    """The status does not allow the change."""

    current: str
    allowed: list[str]


@strawberry.type
class VersionConflictError(UserError):
    """It changed since it was read."""

    current_version: int


@strawberry.type
class InsufficientStockError(UserError):
    """Fewer units can be had than were asked for."""

    sku: str
    requested: int
    available: int


@strawberry.type
class CartIncompleteError(UserError):
    """The cart lacks what an order needs."""

    missing: list[str]


@strawberry.type
class PaymentDeclinedError(UserError):
    """The provider said no."""

    decline_code: str


@strawberry.type
class VariantUnavailableError(UserError):
    """The cart's channel no longer sells what a line has: remove the line."""

    sku: str


@strawberry.type
class InsufficientBalanceError(UserError):
    """A gift card, or the store credit (lastCharacters null), has only this balance left."""

    last_characters: str | None
    balance: Decimal
    currency: str


@strawberry.type
class GiftCardUnusableError(UserError):
    """Nothing can be paid with the gift card here."""

    # Nullable as in the error above, so that one query may ask both for it.
    last_characters: str | None
    refusal: GiftCardRefusal


@strawberry.type(description="More was asked for than is left; left has the currency's number of decimals.")
class AmountTooLargeError(UserError):
    """More money was asked for than is left to be captured, refunded or paid."""

    left: Decimal
    currency: str


@strawberry.type
class DiscountNotApplicableError(UserError):
    """A discount does not apply to the cart, or not any more."""

    discount_code: str | None = strawberry.field(description="Null: it is one that applies by itself.")
    reason: DiscountRefusal  # type: ignore[valid-type]


@strawberry.type(
    description="The carrier does not sell the label; refusalCode is its own word, for programs."
)
class LabelRefusedError(UserError):
    """A label was refused: correct the parcel and ask again, or type a tracking number."""

    refusal_code: str


@strawberry.enum(description="Why a scan is refused.")
class ScanRefusal(Enum):
    """What does not fit."""

    WRONG_ITEM = "WRONG_ITEM"
    SURPLUS = "SURPLUS"
    WRONG_BIN = "WRONG_BIN"


@strawberry.type
class ExpectedScan:
    """What may be scanned instead: units of a SKU, and the bin where that is known."""

    sku: str
    quantity: int
    bin_code: str | None


@strawberry.type
class ScanRefusedError(UserError):
    """What was scanned is not to be picked here, or not so many, or not from that bin."""

    scan_refusal: ScanRefusal
    scanned: str
    expected: list[ExpectedScan]


@strawberry.type(
    description="With no attempts left no code opens the pickup any more: staff see who it is, and leave it "
    "out."
)
class PickupCodeRefusedError(UserError):
    """The code is not that of the pickup."""

    attempts_left: int


@strawberry.type(description="More units than can be returned; obstacles say why not more.")
class NotReturnableError(UserError):
    """So many cannot be returned."""

    sku: str
    requested: int
    returnable: int = strawberry.field(description="Units that may be returned now under the shop's rules.")
    askable: int = strawberry.field(description="Units that may be asked for at all: the others, of staff.")
    obstacles: list[str]


USER_ERROR_TYPES: tuple[type[UserError], ...] = (
    GeneralError,
    InvalidInputError,
    NotFoundError,
    IllegalTransitionError,
    VersionConflictError,
    InsufficientStockError,
    CartIncompleteError,
    PaymentDeclinedError,
    VariantUnavailableError,
    InsufficientBalanceError,
    GiftCardUnusableError,
    AmountTooLargeError,
    DiscountNotApplicableError,
    LabelRefusedError,
    ScanRefusedError,
    PickupCodeRefusedError,
    NotReturnableError,
)
"""Types only reachable through the interface: the schema has to be told of them."""


def user_errors(error: domain.DomainError) -> list[UserError]:
    """Return everything that is wrong, each as its typed user error."""
    if isinstance(error, domain.Several):
        return [user_error(one) for one in error.errors]
    return [user_error(error)]


def user_error(error: domain.DomainError) -> UserError:
    """Return the typed user error of a domain error."""
    code = UserErrorCode(error.code)
    path = list(error.path) or None
    make = _BUILDERS.get(type(error))
    if make is None:
        return GeneralError(code=code, message=error.message, path=path)
    return make(error, code, path)


def _invalid(error: domain.InvalidInput, code: UserErrorCode, path: list[str] | None) -> UserError:
    return InvalidInputError(code=code, message=error.message, path=path)


def _not_found(error: domain.NotFound, code: UserErrorCode, path: list[str] | None) -> UserError:
    return NotFoundError(code=code, message=error.message, path=path)


def _illegal(error: domain.IllegalTransition, code: UserErrorCode, path: list[str] | None) -> UserError:
    return IllegalTransitionError(
        code=code, message=error.message, path=path, current=error.current, allowed=list(error.allowed)
    )


def _conflict(error: domain.VersionConflict, code: UserErrorCode, path: list[str] | None) -> UserError:
    return VersionConflictError(
        code=code, message=error.message, path=path, current_version=error.current_version
    )


def _short(error: domain.InsufficientStock, code: UserErrorCode, path: list[str] | None) -> UserError:
    return InsufficientStockError(
        code=code,
        message=error.message,
        path=path,
        sku=error.sku,
        requested=error.requested,
        available=error.available,
    )


def _incomplete(error: domain.CartIncomplete, code: UserErrorCode, path: list[str] | None) -> UserError:
    return CartIncompleteError(code=code, message=error.message, path=path, missing=list(error.missing))


def _declined(error: domain.PaymentDeclined, code: UserErrorCode, path: list[str] | None) -> UserError:
    return PaymentDeclinedError(code=code, message=error.message, path=path, decline_code=error.decline_code)


def _unavailable(error: domain.VariantUnavailable, code: UserErrorCode, path: list[str] | None) -> UserError:
    return VariantUnavailableError(code=code, message=error.message, path=path, sku=error.sku)


def _balance(error: domain.InsufficientBalance, code: UserErrorCode, path: list[str] | None) -> UserError:
    return InsufficientBalanceError(
        code=code,
        message=error.message,
        path=path,
        last_characters=error.last_characters,
        balance=Money(error.balance_minor, error.currency).amount,
        currency=error.currency,
    )


def _unusable(error: domain.GiftCardUnusable, code: UserErrorCode, path: list[str] | None) -> UserError:
    return GiftCardUnusableError(
        code=code,
        message=error.message,
        path=path,
        last_characters=error.last_characters,
        refusal=GiftCardRefusal(error.reason),
    )


def _too_large(error: domain.AmountTooLarge, code: UserErrorCode, path: list[str] | None) -> UserError:
    left = Money(error.left_minor, error.currency).amount
    return AmountTooLargeError(
        code=code, message=error.message, path=path, left=left, currency=error.currency
    )


def _no_discount(
    error: domain.DiscountNotApplicable, code: UserErrorCode, path: list[str] | None
) -> UserError:
    return DiscountNotApplicableError(
        code=code,
        message=error.message,
        path=path,
        discount_code=error.discount_code,
        reason=discounts.DiscountRefusal(error.reason),
    )


def _no_label(error: domain.LabelRefused, code: UserErrorCode, path: list[str] | None) -> UserError:
    return LabelRefusedError(code=code, message=error.message, path=path, refusal_code=error.refusal)


def _scan(error: ScanRefused, code: UserErrorCode, path: list[str] | None) -> UserError:
    return ScanRefusedError(
        code=code,
        message=error.message,
        path=path,
        scan_refusal=ScanRefusal(error.reason),
        scanned=error.scanned,
        expected=[
            ExpectedScan(sku=one.sku, quantity=one.quantity, bin_code=one.bin) for one in error.expected
        ],
    )


def _no_pickup(error: domain.PickupCodeRefused, code: UserErrorCode, path: list[str] | None) -> UserError:
    return PickupCodeRefusedError(
        code=code, message=error.message, path=path, attempts_left=error.attempts_left
    )


def _not_returnable(error: domain.NotReturnable, code: UserErrorCode, path: list[str] | None) -> UserError:
    return NotReturnableError(
        code=code,
        message=error.message,
        path=path,
        sku=error.sku,
        requested=error.requested,
        returnable=error.returnable,
        askable=error.askable,
        obstacles=list(error.obstacles),
    )


_BUILDERS: dict[type[domain.DomainError], Callable[..., UserError]] = {
    domain.InvalidInput: _invalid,
    domain.NotFound: _not_found,
    domain.IllegalTransition: _illegal,
    domain.VersionConflict: _conflict,
    domain.InsufficientStock: _short,
    domain.CartIncomplete: _incomplete,
    domain.PaymentDeclined: _declined,
    domain.VariantUnavailable: _unavailable,
    domain.InsufficientBalance: _balance,
    domain.GiftCardUnusable: _unusable,
    domain.AmountTooLarge: _too_large,
    domain.DiscountNotApplicable: _no_discount,
    domain.LabelRefused: _no_label,
    ScanRefused: _scan,
    domain.PickupCodeRefused: _no_pickup,
    domain.NotReturnable: _not_returnable,
}
