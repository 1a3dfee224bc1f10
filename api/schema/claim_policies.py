"""GraphQL types of the limits of claims."""

from collections.abc import Sequence

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor
from api.scalars import encode_id
from api.schema.channels import Channel
from api.schema.claims import ClaimKind
from api.schema.return_policies import amount_or_keep, channel_of, kept_or_given
from api.schema.values import Money, MoneyInput
from domain import claim_policies as domain
from domain.claim_policies import ClaimPolicyChanges

POLICY = "ClaimPolicy"
OLDEST = "CLAIM_POLICIES"
"""The one order of this list, named in its cursors."""


@strawberry.type(
    description="How far claims are granted by themselves. The closest holds, alone and as a whole: that of "
    "one kind before that of every kind, that of one channel before that of all."
)
class ClaimPolicy:
    """A policy, for staff."""

    id: strawberry.ID
    version: int
    kind: ClaimKind | None = strawberry.field(description="What it holds for; null: every kind.")  # type: ignore[valid-type]
    silent_days: int = strawberry.field(
        description="A parcel that nobody has scanned for so many days is taken for lost."
    )
    report_within_days: int = strawberry.field(
        description="What is told later than so many days after the arrival is for a person."
    )
    most_by_itself: int = strawberry.field(
        description="Claims of one buyer that are granted by themselves; from the next on a person looks."
    )
    needs_photos: bool = strawberry.field(
        description="Whether a person looks at what has arrived and is not shown in pictures."
    )
    row: strawberry.Private[domain.ClaimPolicy]

    @classmethod
    def of(cls, policy: domain.ClaimPolicy) -> "ClaimPolicy":
        """Return the GraphQL form of a stored policy."""
        assert policy.id is not None, "it is stored"  # noqa: S101
        return cls(
            id=encode_id(POLICY, policy.id),
            version=policy.version,
            kind=policy.kind,
            silent_days=policy.silent_days,
            report_within_days=policy.report_within_days,
            most_by_itself=policy.most_by_itself,
            needs_photos=policy.needs_photos,
            row=policy,
        )

    @strawberry.field(description="Where it holds; null: in all channels.")  # type: ignore[untyped-decorator]
    async def channel(self, info: Info) -> Channel | None:
        """Return the channel."""
        found = await channel_of(info, self.row.channel_id)
        return None if found is None else Channel.of(found)

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Up to this worth of all claims of an order nobody needs to look; null: up to what "
        "ReturnPolicy.autoRefundMost says of its lines."
    )
    async def approve_most(self, info: Info) -> Money | None:
        """Return the limit."""
        channel, most = await channel_of(info, self.row.channel_id), self.row.approve_most_minor
        return None if channel is None or most is None else Money.of_minor(most, channel.currency)


@strawberry.type
class ClaimPolicyEdge:
    """A policy and where it stands in the list."""

    cursor: str
    node: ClaimPolicy


@strawberry.type
class ClaimPolicyConnection:
    """A page of policies."""

    edges: list[ClaimPolicyEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.ClaimPolicy], request: PageRequest) -> "ClaimPolicyConnection":
        """Return the page; a policy beyond its size only tells that there are more."""
        nodes = [ClaimPolicy.of(one) for one in found[: request.size]]
        edges = [ClaimPolicyEdge(cursor=cursor(OLDEST, one.row.id), node=one) for one in nodes]
        info = PageInfo.of(
            [edge.cursor for edge in edges],
            has_next=len(found) > request.size,
            resumed=request.after is not None,
        )
        return cls(edges=edges, page_info=info)


@strawberry.input(
    description="The scope is a channel's slug, a kind, both, or neither for every claim. What is left out "
    "stays as it is, or has its default where the scope has no policy yet: expectedVersion 0. The amount is "
    "in the channel's money, so only a policy of a channel has one."
)
class ClaimPolicySetInput:
    """The policy of a scope."""

    channel: str | None = None
    kind: ClaimKind | None = None  # type: ignore[valid-type]
    approve_most: MoneyInput | None = None
    silent_days: int | None = None
    report_within_days: int | None = None
    most_by_itself: int | None = None
    needs_photos: bool | None = None
    expected_version: int | None = None

    def to_changes(self) -> ClaimPolicyChanges:
        """Return what shall change, still to be checked."""
        return ClaimPolicyChanges(
            approve_most=amount_or_keep(self.approve_most),
            silent_days=kept_or_given(self.silent_days),
            report_within_days=kept_or_given(self.report_within_days),
            most_by_itself=kept_or_given(self.most_by_itself),
            needs_photos=kept_or_given(self.needs_photos),
        )


@strawberry.type
class ClaimPolicyPayload:
    """A policy as it now is, or why nothing was changed."""

    policy: ClaimPolicy | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class ClaimPolicyRemoveInput:
    """A policy to forget: what it covered has the next closest."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class ClaimPolicyRemovePayload:
    """The policy that is gone, or why it is not."""

    removed_id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
