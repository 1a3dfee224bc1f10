"""SQL: rows in, dataclasses out; the database, its embedded server and the event log."""
