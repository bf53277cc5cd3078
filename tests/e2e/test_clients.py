# SPDX-License-Identifier: Apache-2.0
"""The libraries that programs speak to a server with, each as its users call it: answers, streams, tools, schemas, errors.

Three of them are large or need an older openai, and so are only tested where they are installed:
scripts/requirements-clients.txt.
"""
import asyncio
import json
import os
from typing import Literal

import pydantic
import pytest

from conftest import SECONDS
from test_tools import by_example

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no list of prices from outside
QUESTION = "Name three rivers."
CHAT = [{"role": "user", "content": QUESTION}]
ASK = [{"role": "user", "content": "How will the weather in Oslo be?"}]


class Weather(pydantic.BaseModel):
    """The weather of a city"""
    city: Literal["Oslo", "Bonn"]
    days: int = pydantic.Field(ge=1, le=7)


@pytest.fixture(scope="module")
def said(server):
    whole = server.post("/v1/chat/completions", {"messages": CHAT, "max_tokens": 20, "seed": 7})
    return whole["choices"][0]["message"]["content"]


def url(server, path=""):
    return f"http://127.0.0.1:{server.port}{path}"


def test_openai_async_and_responses(server, said):
    import openai
    client = openai.AsyncOpenAI(base_url=url(server, "/v1"), api_key="none", max_retries=0, timeout=SECONDS)

    async def ask():
        asked = dict(model="smollm2", messages=CHAT, max_tokens=20, seed=7)
        whole, stream = await asyncio.gather(client.chat.completions.create(**asked),
                                             client.chat.completions.create(**asked, stream=True))
        streamed = "".join([c.choices[0].delta.content or "" async for c in stream])
        assert whole.choices[0].message.content == streamed == said
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(**asked | {"max_tokens": -5})
        assert refused.value.param == "max_tokens"
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(**asked | {"model": "none"})
        await client.close()

    asyncio.run(ask())
    plain = server.client()
    asked = dict(model="smollm2", input=QUESTION, max_output_tokens=20)
    response = plain.responses.create(**asked, extra_body={"seed": 7})
    assert response.output_text == said and response.status == "incomplete"
    word = said.split()[3]  # the library takes a stream for whole only where it was not cut off
    with plain.responses.stream(**asked, extra_body={"seed": 7, "stop": [word]}) as events:
        deltas = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        final = events.get_final_response()
    assert deltas == final.output_text == said[:said.index(word)] and final.status == "completed"


def test_openai_tools_and_schemas(server):
    import openai
    client = server.client()
    asked = dict(model="smollm2", messages=ASK, seed=1)
    parsed = client.chat.completions.parse(**asked, response_format=Weather)
    assert isinstance(parsed.choices[0].message.parsed, Weather)
    calling = asked | dict(tools=[openai.pydantic_function_tool(Weather, name="weather")], tool_choice="required",
                           parallel_tool_calls=False)
    whole = client.chat.completions.parse(**calling).choices[0].message
    (call,) = whole.tool_calls
    assert isinstance(call.function.parsed_arguments, Weather)
    with client.chat.completions.stream(**calling) as stream:
        parts = [event.arguments_delta for event in stream if event.type == "tool_calls.function.arguments.delta"]
        final = stream.get_final_completion().choices[0].message.tool_calls[0].function
    assert "".join(parts) == final.arguments == call.function.arguments
    back = ASK + [whole.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "4 degrees, snow"}]
    said = client.chat.completions.create(**calling | dict(messages=back, tool_choice="none", max_tokens=20))
    assert said.choices[0].message.content and said.choices[0].message.tool_calls is None

    asked = dict(model="smollm2", input=ASK[0]["content"], extra_body={"seed": 1})
    assert isinstance(client.responses.parse(**asked, text_format=Weather).output_parsed, Weather)
    tools = [{"type": "function", "name": "weather", "parameters": Weather.model_json_schema(), "strict": True}]
    with client.responses.stream(**asked, tools=tools, tool_choice="required", parallel_tool_calls=False) as stream:
        parts = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        (item,) = stream.get_final_response().output
    assert "".join(parts) == item.arguments
    Weather.model_validate_json(item.arguments)


