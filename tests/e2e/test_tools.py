# SPDX-License-Identifier: Apache-2.0
"""Tools of a chat, in every API: with the openai client, and byte by byte."""
import json

import jsonschema
import openai
import pytest

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 30}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather of a city", "parameters": WEATHER}},
         {"type": "function", "function": {"name": "clock", "description": "The time now"}}]
ASK = [{"role": "user", "content": "How will the weather in Oslo be?"}]
NAMED = {"type": "function", "function": {"name": "weather"}}


def ask(server, **more):
    settings = {"model": "smollm2", "messages": ASK, "tools": TOOLS, "max_tokens": 400} | more
    return server.client().chat.completions.create(**settings)


def check(name, arguments):
    assert name in ("weather", "clock")
    jsonschema.validate(arguments, WEATHER if name == "weather" else {"type": "object", "maxProperties": 0})


@pytest.mark.parametrize("seed", range(4))
def test_a_required_call_comes_and_fits(server, seed):
    choice = ask(server, tool_choice="required", parallel_tool_calls=False, seed=seed).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    (call,) = choice.message.tool_calls
    assert call.type == "function" and len(call.id) == 9
    check(call.function.name, json.loads(call.function.arguments))


def several(server):
    """Settings whose answer has several whole calls: answers are the same on every machine."""
    for seed in range(40):
        settings = {"tool_choice": NAMED, "seed": seed, "temperature": 1.0, "max_tokens": 150}
        choice = ask(server, **settings).choices[0]
        if choice.finish_reason == "tool_calls" and len(choice.message.tool_calls) > 1:
            return settings, choice.message.tool_calls
    raise AssertionError("no seed gives several calls")


def test_several_calls_come_whole_and_streamed_with_index_and_id_once(server):
    settings, whole = several(server)
    assert {call.function.name for call in whole} == {"weather"}
    assert len({call.id for call in whole}) == len(whole)
    for call in whole:
        check(call.function.name, json.loads(call.function.arguments))
    calls, reasons = {}, []
    for chunk in ask(server, stream=True, **settings):
        choice = chunk.choices[0]
        reasons += [choice.finish_reason] if choice.finish_reason else []
        assert not choice.delta.content
        for part in choice.delta.tool_calls or []:
            if part.id is not None:
                assert part.index == len(calls) and part.type == "function"
                calls[part.index] = [part.function.name, ""]
            else:
                assert part.function.name is None
            calls[part.index][1] += part.function.arguments or ""
    assert reasons == ["tool_calls"]
    assert [tuple(calls[i]) for i in sorted(calls)] == [(c.function.name, c.function.arguments) for c in whole]


def test_auto_may_say_something_and_none_does(server):
    for settings in ({"tool_choice": "none"}, {}, {"tool_choice": "auto", "n": 3, "temperature": 1.2}):
        for choice in ask(server, max_tokens=60, seed=2, **settings).choices:
            for call in choice.message.tool_calls or []:
                if choice.finish_reason == "tool_calls":
                    check(call.function.name, json.loads(call.function.arguments))
            if settings.get("tool_choice") == "none":
                assert choice.message.tool_calls is None and choice.message.content


def by_example(*cities):
    """A conversation in which every question was answered by a call, for models that seldom call by themselves."""
    messages = []
    for i, city in enumerate(cities):
        call = {"id": f"example0{i}", "type": "function", "function": {
            "name": "weather", "arguments": json.dumps({"city": city, "days": i + 1})}}
        messages += [{"role": "user", "content": f"How will the weather in {city} be for {i + 1} days?"},
                     {"role": "assistant", "content": "", "tool_calls": [call]},
                     {"role": "tool", "tool_call_id": call["id"], "content": f"{9 - i} degrees, clear"},
                     {"role": "assistant", "content": f"In {city} it will be clear, with {9 - i} degrees."}]
    return messages + [{"role": "user", "content": "How will the weather in Oslo be for 2 days?"}]


def test_auto_calls_fit_too_and_may_be_streamed(server):
    settings = {"messages": by_example("Rome", "Bonn", "Kiel"), "temperature": 0, "parallel_tool_calls": False,
                "max_tokens": 100}
    choice = ask(server, **settings).choices[0]
    assert choice.finish_reason == "tool_calls", choice
    check(choice.message.tool_calls[0].function.name, json.loads(choice.message.tool_calls[0].function.arguments))
    parts = [call.function.arguments for chunk in ask(server, stream=True, **settings)
             for call in chunk.choices[0].delta.tool_calls or []]
    assert "".join(parts) == choice.message.tool_calls[0].function.arguments


def test_results_go_back_into_the_conversation(server):
    call = {"id": "abcdefghi", "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Oslo", "days": 1}'}}
    messages = ASK + [{"role": "assistant", "content": None, "tool_calls": [call]},
                      {"role": "tool", "tool_call_id": "abcdefghi", "content": "4 degrees, snow"}]
    assert ask(server, messages=messages, tool_choice="none", max_tokens=30).choices[0].message.content
    prompt = server.post("/apply-template", {"messages": messages, "tools": TOOLS})["prompt"]
    for text in ("The weather of a city", '<tool_call>\n{"name": "weather", "arguments": {"city":"Oslo","days":1}}',
                 "<tool_response>\n4 degrees, snow\n</tool_response>"):
        assert text in prompt, prompt


def test_a_form_of_the_answer_holds_beside_tools(server):
    answer = ask(server, response_format={"type": "json_schema", "json_schema": {
        "name": "n", "schema": {"type": "integer", "minimum": 1, "maximum": 9}}}, seed=4)
    message = answer.choices[0].message
    assert message.tool_calls or 1 <= json.loads(message.content) <= 9


