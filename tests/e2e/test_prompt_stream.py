# SPDX-License-Identifier: Apache-2.0
"""POST /v1/stream and its WebSocket: prompts that arrive in pieces."""
import http.client
import json
import socket
import subprocess
import sys
import time

import pytest
import websocket

from conftest import ROOT, SECONDS

STORY = (ROOT / "tests/data/persuasion.txt").read_text()[:2400]
PIECES = [STORY[i:i + 400] for i in range(0, len(STORY), 400)]
QUESTION = "\nWho is Sir Walter?"


def ask(server, lines, pause=0.0, read=True):
    """Sends the lines, each a chunk, and gives the response and its text."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)

    def body():
        for line in lines:
            yield (line if isinstance(line, str) else json.dumps(line)).encode() + b"\n"
            time.sleep(pause)

    connection.request("POST", "/v1/stream", body(), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    response = connection.getresponse()
    return response.status, response.read().decode() if read else ""


def chat(text, **more):
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 16, **more}


def whole(server, body):
    path = "/v1/chat/completions" if "messages" in body else "/v1/completions"
    return server.post(path, body)["choices"][0]


def test_an_answer_is_that_of_the_whole_prompt(server):
    wanted = whole(server, chat(STORY + QUESTION, cache_prompt=False))
    lines = [{"open": chat("", cache_prompt=False)}, *({"append": piece} for piece in PIECES),
             {"append": QUESTION}, {"finish": True}]
    for pause in (0, 0.05):
        status, text = ask(server, lines, pause)
        assert status == 200, text
        assert json.loads(text)["choices"][0]["message"] == wanted["message"]
    status, text = ask(server, lines[:-1])  # the end of the body finishes too
    assert json.loads(text)["choices"][0]["message"] == wanted["message"]
    wanted = whole(server, {"prompt": STORY, "max_tokens": 8, "cache_prompt": False})
    status, text = ask(server, [{"open": {"prompt": STORY[:77], "max_tokens": 8}}, {"append": STORY[77:]}])
    assert json.loads(text)["choices"][0]["text"] == wanted["text"]


def test_an_update_is_another_prompt(server):
    wanted = whole(server, chat("Name a river."))
    lines = [{"open": chat("Name a mountain of ")}, {"append": "Europe, "}, {"update": chat("Name a ")},
             {"append": "river."}]
    status, text = ask(server, lines, 0.05)
    assert status == 200 and json.loads(text)["choices"][0]["message"] == wanted["message"]


def test_what_has_come_is_computed_while_the_rest_is_on_its_way(server):
    before = server.metric("cairn_prompt_rows_total")
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)

    def send(value):
        line = json.dumps(value).encode() + b"\n"
        connection.sendall(b"%x\r\n%s\r\n" % (len(line), line))

    connection.sendall(b"POST /v1/stream HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    send({"open": chat("At sea: ", cache_prompt=False, stream=True)})
    send({"append": STORY[:1500]})
    deadline = time.monotonic() + SECONDS
    while server.metric("cairn_prompt_rows_total") < before + 250:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    head = connection.recv(1 << 16).decode()
    assert " 200 " in head and '"role":"assistant"' in head and '"content":"' in head, "the stream has begun"
    connection.close()  # a client that goes before the end
    while server.metric("cairn_requests_running") > 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("lines, word", [
    ([], "open"), ([{"append": "x"}], "open"), (["{"], "line 1"), ([{"open": {"prompt": 3}}], "prompt"),
    ([{"open": {"prompt": "a"}}, {"append": 3}], "append"), ([{"open": {"prompt": "a"}}, {"other": 1}], "line 2"),
    ([{"open": {"prompt": "a"}}, {"update": {"messages": []}}], "messages"),
    ([{"open": {"prompt": [1, 2]}}], "text"), ([{"open": {"prompt": "a"}}, {"open": {"prompt": "a"}}], "open"),
    ([{"open": {"prompt": "a", "model": "none"}}], "smollm2"),
    ([{"open": {"prompt": "a"}}, {"append": "word " * 3000}], "context"),
])
def test_what_makes_no_sense_is_refused_and_named(server, lines, word):
    status, text = ask(server, lines)
    assert status in (400, 404) and word in json.loads(text)["error"]["message"], text


def test_a_stream_that_has_begun_ends_with_an_error_event(server):
    lines = [{"open": chat("Well, ", stream=True)}, {"append": "now "}, {"nonsense": 1}]
    status, text = ask(server, lines, 0.3)
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert status == 200 and "line 3" in events[-1]["error"]["message"] and "[DONE]" not in text


def test_a_web_socket_takes_lines_and_gives_events(server):
    wanted = whole(server, chat(STORY + QUESTION))
    client = websocket.create_connection(f"ws://127.0.0.1:{server.port}/v1/stream", timeout=SECONDS,
                                         suppress_origin=True)
    client.send(json.dumps({"open": chat("", stream=True)}))
    for piece in [*PIECES, QUESTION]:
        client.send(json.dumps({"append": piece}))
    client.send(json.dumps({"finish": True}))
    said, reason = "", None
    while reason is None:
        choice = json.loads(client.recv())["choices"][0]
        said += choice["delta"].get("content", "")
        reason = choice["finish_reason"]
    assert said == wanted["message"]["content"] and reason == wanted["finish_reason"]
    code, data = client.recv_data()
    assert code == websocket.ABNF.OPCODE_CLOSE and int.from_bytes(data[:2], "big") == 1000
    client.close()
    client = websocket.create_connection(f"ws://127.0.0.1:{server.port}/v1/stream", timeout=SECONDS,
                                         suppress_origin=True)
    client.send("nonsense")
    assert "line 1" in json.loads(client.recv())["error"]["message"]
    code, data = client.recv_data()
    assert code == websocket.ABNF.OPCODE_CLOSE and int.from_bytes(data[:2], "big") == 1008
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(f"ws://127.0.0.1:{server.port}/v1/models", timeout=SECONDS, suppress_origin=True)
    assert refused.value.status_code == 200, "a path that is no WebSocket answers as ever"


def test_the_example_answers(server, tmp_path):
    files = []
    for i, piece in enumerate(PIECES[:2]):
        files.append(tmp_path / f"{i}.txt")
        files[-1].write_text(piece)
    done = subprocess.run([sys.executable, str(ROOT / "examples/stream_context.py"), "--url",
                           f"http://127.0.0.1:{server.port}", "--delay", "0.1", "Who is Sir Walter?", *map(str, files)],
                          capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0 and done.stdout.strip() and "first token" in done.stderr, done.stderr
