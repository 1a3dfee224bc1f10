"""Who asks, and what they may do. Deny by default: every use case names its permission."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from domain.kernel.errors import AccessDenied


class Permission(StrEnum):
    """What a staff role or an app may be allowed to do."""

    CATALOG_WRITE = "catalog.write"
    CHANNELS_WRITE = "channels.write"
    SUPPLIERS_READ = "suppliers.read"
    SUPPLIERS_WRITE = "suppliers.write"
    LOCATIONS_WRITE = "locations.write"
    STOCK_READ = "stock.read"
    STOCK_WRITE = "stock.write"
    STOCK_APPROVE = "stock.approve"
    CARTS_READ = "carts.read"
    ORDERS_READ = "orders.read"
    ORDERS_WRITE = "orders.write"
    ORDERS_IMPORT = "orders.import"
    FULFILLMENT_READ = "fulfillment.read"
    FULFILLMENT_WRITE = "fulfillment.write"
    WAREHOUSE_WRITE = "warehouse.write"
    PAYMENTS_READ = "payments.read"
    PAYMENTS_WRITE = "payments.write"
    RETURNS_READ = "returns.read"
    RETURNS_WRITE = "returns.write"
    # To give back less for a return than the rules say, or to waive fees of it.
    RETURNS_ADJUST = "returns.adjust"
    # To give money back for what is not in the books, and to be the second person who allows it.
    REFUNDS_UNLINKED = "refunds.unlinked"
    REFUNDS_APPROVE = "refunds.approve"
    ROUTING_WRITE = "routing.write"
    SHIPPING_WRITE = "shipping.write"
    PRICING_WRITE = "pricing.write"
    APPROVALS_WRITE = "approvals.write"
    APPS_WRITE = "apps.write"
    LEDGER_READ = "ledger.read"
    LEDGER_WRITE = "ledger.write"
    STORED_VALUE_READ = "stored_value.read"
    STORED_VALUE_WRITE = "stored_value.write"
    # For storefronts: let a customer whom they know pay with their own store credit.
    STORED_VALUE_SPEND = "stored_value.spend"
    # For storefronts: say which customer group buys with a cart, having seen who it is.
    CUSTOMER_GROUPS_ASSIGN = "customer_groups.assign"
    # For storefronts that know their customers: sign one in without a code.
    CUSTOMERS_SIGN_IN = "customers.sign_in"


class ActorKind(StrEnum):
    """What kind of party asks."""

    ANONYMOUS = "anonymous"
    CUSTOMER = "customer"
    STAFF = "staff"
    APP = "app"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. A guest is anonymous here: the token of the cart or order is what they hold."""

    kind: ActorKind
    id: UUID | None = None
    permissions: frozenset[Permission] = field(default_factory=frozenset)

    @property
    def label(self) -> str:
        """How the ledger, the events and the audit trail name this actor: no personal data."""
        return f"{self.kind.value}:{self.id}" if self.id else self.kind.value

    @property
    def is_shopper(self) -> bool:
        """Whether somebody asks who buys, signed in or not: no staff, and no app that asks for many."""
        return self.kind in {ActorKind.ANONYMOUS, ActorKind.CUSTOMER}

    @property
    def customer_id(self) -> UUID | None:
        """Whose own is all they may see, if it is a customer who is signed in."""
        return self.id if self.kind is ActorKind.CUSTOMER else None

    def may(self, permission: Permission) -> bool:
        """Say whether the actor has the permission."""
        return self.kind is ActorKind.SYSTEM or permission in self.permissions


ANONYMOUS = Actor(ActorKind.ANONYMOUS)
SYSTEM = Actor(ActorKind.SYSTEM)


def require(actor: Actor, *permissions: Permission) -> None:
    """Raise AccessDenied (UNAUTHENTICATED or FORBIDDEN) unless the actor has one of the permissions."""
    if any(actor.may(permission) for permission in permissions):
        return
    if actor.kind is ActorKind.ANONYMOUS:
        raise AccessDenied("UNAUTHENTICATED", "a token is required: send Authorization: Bearer TOKEN")
    named = " or ".join(permission.value for permission in permissions)
    raise AccessDenied("FORBIDDEN", f"the permission {named} is required")
