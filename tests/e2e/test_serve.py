# SPDX-License-Identifier: Apache-2.0
"""cairn serve with the openai client and with bare sockets."""
import hashlib
import http.client
import json
import signal
import socket
import subprocess
import time

import openai
import pytest

from conftest import PROGRAM, SECONDS, one_sentence
from serving import Server

CHAT = [{"role": "user", "content": "Name three rivers."}]


def test_chat_whole_and_streamed_is_what_run_says(server, smollm2):
    client = server.client()
    whole = client.chat.completions.create(model="smollm2", messages=CHAT, max_tokens=20, seed=7)
    said = smollm2("run", "smollm2", CHAT[0]["content"], "-n", "20", "--seed", "7").stdout.decode()
    assert whole.choices[0].message.content.strip() == said.strip()
    assert whole.choices[0].finish_reason == "length" and whole.usage.completion_tokens == 20
    chunks = list(client.chat.completions.create(
        model="smollm2", messages=CHAT, max_tokens=20, seed=7, n=2, stream=True,
        stream_options={"include_usage": True}))
    assert [c.choices[0].delta.role for c in chunks[:2]] == ["assistant", "assistant"]
    assert chunks[-1].choices == [] and 20 < chunks[-1].usage.completion_tokens <= 40
    of_first = [c.choices[0] for c in chunks[:-1] if c.choices[0].index == 0]
    assert "".join(c.delta.content or "" for c in of_first) == whole.choices[0].message.content
    assert [c.finish_reason for c in of_first if c.finish_reason] == ["length"]
    assert of_first[-1].finish_reason == "length"


def test_logprobs_are_of_the_model_and_the_same_in_every_batch(server):
    client = server.client()

    def ask(stream=False, n=1):
        return client.chat.completions.create(model="smollm2", messages=CHAT, max_tokens=12, seed=7, logprobs=True,
                                              top_logprobs=3, stream=stream, n=n)

    whole = ask()
    tokens = whole.choices[0].logprobs.content
    assert len(tokens) == 12 and whole.system_fingerprint.startswith("fp-")
    assert "".join(t.token for t in tokens) == whole.choices[0].message.content
    assert all(t.logprob <= 0 and len(t.top_logprobs) == 3 for t in tokens)
    assert all(t.top_logprobs[0].logprob >= t.logprob for t in tokens)
    together = [c.choices[0] for c in ask(stream=True, n=3) if c.choices[0].index == 0]
    streamed = [t for c in together if c.logprobs for t in c.logprobs.content]
    assert streamed == tokens
    plain = client.completions.create(model="smollm2", prompt="Once upon a", max_tokens=4, temperature=0, logprobs=2)
    logprobs = plain.choices[0].logprobs
    assert "".join(logprobs.tokens) == plain.choices[0].text and logprobs.text_offset[0] == 0
    best = [max(top, key=top.get) for top in logprobs.top_logprobs]
    assert best == logprobs.tokens, "temperature 0 takes the likeliest"


def test_verify_compares_a_running_server_with_answers_made_alone(server, smollm2):
    url = f"http://127.0.0.1:{server.port}"
    done = smollm2("verify", "smollm2", "--url", url, "--count", "6", "-n", "6", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["different"] == 0 and len({row["hash"] for row in told["rows"]}) == 1
    assert [row["isa"] for row in told["rows"]].count("server") == 4
    done = smollm2("verify", "smollm2", "--url", url, "--server-model", "none", "--count", "1")
    assert done.returncode == 1 and "smollm2" in one_sentence(done.stderr)
    assert smollm2("verify", "smollm2", "--url", "http://127.0.0.1:1", "--count", "1").returncode == 1


def test_a_biased_token_is_said_or_never(server):
    client = server.client()
    word = json.loads(server.ask("POST", "/tokenize", {"content": " river"})[1])["tokens"]
    assert len(word) == 1
    said = client.completions.create(model="smollm2", prompt="A", max_tokens=3, temperature=0,
                                     logit_bias={str(word[0]): 100})
    assert said.choices[0].text == " river river river"
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="smollm2", prompt="A", logit_bias={"1000000": 1})
    assert refused.value.param == "logit_bias" and "1000000" in refused.value.message


