# SPDX-License-Identifier: Apache-2.0
"""The APIs of other servers, byte by byte: what their clients rely on."""
import json

import pytest

CHAT = [{"role": "user", "content": "Name three rivers."}]


@pytest.fixture(scope="module")
def said(server):
    """What the model says to CHAT with seed 7 in 20 tokens."""
    whole = server.post("/v1/chat/completions", {"messages": CHAT, "max_tokens": 20, "seed": 7})
    return whole["choices"][0]["message"]["content"]


def test_anthropic_messages_whole_and_streamed(server, said):
    body = {"model": "smollm2", "messages": CHAT, "max_tokens": 20, "seed": 7}
    whole = server.post("/v1/messages", body)
    assert whole["content"] == [{"type": "text", "text": said}]
    assert whole["role"] == "assistant" and whole["stop_reason"] == "max_tokens"
    assert whole["usage"]["output_tokens"] == 20
    events = server.events("/v1/messages", body | {"stream": True})
    assert all(name == data["type"] for name, data in events)
    names = [name for name, _ in events]
    assert names[:3] == ["message_start", "ping", "content_block_start"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert "".join(d["delta"]["text"] for n, d in events if n == "content_block_delta") == said
    assert events[-2][1]["delta"]["stop_reason"] == "max_tokens"
    counted = server.post("/v1/messages/count_tokens", {"model": "smollm2", "messages": CHAT})["input_tokens"]
    usage = whole["usage"]
    assert counted == usage["input_tokens"] + usage["cache_read_input_tokens"]


def test_anthropic_goes_on_from_a_beginning_and_tells_what_stopped_it(server):
    body = {"messages": [*CHAT, {"role": "assistant", "content": "The Amazon, the Nile,"}], "max_tokens": 12,
            "temperature": 0, "model": "smollm2"}
    went_on = server.post("/v1/messages", body)["content"][0]["text"]
    assert went_on.strip() and "Nile" not in went_on
    word = went_on.split()[0]
    stopped = server.post("/v1/messages", body | {"stop_sequences": ["@@", word]})
    assert stopped["stop_reason"] == "stop_sequence" and stopped["stop_sequence"] == word
    status, text, _ = server.ask("POST", "/v1/messages", {"model": "smollm2", "messages": CHAT})
    assert status == 400 and json.loads(text)["type"] == "error"
    assert json.loads(text)["error"] == {"type": "invalid_request_error", "message": "max_tokens is missing"}
    status, text, _ = server.ask("POST", "/v1/messages", body | {"model": "claude"})
    assert status == 404 and json.loads(text)["error"]["type"] == "not_found_error"


def test_ollama_chat_and_generate(server, said):
    options = {"options": {"seed": 7, "num_predict": 20}}
    body = {"model": "smollm2:latest", "messages": CHAT, **options}
    lines = server.lines("/api/chat", body)
    assert "".join(line["message"]["content"] for line in lines) == said
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    last = lines[-1]
    assert last["done_reason"] == "length" and last["eval_count"] == 20 and last["prompt_eval_count"] > 10
    assert last["model"] == "smollm2:latest" and last["total_duration"] >= last["eval_duration"] > 0
    assert server.post("/api/chat", body | {"stream": False})["message"]["content"] == said
    plain = {"model": "smollm2", "prompt": CHAT[0]["content"], **options}
    assert "".join(line["response"] for line in server.lines("/api/generate", plain)) == said
    prompt = server.post("/apply-template", {"messages": CHAT})["prompt"]
    raw = server.post("/api/generate", {"model": "smollm2", "prompt": prompt, "raw": True, "stream": False, **options})
    assert raw["response"] == said


def test_ollama_models(server):
    assert server.ask("GET", "/")[1] == "Ollama is running"
    assert server.ask("HEAD", "/", headers={"Accept": "text/html"})[2]["Content-Type"].startswith("text/html")
    assert server.ask("HEAD", "/")[0] == 200
    assert "version" in json.loads(server.ask("GET", "/api/version")[1])
    (model,) = json.loads(server.ask("GET", "/api/tags")[1])["models"]
    assert model["name"] == "smollm2:latest" and model["details"]["family"] == "llama" and model["size"] > 9e7
    shown = server.post("/api/show", {"model": "smollm2"})
    assert "im_start" in shown["template"] and "completion" in shown["capabilities"]
    assert shown["model_info"]["llama.context_length"] == 8192
    (running,) = json.loads(server.ask("GET", "/api/ps")[1])["models"]
    assert running["name"] == "smollm2:latest" and running["context_length"] == 1024
    assert server.post("/api/pull", {"model": "smollm2"}) == {"status": "success"}
    loaded = server.post("/api/generate", {"model": "smollm2"})
    assert loaded["done"] and loaded["done_reason"] == "load"
    for path, body in (("/api/chat", {"model": "none", "messages": CHAT}), ("/api/show", {"model": "none"}),
                       ("/api/generate", {"model": "none"}), ("/api/pull", {"model": "none"})):
        status, text, _ = server.ask("POST", path, body)
        assert status == 404 and json.loads(text)["error"], text
    status, text, _ = server.ask("POST", "/api/chat", {"model": "smollm2", "messages": CHAT,
                                                       "options": {"temperature": -1}})
    assert status == 400 and "options.temperature" in json.loads(text)["error"]


def test_llama_server_completion(server, said):
    prompt = server.post("/apply-template", {"messages": CHAT})["prompt"]
    body = {"prompt": prompt, "n_predict": 20, "seed": 7}
    whole = server.post("/completion", body | {"n_probs": 2, "return_tokens": True})
    assert whole["content"] == said and whole["stop"] and whole["stop_type"] == "limit"
    assert whole["tokens_predicted"] == len(whole["tokens"]) == 20 == whole["timings"]["predicted_n"]
    assert [p["id"] for p in whole["completion_probabilities"]] == whole["tokens"]
    events = [data for _, data in server.events("/completion", body | {"stream": True, "return_progress": True})]
    assert "".join(e["content"] for e in events) == said
    assert [e["stop"] for e in events] == [False] * (len(events) - 1) + [True]
    assert any("prompt_progress" in e for e in events)
    tokens = server.post("/tokenize", {"content": prompt})["tokens"]
    again = server.post("/completion", body | {"prompt": tokens})
    mixed = server.post("/completion", body | {"prompt": [*tokens[:3], server.post(
        "/detokenize", {"tokens": tokens[3:]})["content"]]})
    assert again["content"] == mixed["content"] == said
    word = said.split()[1]
    stopped = server.post("/completion", body | {"stop": [word]})
    assert stopped["stop_type"] == "word" and stopped["stopping_word"] == word


def test_llama_server_properties_and_filling_in(server):
    props = json.loads(server.ask("GET", "/props")[1])
    assert props["total_slots"] == 8 and props["default_generation_settings"]["n_ctx"] == 1024
    assert "im_start" in props["chat_template"] and props["eos_token"] == "<|im_end|>"
    slots = json.loads(server.ask("GET", "/slots")[1])
    assert len(slots) == 8 and not slots[7]["is_processing"]
    status, text, _ = server.ask("POST", "/infill", {"input_prefix": "a", "input_suffix": "b"})
    assert status == 400 and "not trained to fill in" in text
    status, text, _ = server.ask("POST", "/v1/completions", {"prompt": "a", "suffix": "b"})
    assert status == 400 and "not trained to fill in" in text


def test_responses_whole_and_streamed(server, said):
    body = {"model": "smollm2", "input": CHAT[0]["content"], "max_output_tokens": 20, "seed": 7}
    whole = server.post("/v1/responses", body)
    assert whole["status"] == "incomplete" and whole["incomplete_details"] == {"reason": "max_output_tokens"}
    assert whole["output"][0]["content"][0]["text"] == said and whole["usage"]["output_tokens"] == 20
    events = server.events("/v1/responses", body | {"stream": True})
    assert all(name == data["type"] for name, data in events)
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    names = [name for name, _ in events]
    assert names[:4] == ["response.created", "response.in_progress", "response.output_item.added",
                         "response.content_part.added"]
    assert names[-4:] == ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                          "response.incomplete"]
    assert "".join(d["delta"] for n, d in events if n == "response.output_text.delta") == said
    assert events[-1][1]["response"]["output"][0]["content"] == whole["output"][0]["content"]
    status, text, _ = server.ask("POST", "/v1/responses", body | {"previous_response_id": "resp_1"})
    assert status == 400 and json.loads(text)["error"]["param"] == "previous_response_id"


def test_every_dialect_says_its_errors_in_its_own_form(server):
    for path, message in (("/v1/chat/completions", lambda e: e["error"]["message"]),
                          ("/v1/responses", lambda e: e["error"]["message"]),
                          ("/v1/messages", lambda e: e["error"]["message"]),
                          ("/api/chat", lambda e: e["error"]),
                          ("/completion", lambda e: e["error"]["message"])):
        for body in ([], {"model": 3}, {"temperature": [], "options": 3, "max_tokens": 1, "model": "smollm2"}):
            status, text, _ = server.ask("POST", path, body)
            assert status == 400 and message(json.loads(text)), (path, body, text)
