"""Whatever valid document the schema allows, with whatever values: never an unexpected error."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes
from hypothesis_graphql import strategies as graphql

from api.context import RequestContext
from api.execution import Engine
from api.faults import RequestRefused
from api.root import build_schema
from persistence.database import Database
from realtime.operations import OperationRequest
from services.access import SYSTEM
from tests.factories import make_context

SCHEMA = build_schema()
ENGINE = Engine(SCHEMA)
TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
SCALARS = {
    "Date": st.one_of(st.dates().map(str), TEXT).map(nodes.String),
    "DateTime": st.datetimes().map(lambda moment: nodes.String(f"{moment.isoformat()}Z")),
    "Decimal": st.one_of(
        st.decimals(allow_nan=True, allow_infinity=True).map(lambda number: nodes.String(str(number))),
        TEXT.map(nodes.String),
    ),
}
UNHURRIED = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)


async def answer(database: Database, document: str) -> dict[str, Any]:
    """Answer a document, allowed everything."""
    context = RequestContext.of(make_context(database, SYSTEM))
    try:
        operation = ENGINE.prepare(OperationRequest(document), "test")
    except RequestRefused as refused:
        return {"errors": refused.errors}
    return await ENGINE.execute(operation, context)


def check(document: str, found: dict[str, Any]) -> None:
    """Fail if anything in the answer was not expected."""
    codes = {error["extensions"]["code"] for error in found.get("errors", ())}
    assert codes <= {"BAD_USER_INPUT", "QUERY_TOO_COSTLY"}, (document, found["errors"])


@pytest.mark.slow
@given(document=graphql.queries(SCHEMA.as_str(), custom_scalars=SCALARS))
@UNHURRIED
async def test_any_query(database: Database, document: str) -> None:
    check(document, await answer(database, document))


@pytest.mark.slow
@given(document=graphql.mutations(SCHEMA.as_str(), custom_scalars=SCALARS))
@UNHURRIED
async def test_any_mutation(database: Database, document: str) -> None:
    check(document, await answer(database, document))
