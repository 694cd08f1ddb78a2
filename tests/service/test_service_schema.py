"""The API does what its OpenAPI document says, whatever is sent: no answer but those it names, in the form it names, and never a fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from serving import Client, Sample, serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = 16
SEED = 22


@pytest.fixture(scope="module")
def client(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(sample, tmp_path_factory.mktemp("schema")) as opened:
        yield opened


def attack(client: Client, examples: int) -> dict[str, set[int]]:
    """Send every operation what its schema allows and what it does not; which answers each gave."""
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", client.http.app, headers={"Host": "localhost"})
    answered: dict[str, set[int]] = {}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()

        @seed(SEED)
        @settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None, database=None)
        @given(st.one_of(operation.as_strategy(), operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)))
        def send(case: Any) -> None:
            response = case.call(headers={"Host": "localhost"})
            answered.setdefault(case.operation.label, set()).add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        send()
    return answered


def test_the_api_keeps_to_its_document(client: Client) -> None:
    answered = attack(client, 5)
    assert len(answered) == OPERATIONS
    assert all(421 not in statuses for statuses in answered.values()), "what is sent is looked at"
    assert 200 in answered["GET /api/v1/info"]


@pytest.mark.soak
def test_the_api_keeps_to_its_document_for_long(client: Client) -> None:
    assert len(attack(client, 200)) == OPERATIONS


def test_what_is_answered_well_is_as_the_document_says(client: Client, sample: Sample) -> None:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", client.http.app, headers={"Host": "localhost"})
    picture = {"picture": sample.street.read_bytes()}
    for method, path, at, sent in (
        ("GET", "/search", "/search?q=coat&upper=red&camera=lobby&from=2026-11-28", None),
        ("POST", "/similar", "/similar?q=coat", picture),
        ("POST", "/describe", "/describe", picture),
        ("GET", "/people/{person}", "/people/31", None),
        ("GET", "/people/{person}/photo", "/people/31/photo", None),
        ("GET", "/crops/{crop}", "/crops/31-0", None),
        ("GET", "/crops/{crop}/photo", "/crops/31-0/photo", None),
        ("GET", "/info", "/info", None),
        ("GET", "/audit", "/audit", None),
    ):
        response = client.http.request(method, f"/api/v1{at}", files=sent)
        assert response.status_code == 200, response.text
        schema[f"/api/v1{path}"][method].validate_response(response)


@pytest.mark.parametrize("value", ["\0", "a\0b", "\ud83d", "\u202e", "%", "\r\nX: y", "' OR 1=1 --", "𝕒" * 500])
def test_no_text_is_a_fault(client: Client, value: str) -> None:
    text = value.encode("utf-8", "replace").decode()
    for name in ("q", "upper", "with", "without", "camera", "from", "to", "like", "k", "sure", "order"):
        for path in ("/api/v1/search", "/"):
            response = client.http.get(path, params={"q": "coat", name: text})
            assert response.status_code in (200, 400, 422), (path, name, response.text)