def test_anthropic(server, said):
    import anthropic
    client = anthropic.Anthropic(base_url=url(server), api_key="none", max_retries=0, timeout=SECONDS)
    asked = dict(model="smollm2", messages=CHAT, max_tokens=20, extra_body={"seed": 7})
    whole = client.messages.create(**asked)
    assert whole.content[0].text == said and whole.stop_reason == "max_tokens"
    with client.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == said
        assert stream.get_final_message().usage.output_tokens == 20
    assert client.messages.count_tokens(model="smollm2", messages=CHAT).input_tokens > 10
    with pytest.raises(anthropic.NotFoundError, match="smollm2"):
        client.messages.create(**asked | {"model": "none"})
    with pytest.raises(anthropic.BadRequestError, match="top_k"):
        client.messages.create(**asked | {"extra_body": {"top_k": -9}})

    calling = asked | dict(messages=ASK, max_tokens=200, tool_choice={"type": "any", "disable_parallel_tool_use": True},
                           tools=[{"name": "weather", "description": "The weather of a city",
                                   "input_schema": Weather.model_json_schema()}])
    whole = client.messages.create(**calling)
    (block,) = whole.content
    assert whole.stop_reason == "tool_use" and block.type == "tool_use" and Weather.model_validate(block.input)
    with client.messages.stream(**calling) as stream:
        parts = [event.partial_json for event in stream if event.type == "input_json"]
        final = stream.get_final_message()
    assert json.loads("".join(parts)) == block.input == final.content[0].input and final.stop_reason == "tool_use"
    back = ASK + [{"role": "assistant", "content": whole.content},
                  {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block.id, "content": "4 degrees"}]}]
    answer = client.messages.create(**calling | dict(messages=back, max_tokens=20, tool_choice={"type": "none"}))
    assert answer.content[0].text


def test_ollama(server, said):
    import ollama
    client = ollama.Client(host=url(server), timeout=SECONDS)
    asked = dict(model="smollm2", messages=CHAT, options={"seed": 7, "num_predict": 20})
    assert client.chat(**asked).message.content == said
    assert "".join(part.message.content for part in client.chat(**asked, stream=True)) == said
    generated = client.generate(model="smollm2", prompt=QUESTION, options=asked["options"])
    assert generated.response == said and generated.done_reason == "length"
    assert [m.model for m in client.list().models] == ["smollm2:latest"]
    assert client.ps().models[0].model == "smollm2:latest"
    assert "completion" in client.show("smollm2").capabilities
    assert client.pull("smollm2").status == "success"
    with pytest.raises(ollama.ResponseError, match="smollm2") as refused:
        client.chat(**asked | {"model": "none"})
    assert refused.value.status_code == 404

    shaped = client.chat(**asked | dict(messages=ASK, format=Weather.model_json_schema(), options={"seed": 1}))
    Weather.model_validate_json(shaped.message.content)

    def weather(city: str, days: int) -> str:
        """The weather of a city

        Args:
            city: which
            days: how many
        """
        return f"4 degrees in {city} for {days} days"

    # The API cannot ask for a call, and the model is small: it has an example before it.
    messages = by_example("Rome", "Bonn", "Kiel")
    for message in messages:
        for call in message.get("tool_calls", []):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    calling = dict(model="smollm2", messages=messages, tools=[weather], options={"seed": 1, "temperature": 0,
                                                                                  "num_predict": 200})
    whole = client.chat(**calling).message
    call = whole.tool_calls[0].function
    streamed = [part.message.tool_calls for part in client.chat(**calling, stream=True) if part.message.tool_calls]
    assert streamed[0][0].function == call and call.name == "weather"
    back = [*messages, whole, {"role": "tool", "tool_name": "weather", "content": weather(**call.arguments)}]
    assert client.chat(**calling | dict(messages=back)).message


