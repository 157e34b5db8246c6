"""schemathesis sends what OpenAPI allows and what it does not: answers are as documented, and none is a fault."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from efficientfan.serve import running

CHECKS = [
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
"""All that it has, but that valid requests are accepted: most bytes are no photo."""


@pytest.fixture(scope="module")
def schema(settings_of):
    with running(settings_of(token="t")) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("path", ["/v1/faces", "/v1/batch"])
@settings(max_examples=25, derandomize=True, database=None, deadline=None)
@given(data=st.data())
def test_answers_are_as_documented(schema, path, mode, data):
    case = data.draw(schema[path]["POST"].as_strategy(generation_mode=mode))
    case.call_and_validate(headers={"Authorization": "Bearer t"}, checks=CHECKS)


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/healthz", "/readyz"])
def test_plain_answers_are_as_documented(schema, path):
    schema[path]["GET"].Case().call_and_validate(headers={"Authorization": "Bearer t"}, checks=CHECKS)
