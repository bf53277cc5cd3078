# SPDX-License-Identifier: Apache-2.0
"""A running server against docs/openapi.yaml: what schemathesis makes of the file, every member at its borders, and
every route without a right key."""
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

import api_file
from conftest import ROOT
from serving import Server

EXAMPLES = 20  # of bodies for each route
CONTEXT = 96  # short, and so are answers without a limit


def make_schema():
    config = SchemathesisConfig.from_dict({
        "seed": 7, "generation": {"deterministic": True, "max-examples": EXAMPLES, "allow-x00": False},
        # What the file cannot say of a good body: a model of that name, tokens of its vocabulary, a text that fits.
        "checks": {"positive_data_acceptance": {"enabled": False}},
    })
    return schemathesis.openapi.from_path(api_file.FILE, config=config)


schema = make_schema()


@pytest.fixture(scope="module")
def guarded(smollm2, tmp_path_factory):
    """A server with a key."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("alice " + hashlib.sha256(b"right").hexdigest() + "\n")
    server = Server(smollm2, str(ROOT / "tests/golden/encoders/bert.gguf"), "--api-key-file", str(keys),
                    "--files", str(tmp_path_factory.mktemp("files")), "--log", "off", context=CONTEXT)
    yield server
    server.stop()


@schema.exclude(path="/v1/stream").parametrize()  # JSON lines; test_prompt_stream.py asks it
@settings(deadline=None, derandomize=True, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_the_server_is_what_the_file_says(case, guarded):
    case.call_and_validate(base_url=f"http://127.0.0.1:{guarded.port}", headers={"Authorization": "Bearer right"})


def test_good_answers_have_the_form_that_the_file_says(guarded):
    for path, methods in api_file.API["paths"].items():
        for method in methods:
            if path.startswith(api_file.ELSEWHERE):
                continue
            place = path.replace("{model}", "smollm2").replace("{file}", "main.js")
            for more in ({}, {"stream": True}, {"stream": False}):
                body = api_file.GOOD[path] | more if path in api_file.GOOD else None
                status, text, headers = guarded.ask(method.upper(), place, body, {"x-api-key": "right"})
                assert status == (400 if path in api_file.ONLY_OF_SOME_MODELS else 200), (path, text)
                wrong = api_file.wrong_with(method, path, status, headers["Content-Type"], text)
                assert wrong is None, (path, more, wrong)


def test_every_member_takes_what_the_file_allows_and_nothing_else(guarded):
    asked = [(path, place, api_file.body_with(path, place, value)) for path, place, _ in api_file.members()
             for value in api_file.VALUES[::4]]
    assert len(asked) > 2000

    def ask(one):
        path, place, body = one
        status, text, _ = guarded.ask("POST", path, body, {"x-api-key": "right"})
        allowed = api_file.statuses(path, place, body)
        wrong = status not in allowed or status != 200 and "error" not in text
        return f"{path} {place} {str(body)[:200]}: {status}, not {allowed}: {text[:200]}" if wrong else None

    with ThreadPoolExecutor(8) as pool:
        assert [wrong for wrong in pool.map(ask, asked) if wrong] == []


def test_no_spelling_of_a_route_and_no_method_lets_in_without_the_key(guarded):
    for method, path, is_open in api_file.routes():
        for spelling in api_file.spellings(path):
            for verb in (method, "PUT", "HEAD"):
                for headers in api_file.wrong_keys()[:2]:
                    status, _, _ = guarded.ask(verb, spelling, None, headers)
                    assert status in (400, 401) or is_open and verb in (method, "HEAD"), (verb, spelling, headers)
        if path in ("/v1/files/x", "/v1/responses/x"):
            continue  # DELETE is their own
        status, text, answered = guarded.ask("DELETE", path, None, {"x-api-key": "right"})
        assert status == 405 and method in answered["Allow"], (path, text)
