# SPDX-License-Identifier: Apache-2.0
"""The libraries that programs speak to a server with, each as its users call it: an answer, a stream and errors.

Two of them are large (half a gigabyte, over a minute of pip) and so only tested where they are installed:
.venv/bin/pip install -r scripts/requirements-clients.txt
"""
import asyncio
import os

import pytest

from conftest import SECONDS

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no list of prices from outside
QUESTION = "Name three rivers."
CHAT = [{"role": "user", "content": QUESTION}]


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


def test_llama_index(server, said):
    like = pytest.importorskip("llama_index.llms.openai_like")
    from llama_index.core.llms import ChatMessage
    model = like.OpenAILike(api_base=url(server, "/v1"), api_key="none", model="smollm2", is_chat_model=True,
                            max_tokens=20, temperature=0.8, max_retries=0, timeout=SECONDS,
                            additional_kwargs={"seed": 7})
    messages = [ChatMessage(role="user", content=QUESTION)]
    assert model.chat(messages).message.content == said
    assert "".join(part.delta for part in model.stream_chat(messages)) == said
