# SPDX-License-Identifier: Apache-2.0
"""Several models in one server: loaded when asked for, under one bound of memory."""
import concurrent.futures
import json
import re

import pytest

from conftest import Cairn, model_folder
from serving import Server


@pytest.fixture()
def three(smollm2, tmp_path):
    """A server of three names of one file, none of them loaded yet; two fit into its memory."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.gguf").symlink_to(model_folder() / "smollm2.gguf")
    size = (model_folder() / "smollm2.gguf").stat().st_size >> 20
    running = Server(Cairn(tmp_path), "--memory", f"{2 * (size + 33) + 1}M", models=[], kv_memory="32M")
    yield running
    running.stop()


def loaded(server):
    return set(re.findall(r'cairn_steps_total\{model="(\w+)"', server.ask("GET", "/metrics")[1]))


def say(server, model, **more):
    return server.post("/v1/completions", {"model": model, "prompt": "One, two", "max_tokens": 4, **more})


def test_the_one_used_longest_ago_makes_room(three):
    assert loaded(three) == set()
    said = say(three, "a")["choices"][0]["text"]
    say(three, "b")
    assert loaded(three) == {"a", "b"}
    say(three, "a")
    assert say(three, "c")["choices"][0]["text"] == said and loaded(three) == {"a", "c"}


def test_models_that_answer_are_not_unloaded(three):
    long = {"max_tokens": 700, "ignore_eos": True, "temperature": 0}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = [pool.submit(say, three, name, **long) for name in ("a", "b")]
        while len(loaded(three)) < 2 or three.metric("cairn_requests_running") == 0:
            pass
        status, text, headers = three.ask("POST", "/v1/completions", {"model": "c", "prompt": "a", "max_tokens": 1})
        if not all(answer.done() for answer in answers):  # else there was room
            assert status == 429 and "memory" in json.loads(text)["error"]["message"] and headers["Retry-After"]
        texts = [answer.result()["choices"][0]["text"] for answer in answers]
    assert texts[0] == texts[1]
    assert say(three, "c") and "c" in loaded(three)