def test_progress_and_reasons_come_when_they_are_asked_for_and_happen(server):
    client = server.client()
    long = [{"role": "user", "content": "Say one word. " + "river " * 700}]
    chunks = list(client.chat.completions.create(
        model="smollm2", messages=long, max_tokens=30, n=3, stream=True, extra_body={"return_progress": True}))
    progress = [c.model_extra["prompt_progress"] for c in chunks if "prompt_progress" in c.model_extra]
    assert len(progress) >= 3 and progress[-1]["processed"] == progress[-1]["total"] > 700
    assert [p["processed"] for p in progress] == sorted(p["processed"] for p in progress)
    last = {c.choices[0].index: i for i, c in enumerate(chunks) if c.choices[0].finish_reason}
    assert len(last) == 3
    for index, place in last.items():
        assert all(c.choices[0].index != index for c in chunks[place + 1:])


def test_thoughts_are_apart_where_the_template_knows_them(smollm2, tmp_path):
    template = tmp_path / "thinking.jinja"
    template.write_text("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}<|im_end|>\n"
                        "{% endfor %}<|im_start|>assistant\n{% if think %}<think>\n{% endif %}")
    server = Server(smollm2, "--chat-template", str(template))
    try:
        client = server.client()
        tokens = json.loads(server.ask("POST", "/tokenize", {"content": "</think>"})[1])["tokens"]

        def ask(think, stream=False, **more):
            return client.chat.completions.create(
                model="smollm2", messages=CHAT, max_tokens=12, seed=3, stream=stream,
                extra_body={"chat_template_kwargs": {"think": think}} | more)

        thought = ask(True).choices[0].message
        assert thought.content == "" and thought.reasoning_content
        streamed = "".join(getattr(c.choices[0].delta, "reasoning_content", None) or "" for c in ask(True, True))
        assert streamed == thought.reasoning_content
        assert ask(True, reasoning_format="none").choices[0].message.content.strip() == thought.reasoning_content
        said = ask(False).choices[0].message
        assert said.content and not hasattr(said, "reasoning_content")
        assert len(tokens) > 1 and "think" in server.ask("POST", "/apply-template", {
            "messages": CHAT, "chat_template_kwargs": {"think": True}})[1]
    finally:
        server.stop()


def test_completions_and_models(server):
    client = server.client()
    text = client.completions.create(model="smollm2", prompt="Once upon a time", max_tokens=5, temperature=0)
    assert text.usage.completion_tokens == 5 and text.choices[0].text
    assert [m.id for m in client.models.list()] == ["smollm2"]
    assert client.models.retrieve("smollm2").id == "smollm2"


def test_errors_name_what_is_wrong(server):
    client = server.client()
    with pytest.raises(openai.NotFoundError, match="smollm2") as unknown:
        client.chat.completions.create(model="gpt", messages=CHAT)
    assert (unknown.value.param, unknown.value.code) == ("model", "model_not_found")
    with pytest.raises(openai.BadRequestError, match="temperature") as hot:
        client.chat.completions.create(model="smollm2", messages=CHAT, temperature=1000)
    assert hot.value.param == "temperature"
    with pytest.raises(openai.BadRequestError, match=r"prompt has \d{4} tokens, the context holds 1024") as long:
        client.completions.create(model="smollm2", prompt="word " * 2000)
    assert (long.value.param, long.value.code) == ("prompt", "context_length_exceeded")
    assert server.ask("POST", "/v1/chat/completions", headers={"Content-Length": "0"})[0] == 400
    assert server.ask("GET", "/v1/chat/completions")[0] == 405
    assert server.ask("GET", "/v1/nothing")[0] == 404


