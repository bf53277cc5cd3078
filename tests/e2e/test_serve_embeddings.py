# SPDX-License-Identifier: Apache-2.0
"""/v1/embeddings and /rerank with the openai client and bare requests, on tiny models."""
import base64
import http.client
import json
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openai
import pytest
from conftest import PROGRAM, ROOT, SECONDS, Cairn

ENCODERS = ROOT / "tests/golden/encoders"


class Server:
    def __init__(self, home):
        self.cairn = Cairn(home)
        self.process = subprocess.Popen(
            [str(PROGRAM), "serve", str(ENCODERS / "bert.gguf"), str(ENCODERS / "bert_scores.gguf"),
             "--port", "0"], stderr=subprocess.PIPE, env=self.cairn.environment(), text=True)
        self.lines = [self.process.stderr.readline(), self.process.stderr.readline()]
        assert "ready" in self.lines[1], self.lines
        self.port = int(re.search(r":(\d+)$", self.lines[0].strip()).group(1))

    def client(self):
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key="none",
                             max_retries=0, timeout=SECONDS)

    def post(self, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("home"))
    yield running
    running.stop()


def embedded(server, *lines, **options):
    """What `cairn embed` says of the same texts."""
    arguments = [str(x) for pair in options.items() for x in ("--" + pair[0], pair[1])]
    out = server.cairn("embed", ENCODERS / "bert.gguf", *arguments,
                       stdin="\n".join(lines).encode()).stdout.splitlines()
    return np.array([[float(x) for x in line.split()] for line in out], np.float32)


def test_the_client_gets_what_the_command_says(server):
    texts = ["one text", "another, longer text", "x"]
    result = server.client().embeddings.create(model="bert", input=texts)  # base64 by itself
    assert [d.index for d in result.data] == [0, 1, 2]
    assert np.array_equal(np.array([d.embedding for d in result.data], np.float32),
                          embedded(server, *texts))
    assert result.model == "bert"
    assert result.usage.prompt_tokens == result.usage.total_tokens > 20
    single = server.client().embeddings.create(model="bert", input="one text", dimensions=8,
                                               encoding_format="float")
    assert np.array_equal(np.array(single.data[0].embedding, np.float32),
                          embedded(server, "one text", dimensions=8)[0])


def test_tokens_and_texts_are_the_same(server):
    status, by_ids = server.post("/v1/embeddings", {"input": [[2, 5, 32, 3]]})
    assert status == 200
    assert by_ids["data"][0]["embedding"] == pytest.approx(embedded(server, "ab")[0], abs=1e-7)
    raw = server.post("/v1/embeddings", {"input": [2, 5, 32, 3], "encoding_format": "base64"})[1]
    values = np.frombuffer(base64.b64decode(raw["data"][0]["embedding"]), "<f4")
    assert np.array_equal(values, embedded(server, "ab")[0])


def test_models_are_listed(server):
    assert [m.id for m in server.client().models.list()] == ["bert", "bert_scores"]
    assert server.client().models.retrieve("bert_scores").id == "bert_scores"


@pytest.mark.parametrize("body,words", [
    ({"input": [[5, 64]]}, "token 64 is not in the vocabulary of 64"),
    ({"input": ["short", "a " * 300]}, "input[1]: a text has 302 tokens, at most 192"),
    ({"input": "a", "dimensions": 65}, "dimensions must be at most 64"),
    ({"input": "a", "model": "bert_scores"}, "/rerank is for it"),
])
def test_errors_name_what_is_wrong(server, body, words):
    status, answer = server.post("/v1/embeddings", body)
    assert status == 400 and words in answer["error"]["message"], answer


def test_unknown_models_and_chats_are_refused(server):
    status, answer = server.post("/v1/embeddings", {"input": "a", "model": "gpt"})
    assert status == 404 and "bert, bert_scores" in answer["error"]["message"]
    with pytest.raises(openai.NotFoundError):
        server.client().chat.completions.create(
            model="bert", messages=[{"role": "user", "content": "hi"}])


def test_rerank_sorts_and_cuts(server):
    documents = ["abc", "the query", {"text": "x y"}]
    for path in ("/rerank", "/v1/rerank"):
        status, answer = server.post(path, {"query": "the query", "documents": documents,
                                            "return_documents": True})
        assert status == 200
        best = answer["results"][0]
        assert best["index"] == 1 and best["document"]["text"] == "the query"
        assert best["relevance_score"] == pytest.approx(1, abs=1e-6)
        scores = [r["relevance_score"] for r in answer["results"]]
        assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    status, answer = server.post("/rerank", {"model": "bert_scores", "query": "the query",
                                             "documents": documents, "top_n": 2})
    assert status == 200 and len(answer["results"]) == 2 and answer["usage"]["prompt_tokens"] > 0


def test_many_at_once_are_each_as_alone(server):
    texts = [f"text number {'a' * (i % 17)} {i}" for i in range(60)]
    expected = embedded(server, *texts)

    def ask(i):
        return server.post("/v1/embeddings", {"input": texts[i]})[1]["data"][0]["embedding"]

    with ThreadPoolExecutor(20) as pool:
        for i, got in enumerate(pool.map(ask, range(60))):
            assert np.array_equal(np.array(got, np.float32), expected[i]), i


def test_the_api_of_ollama_gives_the_same_embeddings(server):
    texts = ["the river", "a sound"]
    status, body = server.post("/api/embed", {"model": "bert:latest", "input": texts})
    assert status == 200 and body["prompt_eval_count"] > 2, body
    data = server.post("/v1/embeddings", {"model": "bert", "input": texts})[1]["data"]
    assert body["embeddings"] == [entry["embedding"] for entry in data]
    status, body = server.post("/api/embed", {"model": "bert", "input": 3})
    assert status == 400 and "input" in body["error"]
