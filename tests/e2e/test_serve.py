# SPDX-License-Identifier: Apache-2.0
"""cairn serve with the openai client and with bare sockets."""
import hashlib
import http.client
import json
import re
import signal
import socket
import subprocess
import time

import openai
import pytest

from conftest import PROGRAM, SECONDS

CHAT = [{"role": "user", "content": "Name three rivers."}]


class Server:
    def __init__(self, cairn, *options, port=0):
        self.process = subprocess.Popen(
            [str(PROGRAM), "serve", "smollm2", "--port", str(port), "--context", "1024", "--kv-memory", "128M",
             *options], stderr=subprocess.PIPE, env=cairn.environment(), text=True)
        self.lines = [self.process.stderr.readline(), self.process.stderr.readline()]
        assert "ready" in self.lines[1], self.lines
        self.port = int(re.search(r":(\d+)$", self.lines[0].strip()).group(1))

    def client(self, key="none", **more):
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=key, max_retries=0,
                             timeout=SECONDS, **more)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers

    def metric(self, name):
        text = self.ask("GET", "/metrics")[1]
        return float(re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE).group(1))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        rest = self.process.communicate(timeout=SECONDS)[1]
        assert self.process.returncode == 0, rest
        return rest


@pytest.fixture(scope="module")
def server(smollm2):
    running = Server(smollm2)
    yield running
    running.stop()


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


def test_completions_and_models(server):
    client = server.client()
    text = client.completions.create(model="smollm2", prompt="Once upon a time", max_tokens=5, temperature=0)
    assert text.usage.completion_tokens == 5 and text.choices[0].text
    assert [m.id for m in client.models.list()] == ["smollm2"]
    assert client.models.retrieve("smollm2").id == "smollm2"


def test_errors_name_what_is_wrong(server):
    client = server.client()
    with pytest.raises(openai.NotFoundError, match="smollm2"):
        client.chat.completions.create(model="gpt", messages=CHAT)
    with pytest.raises(openai.BadRequestError, match="temperature"):
        client.chat.completions.create(model="smollm2", messages=CHAT, temperature=1000)
    with pytest.raises(openai.BadRequestError, match=r"prompt has \d{4} tokens, the context holds 1024"):
        client.completions.create(model="smollm2", prompt="word " * 2000)
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
    log = server.stop()
    assert "secret-one" not in log and '"key":"alice"' in log


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


def test_other_hosts_need_a_key(smollm2):
    result = smollm2("serve", "smollm2", "--host", "0.0.0.0", "--port", "0")
    assert result.returncode == 1 and b"--api-key-file" in result.stderr


def test_a_forced_pre_tokenizer_counts_as_in_every_command(smollm2):
    environment = smollm2.environment() | {"CAIRN_PRE": "nonsense"}
    done = subprocess.run([str(PROGRAM), "serve", "smollm2", "--port", "0"], env=environment, text=True,
                          stderr=subprocess.PIPE, timeout=SECONDS)
    assert done.returncode == 1 and "'nonsense' is not known" in done.stderr
