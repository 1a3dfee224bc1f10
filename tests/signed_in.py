"""Customers who are signed in, for tests: by the word of whoever may vouch for them."""

from persistence.database import Database
from services import customers
from services.access import Actor, ActorKind
from services.customers import SignedIn
from tests.factories import make_context


async def session_of(database: Database, email: str) -> SignedIn:
    """Sign in the customer with this address."""
    return await customers.vouch(make_context(database), email)


async def customer_of(database: Database, email: str) -> Actor:
    """Return the customer with this address as they ask."""
    signed_in = await session_of(database, email)
    return Actor(ActorKind.CUSTOMER, signed_in.session.customer.id)