@pytest.mark.parametrize("more, named", [
    ({"tools": [], "tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": {"type": "function", "function": {"name": "none"}}}, "names no tool"),
    ({"tool_choice": "always"}, "tool_choice"),
    ({"tools": TOOLS + TOOLS}, "earlier tool"),
    ({"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"not": {}}}}]},
     "tool f: .*keyword not"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"if": {}}}}],
      "tool_choice": "required"}, "tool f: .*keyword if"),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ({"extra_body": {"guided_regex": "a"}}, "guided_regex"),
])
def test_what_cannot_be_is_a_400_that_names_it(server, more, named):
    with pytest.raises(openai.BadRequestError, match=named):
        ask(server, **more)


ANTHROPIC = {"model": "smollm2", "messages": ASK, "max_tokens": 300, "seed": 1, "tools": [
    {"name": "weather", "description": "The weather of a city", "input_schema": WEATHER}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}


def test_anthropic_calls_whole_and_streamed(server):
    whole = server.post("/v1/messages", ANTHROPIC)
    assert whole["stop_reason"] == "tool_use"
    (block,) = whole["content"]
    assert block["type"] == "tool_use" and block["name"] == "weather"
    jsonschema.validate(block["input"], WEATHER)
    events = [data for _, data in server.events("/v1/messages", ANTHROPIC | {"stream": True})]
    (start,) = [e for e in events if e["type"] == "content_block_start"]
    assert start["content_block"] == block | {"id": start["content_block"]["id"], "input": {}}
    deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    assert {d["type"] for d in deltas} == {"input_json_delta"}
    assert json.loads("".join(d["partial_json"] for d in deltas)) == block["input"]
    assert [e["delta"]["stop_reason"] for e in events if e["type"] == "message_delta"] == ["tool_use"]
    named = server.post("/v1/messages", ANTHROPIC | {"tool_choice": {"type": "tool", "name": "weather"}})
    assert {(b["type"], b["name"]) for b in named["content"]} == {("tool_use", "weather")}
    status, text, _ = server.ask("POST", "/v1/messages", ANTHROPIC | {"tools": [
        {"name": "f", "input_schema": {"type": "object", "not": {}}}]})
    assert status == 400 and "keyword not" in json.loads(text)["error"]["message"]


def test_ollama_calls_are_whole_in_a_line(server):
    body = {"model": "smollm2", "messages": ASK, "tools": TOOLS, "tool_choice": "required",
            "parallel_tool_calls": False, "options": {"seed": 1, "num_predict": 300}}
    lines = server.lines("/api/chat", body)
    (calls,) = [line["message"]["tool_calls"] for line in lines if "tool_calls" in line["message"]]
    (call,) = calls
    check(call["function"]["name"], call["function"]["arguments"])
    assert lines[-1]["done"] and lines[-1]["done_reason"] == "stop"
    whole = server.post("/api/chat", body | {"stream": False})
    assert whole["message"]["tool_calls"] == calls and whole["message"]["content"] == ""
    number = server.post("/api/chat", {"model": "smollm2", "messages": ASK, "stream": False,
                                       "format": {"type": "integer", "minimum": 1, "maximum": 9}})
    assert 1 <= json.loads(number["message"]["content"]) <= 9


def test_responses_have_calls_as_items(server):
    body = {"model": "smollm2", "input": ASK[0]["content"], "max_output_tokens": 300, "seed": 1,
            "tools": [{"type": "function"} | tool["function"] for tool in TOOLS],
            "tool_choice": "required", "parallel_tool_calls": False}
    whole = server.post("/v1/responses", body)
    (item,) = whole["output"]
    assert whole["status"] == "completed" and item["type"] == "function_call" and item["status"] == "completed"
    check(item["name"], json.loads(item["arguments"]))
    events = server.events("/v1/responses", body | {"stream": True})
    names = [name for name, _ in events]
    assert names[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert names[-3:] == ["response.function_call_arguments.done", "response.output_item.done", "response.completed"]
    delta = "".join(d["delta"] for n, d in events if n == "response.function_call_arguments.delta")
    assert delta == item["arguments"] == events[-3][1]["arguments"]
    assert events[-1][1]["response"]["output"][0]["name"] == item["name"]
    again = [{"role": "user", "content": ASK[0]["content"]}, item,
             {"type": "function_call_output", "call_id": item["call_id"], "output": "4 degrees"}]
    assert server.post("/v1/responses", body | {"input": again, "tool_choice": "none", "max_output_tokens": 20})
    number = server.post("/v1/responses", {"input": "A number:", "text": {"format": {
        "type": "json_schema", "name": "n", "schema": {"type": "integer", "minimum": 1, "maximum": 9}}}})
    assert 1 <= json.loads(number["output"][0]["content"][0]["text"]) <= 9


def test_a_batch_calls_tools_too(smollm2, tmp_path):
    def line(name, **more):
        body = {"messages": ASK, "tools": TOOLS, "max_tokens": 300, "seed": 2, "parallel_tool_calls": False} | more
        return json.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n"
    bad = [{"type": "function", "function": {"name": "f", "parameters": {"not": {}}}}]
    (tmp_path / "in").write_text(line("good", tool_choice="required") + line("bad", tool_choice="required", tools=bad))
    assert smollm2("batch", "smollm2", tmp_path / "in", tmp_path / "out", "--context", "1024").returncode == 0
    results = {r["custom_id"]: r["response"] for r in map(json.loads, (tmp_path / "out").read_text().splitlines())}
    choice = results["good"]["body"]["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    check(call["function"]["name"], json.loads(call["function"]["arguments"]))
    assert results["bad"]["status_code"] == 400 and "keyword not" in results["bad"]["body"]["error"]["message"]