def test_names_and_pages_of_others_are_refused(server):
    assert server.ask("GET", "/v1/models", headers={"Host": "evil.test"})[0] == 403
    assert server.ask("GET", "/v1/models", headers={"Origin": "https://example.com"})[0] == 403
    own = f"127.0.0.1:{server.port}"
    assert server.ask("GET", "/v1/models", headers={"Host": own, "Origin": f"http://{own}"})[0] == 200


def test_a_client_that_goes_cancels_its_answer(server):
    body = json.dumps({"messages": CHAT, "stream": True, "max_tokens": 900, "temperature": 2})
    with socket.create_connection(("127.0.0.1", server.port)) as gone:
        gone.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
                     f"\r\n\r\n{body}".encode())
        assert gone.recv(1000).startswith(b"HTTP/1.1 200")
    until = time.monotonic() + 30
    while server.metric("cairn_requests_running") > 0 or server.metric("cairn_clients_gone_total") == 0:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_tokens_there_and_back(server):
    tokens = json.loads(server.ask("POST", "/tokenize", {"content": "Grüße, world"})[1])["tokens"]
    assert json.loads(server.ask("POST", "/detokenize", {"tokens": tokens})[1]) == {"content": "Grüße, world"}
    assert "Name three rivers." in json.loads(server.ask("POST", "/apply-template", {"messages": CHAT})[1])["prompt"]


def test_keys_are_needed_read_again_and_never_logged(smollm2, tmp_path):
    keys = tmp_path / "keys"
    line = "alice " + hashlib.sha256(b"secret-one").hexdigest() + "\n"
    keys.write_text(line)
    server = Server(smollm2, "--api-key-file", str(keys), "--log", "json")
    for path in ("/v1/models", "//v1/models", "/v1/%6dodels", "/v1/models/", "/metrics", "/none"):
        for method in ("GET", "POST", "PUT", "HEAD", "OPTIONS"):
            status = server.ask(method, path)[0]
            assert status == 401, (method, path, status)
    assert server.ask("GET", "/health/ready")[0] == 200
    assert [m.id for m in server.client("secret-one").models.list()] == ["smollm2"]
    keys.write_text(line.replace("alice", "bob").replace(line.split()[1], hashlib.sha256(b"two").hexdigest()))
    server.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + 20
    while server.ask("GET", "/v1/models", headers={"x-api-key": "two"})[0] != 200:
        assert time.monotonic() < until
    with pytest.raises(openai.AuthenticationError):
        server.client("secret-one").models.list()
    for authorization, status in (("bearer two", 200), ("BEARER  two", 200), ("bearer secret-one", 401), ("basic two", 401)):
        assert server.ask("GET", "/v1/models", headers={"Authorization": authorization})[0] == status, authorization
    log = server.stop()
    assert "secret-one" not in log and '"key":"alice"' in log


def test_limits_of_a_key_are_kept_and_others_do_not_feel_them(smollm2, tmp_path):
    keys = tmp_path / "keys"
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("few", "one", "none", "free")}
    keys.write_text(f"few {hashes['few']} requests=2\none {hashes['one']} concurrent=1\n"
                    f"none {hashes['none']} models=gemma3\nfree {hashes['free']}\n")
    server = Server(smollm2, "--api-key-file", str(keys))
    try:
        def ask(key, **more):
            return server.client(key).chat.completions.create(model="smollm2", messages=CHAT,
                                                              **{"max_tokens": 2} | more)
        ask("few"), ask("few")
        with pytest.raises(openai.RateLimitError, match="2 requests a minute") as refused:
            ask("few")
        assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 30
        under_way = ask("one", stream=True, max_tokens=500)
        next(iter(under_way))
        with pytest.raises(openai.RateLimitError, match="1 answers at a time"):
            ask("one")
        under_way.close()
        until = time.monotonic() + 20
        while True:
            try:
                ask("one")
                break
            except openai.RateLimitError:
                assert time.monotonic() < until
        with pytest.raises(openai.NotFoundError, match="gemma3"):
            ask("none")
        assert not list(server.client("none").models.list())
        for _ in range(3):
            ask("free")
    finally:
        server.stop()


