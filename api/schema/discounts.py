"""GraphQL types of discounts."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import encode_id
from api.schema.channels import Channel
from api.schema.values import Money, MoneyInput, given, given_domain
from domain import discounts as domain
from domain.channels import Channel as DomainChannel
from domain.kernel.changes import KEEP
from domain.taxes import percent_of
from services.discounts import DiscountChanges, Listed

DISCOUNT = "Discount"
NEWEST = "DISCOUNTS_NEWEST"
"""The one order of these lists, named in their cursors."""
KEY = (datetime, UUID)
"""What a cursor holds: when the discount was made, and its id."""

DiscountKind = strawberry.enum(
    domain.DiscountKind,
    description="How a discount takes something off. BUY_X_GET_Y: of each buyQuantity + getQuantity units, "
    "the cheapest getQuantity cost percent less.",
)


@strawberry.type(
    description="A rule of a channel. Without a code it applies by itself; skus null is for everything; "
    "lower priority applies first; one that is not combinable applies alone."
)
class Discount:
    """A discount, for staff."""

    id: strawberry.ID
    version: int
    kind: DiscountKind  # type: ignore[valid-type]
    name: str
    code: str | None
    percent: Decimal | None
    buy_quantity: int | None
    get_quantity: int | None
    skus: list[str] | None
    starts_at: datetime | None
    ends_at: datetime | None
    usage_limit: int | None
    usage_limit_per_customer: int | None
    used: int = strawberry.field(
        description="How often it is reserved or used; counted while it has a limit."
    )
    combinable: bool
    priority: int
    active: bool
    row: strawberry.Private[domain.Discount]
    channel_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, one: domain.Discount, channel_id: UUID) -> "Discount":
        """Return the GraphQL form of a channel's discount."""
        return cls(
            id=encode_id(DISCOUNT, one.id),
            version=one.version,
            kind=one.kind,
            name=one.name,
            code=one.code,
            percent=None if one.basis_points is None else percent_of(one.basis_points * 100),
            buy_quantity=one.buy_quantity,
            get_quantity=one.get_quantity,
            skus=None if one.skus is None else sorted(one.skus),
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            usage_limit=one.usage_limit,
            usage_limit_per_customer=one.usage_limit_per_customer,
            used=one.used,
            combinable=one.combinable,
            priority=one.priority,
            active=one.active,
            row=one,
            channel_id=channel_id,
        )

    @strawberry.field(description="Where it holds.")  # type: ignore[untyped-decorator]
    async def channel(self, info: Info) -> Channel:
        """Return the channel."""
        return Channel.of(await self._channel(info))

    @strawberry.field(description="What it takes off, of FIXED_AMOUNT.")  # type: ignore[untyped-decorator]
    async def amount(self, info: Info) -> Money | None:
        """Return the amount, in the channel's currency."""
        amount = self.row.amount_minor
        return None if amount is None else Money.of_minor(amount, (await self._channel(info)).currency)

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="What the lines of a cart must cost before any discount."
    )
    async def minimum_subtotal(self, info: Info) -> Money:
        """Return the minimum, in the channel's currency."""
        return Money.of_minor(self.row.minimum_subtotal_minor, (await self._channel(info)).currency)

    async def _channel(self, info: Info) -> DomainChannel:
        channel = await info.context.loaders.channels().load(self.channel_id)
        assert channel is not None, "a foreign key holds every discount to its channel"  # noqa: S101
        return channel


@strawberry.type
class DiscountEdge:
    """A discount and where it stands in the list."""

    cursor: str
    node: Discount


@strawberry.type
class DiscountConnection:
    """A page of discounts."""

    edges: list[DiscountEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[Listed], request: PageRequest) -> "DiscountConnection":
        """Return the page; a discount beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: DiscountEdge(
                cursor=cursor(NEWEST, one.created_at, one.discount.id),
                node=Discount.of(one.discount, one.channel_id),
            ),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input(
    description="percent (above 0, up to 100, at most 2 decimals) goes with PERCENTAGE and BUY_X_GET_Y, "
    "amount with FIXED_AMOUNT, buyQuantity and getQuantity with BUY_X_GET_Y. Codes are the "
    "same in capital and in small letters."
)
class DiscountCreateInput:
    """A new discount."""

    channel: str
    kind: DiscountKind  # type: ignore[valid-type]
    name: str
    code: str | None = None
    percent: Decimal | None = None
    amount: MoneyInput | None = None
    buy_quantity: int | None = None
    get_quantity: int | None = None
    minimum_subtotal: MoneyInput | None = None
    skus: list[str] | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    usage_limit: int | None = None
    usage_limit_per_customer: int | None = None
    combinable: bool = True
    priority: int = 0

    def to_changes(self) -> DiscountChanges:
        """Return the fields of the new discount, still to be checked."""
        return DiscountChanges(
            name=self.name,
            percent=self.percent,
            amount=self.amount.to_domain() if self.amount else None,
            buy_quantity=self.buy_quantity,
            get_quantity=self.get_quantity,
            minimum_subtotal=self.minimum_subtotal.to_domain() if self.minimum_subtotal else KEEP,
            skus=self.skus,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            usage_limit=self.usage_limit,
            usage_limit_per_customer=self.usage_limit_per_customer,
            combinable=self.combinable,
            priority=self.priority,
        )


@strawberry.input(description="What is left out stays as it is; kind, code and channel never change.")
class DiscountUpdateInput:
    """Changes of a discount."""

    id: strawberry.ID
    name: strawberry.Maybe[str]
    percent: strawberry.Maybe[Decimal]
    amount: strawberry.Maybe[MoneyInput]
    buy_quantity: strawberry.Maybe[int]
    get_quantity: strawberry.Maybe[int]
    minimum_subtotal: strawberry.Maybe[MoneyInput | None]
    skus: strawberry.Maybe[list[str] | None]
    starts_at: strawberry.Maybe[datetime | None]
    ends_at: strawberry.Maybe[datetime | None]
    usage_limit: strawberry.Maybe[int | None]
    usage_limit_per_customer: strawberry.Maybe[int | None]
    combinable: strawberry.Maybe[bool]
    priority: strawberry.Maybe[int]
    active: strawberry.Maybe[bool]
    expected_version: int | None = None

    def to_changes(self) -> DiscountChanges:
        """Return what shall change, still to be checked."""
        return DiscountChanges(
            name=given(self.name),
            percent=given(self.percent),
            amount=given_domain(self.amount),
            buy_quantity=given(self.buy_quantity),
            get_quantity=given(self.get_quantity),
            minimum_subtotal=given_domain(self.minimum_subtotal),
            skus=given(self.skus),
            starts_at=given(self.starts_at),
            ends_at=given(self.ends_at),
            usage_limit=given(self.usage_limit),
            usage_limit_per_customer=given(self.usage_limit_per_customer),
            combinable=given(self.combinable),
            priority=given(self.priority),
            active=given(self.active),
        )


@strawberry.input
class DiscountDeactivateInput:
    """A discount to take out of use; orders keep what they were told."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class DiscountPayload:
    """A discount, or why there is none."""

    discount: Discount | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
