"""Alembic's entry: runs on a connection that the caller hands over, one transaction a revision."""

from alembic import context

from persistence.tables import metadata


def include_object(item, name, kind, reflected, compare_to):  # type: ignore[no-untyped-def]
    """Leave alone tables that are not ours: an operator may keep some in the same database."""
    return not (kind == "table" and reflected and compare_to is None)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=include_object,
    transaction_per_migration=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
