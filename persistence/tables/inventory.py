"""Stock levels, the ledger that explains them, and the holds of carts.

`on_hand` is computed by the database from its parts, so the identity of the design cannot break;
the ledger is append-only and written by the same SQL function call as the level.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from domain.inventory import HoldStatus, StockState
from persistence.tables.base import key, metadata, moment, one_of, text_column

INSIDE = "available + held + committed + safety_stock + quality_control + damaged"

stock_levels = Table(
    "stock_levels",
    metadata,
    key(),
    Column("variant_id", Uuid, ForeignKey("variants.id"), nullable=False),
    Column("location_id", Uuid, ForeignKey("locations.id"), nullable=False, index=True),
    Column("available", Integer, nullable=False, server_default="0"),
    Column("held", Integer, nullable=False, server_default="0"),
    Column("committed", Integer, nullable=False, server_default="0"),
    Column("safety_stock", Integer, nullable=False, server_default="0"),
    Column("quality_control", Integer, nullable=False, server_default="0"),
    Column("damaged", Integer, nullable=False, server_default="0"),
    Column("incoming", Integer, nullable=False, server_default="0"),
    Column("on_hand", Integer, Computed(INSIDE, persisted=True), nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    UniqueConstraint("variant_id", "location_id"),
    CheckConstraint("available >= 0", name="available"),
    CheckConstraint("held >= 0", name="held"),
    CheckConstraint("committed >= 0", name="committed"),
    CheckConstraint("safety_stock >= 0", name="safety_stock"),
    CheckConstraint("quality_control >= 0", name="quality_control"),
    CheckConstraint("damaged >= 0", name="damaged"),
    CheckConstraint("incoming >= 0", name="incoming"),
    # Levels change all the time and no index covers their counts: room for HOT updates.
    postgresql_with={"fillfactor": "70"},
)

stock_movements = Table(
    "stock_movements",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("variant_id", Uuid, nullable=False),
    Column("location_id", Uuid, nullable=False),
    text_column("from_state"),
    text_column("to_state"),
    Column("quantity", Integer, nullable=False),
    text_column("reason"),
    # The document that caused it: cart, order, adjustment, import, ... and its id.
    text_column("source_kind"),
    Column("source_id", Uuid),
    text_column("actor"),
    moment("occurred_at"),
    Index("ix_stock_movements_variant_id", "variant_id", "id"),
    Index("ix_stock_movements_source_id", "source_id"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("from_state <> to_state", name="states_differ"),
    one_of("from_state", StockState),
    one_of("to_state", StockState),
)

holds = Table(
    "holds",
    metadata,
    key(),
    Column("cart_id", Uuid, ForeignKey("carts.id"), nullable=False),
    Column("cart_line_id", Uuid, nullable=False),
    Column("variant_id", Uuid, nullable=False),
    Column("location_id", Uuid, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("status", Text, nullable=False),
    # When the cart began to hold the variant: a hold takes over that of the one before it.
    moment("held_at"),
    moment("expires_at"),
    moment("ended_at", optional=True),
    # One key, of the level: its row is locked by who holds anyway. Keys of variant and location
    # would make every hold of a busy shop share locks on the same few rows.
    ForeignKeyConstraint(
        ["variant_id", "location_id"],
        ["stock_levels.variant_id", "stock_levels.location_id"],
        name="fk_holds_level",
    ),
    # Ended holds stay as history, out of these. The three predicates mean the same and are written
    # differently on purpose: a query can use exactly the one whose words it repeats. A small partial
    # index looks cheap to read whole, and a plan made then would go on doing so when it is large.
    Index("ix_holds_cart_id", "cart_id", postgresql_where="status = 'HELD'"),
    Index(
        "uq_holds_cart_line_id_location_id",
        "cart_line_id",
        "location_id",
        unique=True,
        postgresql_where="ended_at IS NULL",
    ),
    Index(
        "ix_holds_variant_id",
        "variant_id",
        "location_id",
        postgresql_where="status = 'HELD' AND ended_at IS NULL",
    ),
    # When a cart held a variant last, which decides whether a new hold begins anew. Those of orders
    # are left out: their carts are closed, and a checkout has one index entry less to write.
    Index(
        "ix_holds_cart_id_variant_id",
        "cart_id",
        "variant_id",
        "ended_at",
        postgresql_where="status IN ('RELEASED', 'EXPIRED')",
    ),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("(status = 'HELD') = (ended_at IS NULL)", name="ended"),
    one_of("status", HoldStatus),
    # No index on expires_at: every mutation of a cart renews all its holds, in place (HOT). The
    # sweep finds carts by carts.holds_due_at.
    postgresql_with={"fillfactor": "70"},
)
