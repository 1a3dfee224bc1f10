"""The shared MetaData and the column kinds every table uses."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

JSON = JSONB(none_as_null=True)
"""JSONB in which Python's None is SQL NULL."""


def key() -> Column:  # type: ignore[type-arg]
    """Return a UUIDv7 primary key column named id."""
    return Column("id", Uuid, primary_key=True)


def moment(name: str, *, optional: bool = False) -> Column:  # type: ignore[type-arg]
    """Return a column for a point in time (timestamptz, UTC)."""
    return Column(name, DateTime(timezone=True), nullable=optional)


def one_of(column: str, values: type[StrEnum], *, name: str | None = None) -> CheckConstraint:
    """Return the CHECK that a text column holds a member of `values`."""
    listed = ", ".join(f"'{value.value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=name or column)


def currency_code() -> CheckConstraint:
    """Return the CHECK that the column `currency` looks like an ISO 4217 code."""
    return CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency")


def text_column(name: str, *, optional: bool = False) -> Column:  # type: ignore[type-arg]
    """Return a text column, required unless `optional`."""
    return Column(name, Text, nullable=optional)
