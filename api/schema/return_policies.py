"""GraphQL types of the rules of returns: policies, what follows from checks, and proven fraud."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor
from api.scalars import encode_id
from api.schema.channels import Channel
from api.schema.return_quotes import ReturnLabelPayer
from api.schema.returns import ReturnCheck, ReturnDecision, ReturnGrade
from api.schema.values import Money, MoneyInput
from domain import return_policies as domain
from domain.channels import Channel as DomainChannel
from domain.kernel.changes import KEEP, Keep
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Amount
from domain.return_policy_changes import PolicyChanges
from domain.returns import Grade
from domain.taxes import percent_of
from persistence.return_policies import FraudFlag as FlagRow
from services.return_policies import Rule, Scope

T = TypeVar("T")
POLICY = "ReturnPolicy"
FLAG = "FraudFlag"
OLDEST = "RETURN_POLICIES"
NEWEST = "FRAUD_FLAGS"
"""The one order of these lists, named in their cursors."""

ReturnShippingRefund = strawberry.enum(
    domain.ShippingRefund,
    name="ReturnShippingRefund",
    description="When the delivery that was paid is given back; for a fault of the shop its share always is.",
)


@strawberry.type
class ReturnGradeShare:
    """What part of its worth a unit brings that came back so."""

    grade: ReturnGrade  # type: ignore[valid-type]
    percent: Decimal


@strawberry.type(
    description="What may come back, until when, and what that costs. The closest holds, alone and as a "
    "whole: an item's before a tag's, that of one channel before that of all."
)
class ReturnPolicy:
    """A policy, for staff."""

    id: strawberry.ID
    version: int
    tag: str | None
    sku: str | None
    window_days: int = strawberry.field(
        description="Days of 24 hours from the delivery of a unit; the last instant belongs to them."
    )
    final_sale: bool
    restocking_fee_percent: Decimal
    label_payer: ReturnLabelPayer  # type: ignore[valid-type]
    shipping_refund: ReturnShippingRefund  # type: ignore[valid-type]
    credit_bonus_percent: Decimal
    arrive_within_days: int
    exchange_in_advance: bool = strawberry.field(
        description="Whether what is sent instead leaves before what it replaces has come back."
    )
    repair: bool = strawberry.field(description="Whether a repair may be asked for.")
    grades: list[ReturnGradeShare]
    row: strawberry.Private[domain.ReturnPolicy]

    @classmethod
    def of(cls, policy: domain.ReturnPolicy) -> "ReturnPolicy":
        """Return the GraphQL form of a stored policy."""
        assert policy.id is not None, "it is stored"  # noqa: S101
        return cls(
            id=encode_id(POLICY, policy.id),
            version=policy.version,
            tag=policy.tag,
            sku=policy.sku,
            window_days=policy.window_days,
            final_sale=policy.final_sale,
            restocking_fee_percent=percent_of(policy.restocking_fee),
            label_payer=policy.label_payer,
            shipping_refund=policy.shipping_refund,
            credit_bonus_percent=percent_of(policy.credit_bonus),
            arrive_within_days=policy.arrive_within_days,
            exchange_in_advance=policy.exchange_in_advance,
            repair=policy.repair,
            grades=[
                ReturnGradeShare(grade=grade, percent=percent_of(policy.grades.get(grade, 0)))
                for grade in Grade
            ],
            row=policy,
        )

    @strawberry.field(description="Where it holds; null: in all channels.")  # type: ignore[untyped-decorator]
    async def channel(self, info: Info) -> Channel | None:
        """Return the channel."""
        found = await self._channel(info)
        return None if found is None else Channel.of(found)

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="What a return costs where the customer pays the way back. Amounts are null where the "
        "policy is of no channel: it has no money of its own, and all of them are zero."
    )
    async def label_fee(self, info: Info) -> Money | None:
        """Return the fee."""
        return await self._amount(info, self.row.label_fee_minor)

    @strawberry.field(description="Below this worth the customer keeps what they return.")  # type: ignore[untyped-decorator]
    async def keep_below(self, info: Info) -> Money | None:
        """Return the threshold."""
        return await self._amount(info, self.row.keep_below_minor)

    @strawberry.field(description="Up to this worth of all returns of an order nobody needs to look.")  # type: ignore[untyped-decorator]
    async def auto_refund_most(self, info: Info) -> Money | None:
        """Return the limit."""
        return await self._amount(info, self.row.auto_refund_most_minor)

    async def _amount(self, info: Info, amount_minor: int) -> Money | None:
        channel = await self._channel(info)
        return None if channel is None else Money.of_minor(amount_minor, channel.currency)

    async def _channel(self, info: Info) -> DomainChannel | None:
        return await channel_of(info, self.row.channel_id)


@strawberry.type
class ReturnPolicyEdge:
    """A policy and where it stands in the list."""

    cursor: str
    node: ReturnPolicy


@strawberry.type
class ReturnPolicyConnection:
    """A page of policies."""

    edges: list[ReturnPolicyEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.ReturnPolicy], request: PageRequest) -> "ReturnPolicyConnection":
        """Return the page; a policy beyond its size only tells that there are more."""
        nodes = [ReturnPolicy.of(one) for one in found[: request.size]]
        edges = [ReturnPolicyEdge(cursor=cursor(OLDEST, one.row.id), node=one) for one in nodes]
        info = PageInfo.of(
            [edge.cursor for edge in edges],
            has_next=len(found) > request.size,
            resumed=request.after is not None,
        )
        return cls(edges=edges, page_info=info)


@strawberry.input
class ReturnGradeShareInput:
    """What part of its worth a unit shall bring that came back so, from 0 to 100."""

    grade: ReturnGrade  # type: ignore[valid-type]
    percent: Decimal


@strawberry.input(
    description="The scope is a channel's slug, a tag or a SKU of it, or none of them for everything. What "
    "is left out stays as it is, or has its default where the scope has no policy yet: expectedVersion 0. "
    "Amounts are in the channel's money, so only a policy of a channel has any. Percentages have up to 4 "
    "decimals."
)
class ReturnPolicySetInput:
    """The policy of a scope."""

    channel: str | None = None
    tag: str | None = None
    sku: str | None = None
    window_days: int | None = None
    final_sale: bool | None = None
    restocking_fee_percent: Decimal | None = None
    label_payer: ReturnLabelPayer | None = None  # type: ignore[valid-type]
    label_fee: MoneyInput | None = None
    keep_below: MoneyInput | None = None
    auto_refund_most: MoneyInput | None = None
    shipping_refund: ReturnShippingRefund | None = None  # type: ignore[valid-type]
    credit_bonus_percent: Decimal | None = None
    arrive_within_days: int | None = None
    exchange_in_advance: bool | None = None
    repair: bool | None = None
    grades: list[ReturnGradeShareInput] | None = None
    expected_version: int | None = None

    def to_scope(self) -> Scope:
        """Return what it is of."""
        return Scope(self.channel, self.tag, self.sku)

    def to_changes(self) -> PolicyChanges:
        """Return what shall change, still to be checked."""
        return PolicyChanges(
            window_days=kept_or_given(self.window_days),
            final_sale=kept_or_given(self.final_sale),
            restocking_fee_percent=kept_or_given(self.restocking_fee_percent),
            label_payer=kept_or_given(self.label_payer),
            label_fee=amount_or_keep(self.label_fee),
            keep_below=amount_or_keep(self.keep_below),
            auto_refund_most=amount_or_keep(self.auto_refund_most),
            shipping_refund=kept_or_given(self.shipping_refund),
            credit_bonus_percent=kept_or_given(self.credit_bonus_percent),
            arrive_within_days=kept_or_given(self.arrive_within_days),
            exchange_in_advance=kept_or_given(self.exchange_in_advance),
            repair=kept_or_given(self.repair),
            grades=KEEP if self.grades is None else _shares(self.grades),
        )


@strawberry.type
class ReturnPolicyPayload:
    """A policy as it now is, or why nothing was changed."""

    policy: ReturnPolicy | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class ReturnPolicyRemoveInput:
    """A policy to forget: what it covered has the next closest."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class ReturnPolicyRemovePayload:
    """The policy that is gone, or why it is not."""

    removed_id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type(description="What follows from what a record says of a return.")
