"""Root fields of customers."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import CUSTOMER, PUBLIC, TOKEN, mutation, query
from api.schema.customers import (
    Customer,
    CustomerSession,
    CustomerSessionCreateInput,
    CustomerSessionPayload,
    CustomerSignInInput,
    CustomerSignInRequestInput,
    CustomerSignInRequestPayload,
    CustomerSignOutInput,
    CustomerSignOutPayload,
    CustomerTokenRefreshInput,
)
from services import customer_sign_ins, customers
from services.access import Permission


@strawberry.type
class CustomersQuery:
    """Queries of customers."""

    @query(CUSTOMER)
    async def me(self, info: Info) -> Customer | None:
        """The customer who is signed in; null for anybody else."""
        found = await customers.me(info.context.service)
        return Customer.of(found) if found else None


@strawberry.type
class CustomersMutation:
    """Mutations of customers."""

    @mutation(CustomerSignInRequestPayload, PUBLIC)
    async def customer_sign_in_request(
        self,
        info: Info,
        input: CustomerSignInRequestInput,  # noqa: A002
    ) -> CustomerSignInRequestPayload | None:
        """Have a code mailed to an address, with which to sign in; an earlier one is void."""
        asked = await customer_sign_ins.ask(info.context.service, input.channel, input.email, input.language)
        return CustomerSignInRequestPayload(sign_in_token=asked.token, expires_at=asked.expires_at)

    @mutation(CustomerSessionPayload, TOKEN)
    async def customer_sign_in(self, info: Info, input: CustomerSignInInput) -> CustomerSessionPayload | None:  # noqa: A002
        """Sign in with a code that was mailed: each may be tried five times, and is good once."""
        signed_in = await customer_sign_ins.sign_in(info.context.service, input.sign_in_token, input.code)
        return CustomerSessionPayload(session=CustomerSession.of(signed_in))

    @mutation(CustomerSessionPayload, Permission.CUSTOMERS_SIGN_IN)
    async def customer_session_create(
        self,
        info: Info,
        input: CustomerSessionCreateInput,  # noqa: A002
    ) -> CustomerSessionPayload | None:
        """Sign a customer in by the word of an app that knows them; the session ends with the app's token."""
        signed_in = await customers.vouch(info.context.service, input.email)
        return CustomerSessionPayload(session=CustomerSession.of(signed_in))

    @mutation(CustomerSessionPayload, TOKEN)
    async def customer_token_refresh(
        self,
        info: Info,
        input: CustomerTokenRefreshInput,  # noqa: A002
    ) -> CustomerSessionPayload | None:
        """Get new tokens for a refresh token; one that was shown before ends its session."""
        signed_in = await customers.refresh(info.context.service, input.refresh_token)
        return CustomerSessionPayload(session=CustomerSession.of(signed_in))

    @mutation(CustomerSignOutPayload, TOKEN)
    async def customer_sign_out(
        self,
        info: Info,
        input: CustomerSignOutInput,  # noqa: A002
    ) -> CustomerSignOutPayload | None:
        """End a session: its tokens are worth nothing any more, and what is followed by them ends."""
        ended = await customers.sign_out(
            info.context.service, input.refresh_token, everywhere=input.everywhere
        )
        return CustomerSignOutPayload(ended=ended)
