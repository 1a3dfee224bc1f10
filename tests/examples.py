"""The examples of the documents, as they are written there."""

import re

_GRAPHQL = re.compile(r"```graphql\n(.*?)```(?:\s*```json\n(.*?)```)?", re.DOTALL)


def examples_in(page: str) -> list[tuple[str, str]]:
    """Return the GraphQL documents of a page, each with the JSON right below it: its variables, or ""."""
    return _GRAPHQL.findall(page)
