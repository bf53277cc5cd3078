# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml for tests: the routes, the members of bodies, and whether a value is one that the file allows.

Beside tests/e2e, tests/load/load.py reads it.
"""
import json
from pathlib import Path

import jsonschema
import yaml

FILE = Path(__file__).resolve().parents[2] / "docs/openapi.yaml"
API = yaml.safe_load(FILE.read_text())

QUESTION = [{"role": "user", "content": "Name three rivers."}]
# Bodies that are answered, with short answers; each is asked again with one member changed.
GOOD = {
    "/v1/chat/completions": {"messages": QUESTION, "max_tokens": 1, "logprobs": True},
    "/v1/completions": {"prompt": "a", "max_tokens": 1},
    "/v1/responses": {"input": "a", "max_output_tokens": 1},
    "/v1/embeddings": {"input": "a"},
    **{path: {"query": "a", "documents": ["b", "c"]} for path in ("/rerank", "/v1/rerank", "/reranking", "/v1/reranking")},
    "/v1/messages": {"messages": QUESTION, "max_tokens": 1},
    "/v1/messages/count_tokens": {"messages": QUESTION},
    "/api/chat": {"model": "smollm2", "messages": QUESTION, "options": {"num_predict": 1}},
    "/api/generate": {"model": "smollm2", "prompt": "a", "options": {"num_predict": 1}},
    "/api/embed": {"input": "a"},
    "/api/show": {"model": "smollm2"},
    "/api/pull": {"model": "smollm2"},
    "/completion": {"prompt": "a", "n_predict": 1},
    "/infill": {"input_prefix": "a", "input_suffix": "b", "n_predict": 1},
    "/tokenize": {"content": "a"},
    "/detokenize": {"tokens": [1]},
    "/apply-template": {"messages": QUESTION},
}
VALUES = [0, 1, -1, 2, -2, 0.5, -0.5, 1.5, 16, 17, 20, 21, 100, 101, -100, -101, 1e300, -1e300, 2**20, 2**28, 2**28 + 1,
          2**30 + 1, 2**31 - 1, 2**31, -2**31, 2**53 + 1, 2**63 - 1, 2**63, -2**63, -2**63 - 1, 2**64 - 1, 2**64, 10**30,
          0.1, 9.99, 10, -10, 10.01, 127, 128, 129, "", "1", "x" * 512, "x" * 513, "x" * 1025, True, False, None, [], {},
          [1], [[]], [None], ["a"], ["a"] * 17, [[1, 2]], {"a": 1}, {"1": 101}]

# What the file cannot say of a value it allows: what a schema or a grammar holds, what the vocabulary has, what needs
# another member or another kind of model.
MAY_BE_REFUSED = {"model", "guided_json", "guided_regex", "guided_grammar", "guided_choice", "json_schema", "grammar",
                  "response_format", "format", "structured_outputs", "json", "regex", "choice", "schema", "suffix", "dimensions",
                  "continue_final_message", "logit_bias", "tokens", "prompt", "messages", "input", "name",
                  "instructions", "system", "tools", "tool_choice", "previous_response_id"}
ONLY_OF_SOME_MODELS = {"/infill"}
# Files, batches, streams of lines and stored responses: test_batches.py, test_prompt_stream.py and test_responses.py ask them.
ELSEWHERE = ("/v1/files", "/v1/batches", "/v1/stream", "/v1/responses/")


def routes():
    """(method, path, whether it needs no key); a parameter of a path has a value."""
    for path, methods in API["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path.replace("{model}", "smollm2").replace("{file}", "main.js").replace("{id}", "x"), \
                operation.get("security") == []


def resolved(schema):
    while "$ref" in schema:
        node = API
        for name in schema["$ref"].removeprefix("#/").split("/"):
            node = node[name]
        schema = node
    return schema


def members():
    """(path of a route, place of a member in its body, its schema); of members that are objects theirs too."""
    for path in GOOD:
        body = resolved(API["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"])
        for name, schema in body["properties"].items():
            yield path, (name,), schema
            for inner, inner_schema in resolved(schema).get("properties", {}).items():
                yield path, (name, inner), inner_schema


def body_with(path, place, value):
    body = dict(GOOD[path])
    if len(place) == 1:
        return body | {place[0]: value}
    return body | {place[0]: {**body.get(place[0], {}), place[1]: value}}


def statuses(path, place, body):
    """Those that an answer may have."""
    schema = API["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    if not jsonschema.Draft202012Validator({**schema, "components": API["components"]}).is_valid(body):
        return {400}
    if path in ONLY_OF_SOME_MODELS or MAY_BE_REFUSED & set(place):
        return {200, 400, 404}
    return {200}


def wrong_with(method, path, status, content_type, text):
    """What is not as the file says in an answer; nothing where all is."""
    described = API["paths"][path][method.lower()]["responses"].get(str(status))
    if described is None:
        return f"{status} is not in the file"
    content = resolved(described).get("content", {})
    media = content_type.split(";")[0]
    if media not in content:
        return f"{media} is not in the file"
    if media != "application/json":
        return None
    checker = jsonschema.Draft202012Validator({**content[media]["schema"], "components": API["components"]})
    error = jsonschema.exceptions.best_match(checker.iter_errors(json.loads(text)))
    return error and f"{error.json_path}: {error.message}"


def wrong_keys():
    """Headers that let nobody in where the key is "right"."""
    return [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}, {"Authorization": "right"},
            {"Authorization": "Basic cmlnaHQ="}, {"Authorization": "Bearer right x"}, {"x-api-key": "righ"},
            {"x-api-key": ""}, {"Cookie": "key=right"}]


def spellings(path):
    """Other ways to write a path, none of which may be another way in."""
    return {path, "/" + path, path + "/", path.upper(), path.replace("/", "/%2e/", 1), path.replace("/", "/../", 1),
            path.replace("a", "%61"), path.replace("/", "%2f"), path + "?key=right", path + "%00", path + ";x",
            path + "#", "http://localhost" + path}
