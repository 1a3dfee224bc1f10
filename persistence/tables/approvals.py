"""Rules of approval, by channel."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Table,
    Text,
    Uuid,
)

from domain.approvals import MAX_SCORE, RuleAction, RuleKind
from persistence.tables.base import key, metadata, moment, one_of, text_column

approval_rules = Table(
    "approval_rules",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False, index=True),
    text_column("kind"),
    text_column("action"),
    # The order in which reasons are told, lowest first; the strictest rule counts wherever it stands.
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("active", Boolean, nullable=False, server_default="true"),
    # In minor units of the channel's currency.
    Column("amount_from_minor", BigInteger),
    Column("countries", ARRAY(Text)),
    Column("orders_from", Integer),
    Column("within_minutes", Integer),
    # By which identities orders are counted; null: by all.
    Column("counted_by", ARRAY(Text)),
    Column("score_from", Integer),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    one_of("kind", RuleKind),
    one_of("action", RuleAction),
    CheckConstraint(
        "amount_from_minor >= 0"
        " AND (kind IN ('AMOUNT_FROM', 'FIRST_ORDER')) = (amount_from_minor IS NOT NULL)",
        name="amount_from",
    ),
    CheckConstraint("(kind = 'SHIPPING_COUNTRY') = (countries IS NOT NULL)", name="countries"),
    CheckConstraint(
        "orders_from > 0 AND within_minutes > 0 AND (kind = 'VELOCITY') = (orders_from IS NOT NULL)"
        " AND (kind = 'VELOCITY') = (within_minutes IS NOT NULL)"
        " AND (kind = 'VELOCITY' OR counted_by IS NULL)",
        name="velocity",
    ),
    CheckConstraint(
        f"score_from BETWEEN 0 AND {MAX_SCORE} AND (kind = 'PROVIDER_RISK' OR score_from IS NULL)",
        name="score_from",
    ),
)