class ReturnRule:
    """A rule of verdicts, for staff."""

    check: ReturnCheck  # type: ignore[valid-type]
    decision: ReturnDecision  # type: ignore[valid-type]
    default_decision: ReturnDecision  # type: ignore[valid-type]
    possible: list[ReturnDecision] = strawberry.field(  # type: ignore[valid-type]
        description="What may follow: records that do not fit are never approved by themselves, and what an "
        "honest customer may run into is never declined without a person."
    )

    @classmethod
    def of(cls, rule: Rule) -> "ReturnRule":
        """Return the GraphQL form of a rule."""
        return cls(
            check=rule.check,
            decision=rule.decision,
            default_decision=rule.default,
            possible=list(rule.allowed),
        )


@strawberry.input
class ReturnRuleSetInput:
    """What shall follow from a check; null: its default."""

    check: ReturnCheck  # type: ignore[valid-type]
    decision: ReturnDecision | None = None  # type: ignore[valid-type]


@strawberry.type
class ReturnRuleSetPayload:
    """The rule as it now is, or why nothing was changed."""

    rule: ReturnRule | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type(
    description="A fraud of a customer that is proven: staff look at their returns. It refuses none."
)
class FraudFlag:
    """A proven fraud, for staff."""

    id: strawberry.ID
    email: str
    note: str
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, flag: FlagRow) -> "FraudFlag":
        """Return the GraphQL form of a proven fraud."""
        return cls(
            id=encode_id(FLAG, flag.id),
            email=flag.email,
            note=flag.note,
            created_by=flag.created_by,
            created_at=flag.created_at,
        )


