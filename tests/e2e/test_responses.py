# SPDX-License-Identifier: Apache-2.0
"""Stored responses with the openai client."""
import hashlib
import json

import openai
import pytest

from serving import Server

WORDS = {"max_output_tokens": 12, "extra_body": {"seed": 7, "ignore_eos": True}}


def create(client, **more):
    return client.responses.create(model="smollm2", **WORDS | more)


def test_a_conversation_goes_on_from_a_stored_response(server):
    client = server.client()
    first = create(client, input="Name a river.", instructions="Be short.")
    assert first.store is True and client.responses.retrieve(first.id) == first
    second = create(client, input=[{"role": "user", "content": "And a lake."}], previous_response_id=first.id)
    assert second.previous_response_id == first.id
    whole = create(client, store=False, input=[
        {"role": "user", "content": "Name a river."}, {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "And a lake."}])
    assert whole.output_text == second.output_text and whole.usage.input_tokens == second.usage.input_tokens
    third = create(client, input="Why?", previous_response_id=second.id)
    texts = [item.content[0].text for item in client.responses.input_items.list(third.id, order="asc")]
    assert texts == ["Name a river.", first.output_text, "And a lake.", second.output_text, "Why?"]
    assert third.usage.input_tokens > second.usage.input_tokens
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)
    assert client.responses.retrieve(third.id).output_text == third.output_text, "it has what it needs"
    with pytest.raises(openai.BadRequestError) as refused:
        create(client, input="Why?", previous_response_id=second.id)
    assert refused.value.code == "previous_response_not_found" and refused.value.param == "previous_response_id"


def test_input_items_come_in_pages_the_newest_first(server):
    client = server.client()
    made = create(client, input=[{"role": "user", "content": str(number)} for number in range(45)])
    texts = [item.content[0].text for item in client.responses.input_items.list(made.id)]
    assert texts == [str(number) for number in reversed(range(45))]
    page = client.responses.input_items.list(made.id, limit=3, order="asc")
    assert [item.content[0].text for item in page.data] == ["0", "1", "2"] and page.has_more
    for query, name in (("limit=0", "limit"), ("limit=x", "limit"), ("limit=101", "limit"), ("order=up", "order")):
        status, text, _ = server.ask("GET", f"/v1/responses/{made.id}/input_items?{query}")
        assert status == 400 and json.loads(text)["error"]["param"] == name, text
    assert server.ask("GET", f"/v1/responses/{made.id}/input_items?after=none")[0] == 404
    assert server.ask("GET", f"/v1/responses/{made.id}?stream=true")[0] == 400


def test_streams_and_calls_are_stored_too(server):
    client = server.client()
    with client.responses.stream(model="smollm2", input="Name a river.", **WORDS) as events:
        (last,) = [event.response for event in events if event.type == "response.incomplete"]
    assert client.responses.retrieve(last.id).output_text == last.output_text
    tool = {"type": "function", "name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"enum": ["Oslo"]}}, "required": ["city"], "additionalProperties": False}}
    asked = dict(model="smollm2", tools=[tool], extra_body={"seed": 7})
    called = client.responses.create(**asked, input="Weather in Oslo?", tool_choice="required", parallel_tool_calls=False)
    (call,) = [item for item in called.output if item.type == "function_call"]
    back = {"type": "function_call_output", "call_id": call.call_id, "output": "4 degrees"}
    said = client.responses.create(**asked, input=[back], previous_response_id=called.id, tool_choice="none",
                                   max_output_tokens=12)
    kinds = [item.type for item in client.responses.input_items.list(said.id, order="asc")]
    assert kinds == ["message", "function_call", "function_call_output"] and said.output_text


def test_what_is_not_to_be_stored_is_not(server):
    client = server.client()
    before = server.metric("cairn_stored_responses")
    made = create(client, input="Name a river.", store=False)
    assert made.store is False and server.metric("cairn_stored_responses") == before
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_keys_find_their_own_alone_and_the_store_is_bounded(smollm2, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{name} {hashlib.sha256(name.encode()).hexdigest()}\n" for name in ("ann", "bob")))
    running = Server(smollm2, "--api-key-file", keys, "--responses-size", "16K")
    ann, bob = running.client("ann"), running.client("bob")
    kept = create(ann, input="Name a river.")
    for call in (lambda: bob.responses.retrieve(kept.id), lambda: bob.responses.delete(kept.id),
                 lambda: bob.responses.input_items.list(kept.id)):
        with pytest.raises(openai.NotFoundError):
            call()
    with pytest.raises(openai.BadRequestError):
        create(bob, input="Go on.", previous_response_id=kept.id)
    made = [create(bob, input="Name a lake.", max_output_tokens=1) for _ in range(12)]
    with pytest.raises(openai.NotFoundError):
        bob.responses.retrieve(made[0].id)
    assert bob.responses.retrieve(made[-1].id) and ann.responses.retrieve(kept.id)
    long = create(ann, input="Name a hill.", metadata={"why": "x" * 20_000})
    assert long.store is False and ann.responses.retrieve(kept.id), "longer than all may be"
    running.stop()
    none = Server(smollm2, "--responses-size", "0")
    made = create(none.client(), input="Name a river.")
    assert made.store is False and none.ask("GET", f"/v1/responses/{made.id}")[0] == 404
    none.stop()