def test_a_drain_lets_answers_finish_and_takes_no_more(smollm2):
    server = Server(smollm2)
    body = json.dumps({"messages": CHAT, "stream": True, "max_tokens": 60, "seed": 3})
    with socket.create_connection(("127.0.0.1", server.port)) as open_one:
        open_one.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
                         f"\r\n\r\n{body}".encode())
        got = open_one.recv(1000)
        server.process.send_signal(signal.SIGTERM)
        while piece := open_one.recv(65536):
            got += piece
    assert b"[DONE]" in got
    assert server.process.wait(SECONDS) == 0


def test_settings_stand_in_a_file_and_in_the_environment(smollm2, tmp_path):
    file = tmp_path / "serve.toml"
    file.write_text('# as a unit would have it\nport = 0\nmodels = ["smollm2"]\nallow-host = ["box", "box.test"]\n'
                    'context = 512\npin = false\nlog = "json"\n')
    environment = smollm2.environment() | {"CAIRN_SERVE_LOG": "off", "CAIRN_SERVE_KV_MEMORY": "128M",
                                           "CAIRN_SERVE_PARALLEL": "3"}
    running = subprocess.Popen([str(PROGRAM), "serve", "--config", str(file), "--context", "640"], text=True,
                               stderr=subprocess.PIPE, env=environment)
    server = Server.__new__(Server)
    server.process, port = running, running.stderr.readline().strip().rsplit(":", 1)[1]
    server.port = int(port)
    assert "ready" in running.stderr.readline()
    props = json.loads(server.ask("GET", "/props", headers={"Host": "box.test"})[1])
    assert props["default_generation_settings"]["n_ctx"] == 640, "the command line wins over the file"
    assert props["total_slots"] == 3
    assert '"path":"/props"' in server.stop(), "the file wins over the environment"
    for text, words in (("ports = 1", "--ports"), ("[a]\nport = 1", "a.port"), ("port = 'x'", "--port")):
        file.write_text(text)
        done = smollm2("serve", "--config", file)
        assert done.returncode == 2 and words in one_sentence(done.stderr), done.stderr
    done = smollm2("serve", "--config", tmp_path / "none")
    assert done.returncode == 2 and b"none" in done.stderr


def test_other_hosts_need_a_key(smollm2):
    result = smollm2("serve", "smollm2", "--host", "0.0.0.0", "--port", "0")
    assert result.returncode == 1 and b"--api-key-file" in result.stderr


def test_a_forced_pre_tokenizer_counts_as_in_every_command(smollm2):
    environment = smollm2.environment() | {"CAIRN_PRE": "nonsense"}
    done = subprocess.run([str(PROGRAM), "serve", "smollm2", "--port", "0"], env=environment, text=True,
                          stderr=subprocess.PIPE, timeout=SECONDS)
    assert done.returncode == 1 and "'nonsense' is not known" in done.stderr


def test_limits_are_what_the_options_say(smollm2):
    running = Server(smollm2, "--max-headers", "2K", "--max-body", "3K", "--max-bodies", "1M", "--max-unread", "64K")
    body = {"content": "x" * 2000}
    assert running.ask("POST", "/tokenize", body, {"a": "b" * 1500})[0] == 200
    assert running.ask("POST", "/tokenize", body, {"a": "b" * 2100})[0] == 431
    assert running.ask("POST", "/tokenize", {"content": "x" * 4000})[0] == 413
    running.stop()
    for name, size in (("--max-headers", "2M"), ("--max-body", "17M"), ("--max-bodies", "1K"), ("--max-unread", "0")):
        done = smollm2("serve", "smollm2", "--port", "0", name, size)
        assert done.returncode == 2 and b"from" in done.stderr and name.encode() in done.stderr, done.stderr