@strawberry.type
class FraudFlagEdge:
    """A proven fraud and where it stands in the list."""

    cursor: str
    node: FraudFlag


@strawberry.type
class FraudFlagConnection:
    """A page of proven frauds."""

    edges: list[FraudFlagEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[FlagRow], request: PageRequest) -> "FraudFlagConnection":
        """Return the page; one beyond its size only tells that there are more."""
        edges = [
            FraudFlagEdge(cursor=cursor(NEWEST, one.created_at, one.id), node=FraudFlag.of(one))
            for one in found[: request.size]
        ]
        info = PageInfo.of(
            [edge.cursor for edge in edges],
            has_next=len(found) > request.size,
            resumed=request.after is not None,
        )
        return cls(edges=edges, page_info=info)


@strawberry.input
class FraudFlagCreateInput:
    """A fraud that is proven, never a suspicion, and by what."""

    email: str
    note: str


@strawberry.type
class FraudFlagPayload:
    """The proven fraud, or why it was not noted."""

    fraud_flag: FraudFlag | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class FraudFlagRemoveInput:
    """What was noted as a fraud by mistake."""

    id: strawberry.ID


@strawberry.type
class FraudFlagRemovePayload:
    """What is gone, or why it is not."""

    removed_id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


async def channel_of(info: Info, channel_id: UUID | None) -> DomainChannel | None:
    """Return the channel that a policy is of, None where it is of all."""
    return None if channel_id is None else await info.context.loaders.channels().load(channel_id)


def kept_or_given(given: T | None) -> T | Keep:
    """Return what a field shall be; what a client leaves out stays."""
    return KEEP if given is None else given


def amount_or_keep(given: MoneyInput | None) -> Amount | Keep:
    """Return what an amount shall be; what a client leaves out stays."""
    return KEEP if given is None else given.to_domain()


def _shares(given: Sequence[ReturnGradeShareInput]) -> Mapping[Grade, Decimal]:
    found: dict[Grade, Decimal] = {}
    for at, one in enumerate(given):
        if one.grade in found:
            raise InvalidInput("names a grade twice", "grades", str(at), "grade")
        found[one.grade] = one.percent
    return found
