"""GraphQL types of customers and of signing in."""

from datetime import datetime

import strawberry

from api.context import Info
from api.errors import UserError
from api.scalars import encode_id
from api.schema.values import Money
from domain import customers as domain
from services import customers as service
from services.customers import SignedIn

CUSTOMER = "Customer"


@strawberry.type
class Customer:
    """Somebody who proved to read an e-mail address: orders with this address are theirs."""

    row: strawberry.Private[domain.Customer]
    id: strawberry.ID
    email: str = strawberry.field(description="In small letters.")
    created_at: datetime = strawberry.field(description="When they signed in first.")

    @classmethod
    def of(cls, customer: domain.Customer) -> "Customer":
        """Return the GraphQL form of a customer."""
        return cls(
            row=customer,
            id=encode_id(CUSTOMER, customer.id),
            email=customer.email,
            created_at=customer.created_at,
        )

    @strawberry.field(description="What they may pay with, one amount a currency.")  # type: ignore[untyped-decorator]
    async def store_credit(self, info: Info) -> list[Money]:
        """Return what is left of their store credit."""
        found = await service.store_credit(info.context.service, self.row.id)
        return [Money.of_minor(one.amount_minor, one.currency) for one in found]


@strawberry.type(
    description="accessToken is sent as Authorization: Bearer TOKEN. refreshToken is good once: it gets a "
    "new pair, and shown again ends the session. Both are secrets, told this once."
)
class CustomerSession:
    """A customer who is signed in, on one device."""

    customer: Customer
    access_token: str
    access_token_expires_at: datetime
    refresh_token: str
    expires_at: datetime = strawberry.field(
        description="When the session ends, however often it is refreshed."
    )

    @classmethod
    def of(cls, signed_in: SignedIn) -> "CustomerSession":
        """Return the GraphQL form of a session with its tokens."""
        return cls(
            customer=Customer.of(signed_in.session.customer),
            access_token=signed_in.access_token,
            access_token_expires_at=signed_in.access_expires_at,
            refresh_token=signed_in.refresh_token,
            expires_at=signed_in.session.expires_at,
        )


@strawberry.input(
    description="channel is the slug of the shop that the message is from, language that of its words, as in "
    "de-AT; null: the channel's."
)
class CustomerSignInRequestInput:
    """Where to mail a code."""

    channel: str
    email: str
    language: str | None = None


@strawberry.type(
    description="The same for every address, whether the shop knows it or not. signInToken is a secret: who "
    "has it and the code is signed in."
)
class CustomerSignInRequestPayload:
    """What to show with the code that was mailed."""

    sign_in_token: str | None = None
    expires_at: datetime | None = strawberry.field(default=None, description="Until when the code is good.")
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class CustomerSignInInput:
    """What asking for a code answered, and the code as it was mailed; blanks in it do not matter."""

    sign_in_token: str
    code: str


@strawberry.input
class CustomerSessionCreateInput:
    """The customer that the app has seen to be who they are."""

    email: str


@strawberry.input
class CustomerTokenRefreshInput:
    """The newest refresh token of a session."""

    refresh_token: str


@strawberry.input
class CustomerSignOutInput:
    """A refresh token of the session to end."""

    refresh_token: str
    everywhere: bool = strawberry.field(
        default=False, description="Whether to end the customer's other sessions too, on other devices."
    )


@strawberry.type
class CustomerSessionPayload:
    """What signing in, or staying so, did."""

    session: CustomerSession | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CustomerSignOutPayload:
    """What signing out did."""

    ended: int | None = strawberry.field(
        default=None, description="How many sessions ended; 0: this one had ended before."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list)