def test_litellm(server, said):
    litellm = pytest.importorskip("litellm")
    asked = dict(messages=CHAT, max_tokens=20, seed=7, timeout=SECONDS, num_retries=0)
    of_openai = dict(model="openai/smollm2", api_base=url(server, "/v1"), api_key="none")
    assert litellm.completion(**of_openai, **asked).choices[0].message.content == said
    chunks = litellm.completion(**of_openai, **asked, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == said
    of_ollama = dict(model="ollama_chat/smollm2", api_base=url(server))
    assert litellm.completion(**of_ollama, **asked).choices[0].message.content == said
    of_anthropic = dict(model="anthropic/smollm2", api_base=url(server), api_key="none")
    assert litellm.completion(**of_anthropic, messages=CHAT, max_tokens=5).choices[0].message.content
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(**of_openai | {"model": "openai/none"}, **asked)
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(**of_openai, messages=[{"role": "user", "content": "river " * 2000}])

    tool = {"type": "function", "function": {"name": "weather", "parameters": Weather.model_json_schema()}}
    calling = dict(messages=ASK, seed=1, tools=[tool], tool_choice="required", parallel_tool_calls=False)
    message = litellm.completion(**of_openai, **calling).choices[0].message
    Weather.model_validate_json(message.tool_calls[0].function.arguments)
    streamed = litellm.stream_chunk_builder(list(litellm.completion(**of_openai, **calling, stream=True)))
    assert streamed.choices[0].message.tool_calls[0].function == message.tool_calls[0].function
    back = [*ASK, message.model_dump(), {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "4 degrees"}]
    assert litellm.completion(**of_openai, **calling | dict(messages=back, tool_choice="none")).choices[0].message.content
    shaped = litellm.completion(**of_openai, messages=ASK, seed=1, response_format=Weather)
    Weather.model_validate_json(shaped.choices[0].message.content)


def test_langchain(server, said):
    import langchain_openai
    model = langchain_openai.ChatOpenAI(base_url=url(server, "/v1"), api_key="none", model="smollm2", max_tokens=20,
                                        seed=7, max_retries=0, timeout=SECONDS, use_responses_api=False,
                                        temperature=0.8)
    assert model.invoke(QUESTION).content == said
    assert "".join(part.content for part in model.stream(QUESTION)) == said
    assert asyncio.run(model.ainvoke(QUESTION)).content == said
    import openai
    with pytest.raises(openai.BadRequestError, match="context"):
        model.invoke("river " * 2000)

    from langchain_core.messages import HumanMessage, ToolMessage
    model = model.model_copy(update={"max_tokens": 200})
    bound = model.bind_tools([Weather], tool_choice="any", parallel_tool_calls=False)
    messages = [HumanMessage(ASK[0]["content"])]
    answer = bound.invoke(messages)
    (call,) = answer.tool_calls
    assert call["name"] == "Weather" and Weather.model_validate(call["args"])
    together = None
    for part in bound.stream(messages):
        together = part if together is None else together + part
    assert together.tool_calls[0]["args"] == call["args"]
    back = [*messages, answer, ToolMessage("4 degrees", tool_call_id=call["id"])]
    assert model.bind_tools([Weather], tool_choice="none").invoke(back).content
    for method in ("function_calling", "json_schema"):
        assert isinstance(model.with_structured_output(Weather, method=method).invoke(ASK[0]["content"]), Weather)


def test_llama_index(server, said):
    like = pytest.importorskip("llama_index.llms.openai_like")
    from llama_index.core.llms import ChatMessage
    model = like.OpenAILike(api_base=url(server, "/v1"), api_key="none", model="smollm2", is_chat_model=True,
                            max_tokens=20, temperature=0.8, max_retries=0, timeout=SECONDS,
                            additional_kwargs={"seed": 7})
    messages = [ChatMessage(role="user", content=QUESTION)]
    assert model.chat(messages).message.content == said
    assert "".join(part.delta for part in model.stream_chat(messages)) == said

    from llama_index.core.tools import FunctionTool

    def weather(city: str, days: int) -> str:
        """The weather of a city"""
        return f"4 degrees in {city}"

    model = like.OpenAILike(api_base=url(server, "/v1"), api_key="none", model="smollm2", is_chat_model=True,
                            is_function_calling_model=True, max_tokens=200, max_retries=0, timeout=SECONDS,
                            additional_kwargs={"seed": 1})
    answer = model.chat_with_tools([FunctionTool.from_defaults(weather)], user_msg=ASK[0]["content"],
                                   tool_required=True, allow_parallel_tool_calls=False)
    (call,) = model.get_tool_calls_from_response(answer)
    assert call.tool_name == "weather" and set(call.tool_kwargs) == {"city", "days"}
    shaped = model.as_structured_llm(Weather).complete(ASK[0]["content"])
    assert isinstance(shaped.raw, Weather)
    import openai
    with pytest.raises(openai.BadRequestError, match="context"):
        model.chat([ChatMessage(role="user", content="river " * 2000)])


def test_instructor(server):
    instructor = pytest.importorskip("instructor")
    asked = dict(model="smollm2", messages=ASK, seed=1, max_tokens=200, max_retries=0, parallel_tool_calls=False)
    for mode in (instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT, instructor.Mode.JSON_SCHEMA):
        client = instructor.from_openai(server.client(), mode=mode)
        assert isinstance(client.chat.completions.create(response_model=Weather, **asked), Weather), mode
    partial = list(instructor.from_openai(server.client(), mode=instructor.Mode.TOOLS).chat.completions.create_partial(
        response_model=Weather, **asked))
    assert Weather.model_validate(partial[-1].model_dump())


def test_pydantic_ai(server, said):
    from pydantic_ai import Agent, ModelHTTPError, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    provider = OpenAIProvider(base_url=url(server, "/v1"), api_key="none")
    model = OpenAIChatModel("smollm2", provider=provider)
    settings = {"max_tokens": 20, "seed": 7}
    agent = Agent(model, model_settings=settings)
    assert agent.run_sync(QUESTION).output == said

    async def streamed():
        async with agent.run_stream(QUESTION) as result:
            return "".join([text async for text in result.stream_text(delta=True)])

    assert asyncio.run(streamed()) == said
    settings = {"max_tokens": 200, "seed": 1, "parallel_tool_calls": False}
    for shape in (Weather, NativeOutput(Weather)):  # by a call of a tool, and by a form of the answer
        assert isinstance(Agent(model, output_type=shape, model_settings=settings).run_sync(ASK[0]["content"]).output,
                          Weather)
    with pytest.raises(ModelHTTPError, match="smollm2"):
        Agent(OpenAIChatModel("none", provider=provider)).run_sync(QUESTION)


def test_openai_agents(server, said):
    import agents
    import openai
    agents.set_tracing_disabled(True)
    client = openai.AsyncOpenAI(base_url=url(server, "/v1"), api_key="none", max_retries=0, timeout=SECONDS)
    called = []

    @agents.function_tool
    def weather(city: Literal["Oslo", "Bonn"], days: int) -> str:
        """The weather of a city"""
        called.append(city)
        return f"4 degrees in {city}"

    def agent(model, tokens=200, body={"seed": 1}, **more):
        calling = {"tool_choice": "required", "parallel_tool_calls": False} if "tools" in more else {}
        settings = agents.ModelSettings(max_tokens=tokens, extra_body=body, **calling)
        return agents.Agent(name="it", model=model, model_settings=settings, **more)

    word = said.split()[3]  # the library takes no answer that was cut by its limit

    async def ask():
        for model in (agents.OpenAIChatCompletionsModel("smollm2", openai_client=client),
                      agents.OpenAIResponsesModel("smollm2", openai_client=client)):
            plain = agent(model, 20, {"seed": 7, "stop": [word]})
            assert (await agents.Runner.run(plain, QUESTION)).final_output == said[:said.index(word)]
            running = agents.Runner.run_streamed(plain, QUESTION)
            deltas = [event.data.delta async for event in running.stream_events()
                      if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"]
            assert "".join(deltas) == said[:said.index(word)]
            shaped = await agents.Runner.run(agent(model, output_type=Weather), ASK[0]["content"])
            assert isinstance(shaped.final_output, Weather)
            result = await agents.Runner.run(agent(model, tools=[weather], tool_use_behavior="stop_on_first_tool"),
                                             ASK[0]["content"])
            assert result.final_output == f"4 degrees in {called[-1]}"
            with pytest.raises(openai.BadRequestError, match="max"):
                await agents.Runner.run(agent(model, -5), QUESTION)
        await client.close()

    asyncio.run(ask())


def test_llm(server, said):
    import openai
    from llm.default_plugins.openai_models import Chat
    model = Chat("cairn", model_name="smollm2", api_base=url(server, "/v1"), supports_schema=True, supports_tools=True)
    asked = dict(seed=7, max_tokens=20, key="none")
    assert model.prompt(QUESTION, **asked, stream=False).text() == said
    assert "".join(model.prompt(QUESTION, **asked)) == said
    shaped = model.prompt(ASK[0]["content"], schema=Weather, seed=1, key="none").text()
    assert Weather.model_validate_json(shaped)

    def weather(city: str) -> str:
        """The weather of a city"""
        return f"4 degrees in {city}"

    assert model.prompt(ASK[0]["content"], tools=[weather], **asked).text() is not None
    with pytest.raises(openai.BadRequestError, match="max_tokens"):
        model.prompt(QUESTION, max_tokens=-5, key="none").text()
