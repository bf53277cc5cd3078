# SPDX-License-Identifier: Apache-2.0
"""Answers: the same as the program's, alone, streamed, in company, from threads; and their ends."""
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import QUESTION, SECONDS, program

import cairn


def test_answer_is_the_programs(model):
    answer = model.chat().ask(QUESTION)
    assert answer.text == program("run", "smollm2", QUESTION).rstrip("\n")
    assert answer.reason == "end of turn"
    assert model.detokenize(answer.tokens) == answer.text
    assert answer.prompt_tokens > 10 and answer.prompt_seconds > 0


def test_options_are_the_programs(model):
    words = ("--temp", 1.3, "--top-k", 7, "--seed", 12, "-n", 20, "--repeat-penalty", 1.1)
    answer = model.chat("Be brief.").ask(QUESTION, temperature=1.3, top_k=7, seed=12, max_tokens=20,
                                         repeat_penalty=1.1)
    assert answer.text == program("run", "smollm2", QUESTION, "--system", "Be brief.",
                                  *words).rstrip("\n")
    assert answer.reason == "max tokens" and len(answer.tokens) == 20


def test_streamed_texts_are_the_answer(model):
    stream = model.stream("The capital of France is", max_tokens=12, temperature=0)
    texts = list(stream)
    assert len(texts) > 3 and all(texts)
    assert "".join(texts) == stream.answer.text
    assert model.generate("The capital of France is", max_tokens=12, temperature=0) \
        .tokens == stream.answer.tokens


def test_batch_is_what_each_is_alone(model):
    prompts = [f"{i} times {i} is" for i in range(32)]
    together = model.batch(prompts, max_tokens=6, seed=3)
    assert [a.text for a in together] == [model.generate(p, max_tokens=6, seed=3).text
                                          for p in prompts]


def test_batch_runs_side_by_side(model):
    seen = []
    streams = [model.stream(f"{i} and", max_tokens=8, ignore_end=True) for i in range(32)]
    for _ in streams[0]:
        seen.append(model.state["running"])
    assert max(seen) == 32
    assert all(len(stream.answer.tokens) == 8 for stream in streams)


def test_threads_get_their_own_answers(model):
    prompts = [f"Thread {i} says" for i in range(6)]
    alone = [model.generate(p, max_tokens=10).text for p in prompts]
    heard = [""] * len(prompts)

    def ask(at):
        heard[at] = model.generate(prompts[at], max_tokens=10).text

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == alone


def test_interpreter_is_free_while_the_engine_works(model):
    """A step of 512 tokens takes long: another thread counts meanwhile."""
    counted, done = 0, threading.Event()

    def count():
        nonlocal counted
        while not done.is_set():
            counted += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    session = model.session()
    thread.start()
    before = counted
    session.append(list(range(100, 356)), rows=0)
    during = counted - before
    done.set()
    thread.join()
    assert during > 100


def test_conversation_goes_on(model):
    chat = model.chat("Be brief.")
    first = chat.ask("Say hello.", max_tokens=8)
    prompt = model.detokenize(chat.tokens(), special=True)
    assert "Be brief." in prompt and "Say hello." in prompt and first.text in prompt
    again = model.chat("Be brief.")
    again.add("user", "Say hello.")
    again.add("assistant", first.text)
    assert again.tokens() == chat.tokens()
    assert chat.ask("And now?", max_tokens=8).text == again.ask("And now?", max_tokens=8).text
    chat.clear()
    assert chat.tokens() == model.chat("Be brief.").tokens()


def test_template_can_be_given(model):
    chat = model.chat(chat_template="{{ messages[-1]['content'] }} Answer:")
    chat.add("user", "1 + 1?")
    assert model.detokenize(chat.tokens()) == "1 + 1? Answer:"


def test_stop_texts_end_the_answer(model):
    whole = model.generate("1 2 3 4", max_tokens=30, temperature=0).text
    cut = model.generate("1 2 3 4", max_tokens=30, temperature=0, stop=whole[6:9])
    assert cut.text == whole[:whole.index(whole[6:9])] and cut.reason == "stop text"
    assert model.generate("1 2 3 4", max_tokens=30, temperature=0, stop=["no", whole[6:9]]) \
        .text == cut.text


def test_stream_that_is_left_ends(model):
    with model.stream("Once upon a time", ignore_end=True) as stream:
        next(stream)
    assert stream.answer.reason == "cancelled"
    for _ in model.stream("Once upon a time", ignore_end=True):
        break
    model.generate("x", max_tokens=1)
    assert model.state["running"] == 0


def test_cancel_from_another_thread(model):
    stream = model.stream("Once upon a time", ignore_end=True)
    next(stream)
    threading.Timer(0.05, stream.cancel).start()
    assert stream.answer.reason == "cancelled"
    assert stream.answer.text


CTRL_C = """
import sys, cairn
model = cairn.Model("smollm2", context=8192)
print("ready", flush=True)
try:
    {call}
    print("ended")
except KeyboardInterrupt:
    print("interrupted")
print(model.generate("1 2 3 4", max_tokens=4, temperature=0).text)
print(model.state["running"])
"""


@pytest.mark.parametrize("call", [
    "model.generate('Once upon', ignore_end=True)",
    "model.batch(['Once upon', 'a time'] * 4, ignore_end=True)",
    "[None for text in model.stream('Once upon', ignore_end=True)]",
    "model.session().append([500] * 8000)",
])
def test_ctrl_c_is_heard_and_the_model_goes_on(model, call):
    # Whoever runs the tests in the background may ignore the signal, and a child inherits that.
    child = subprocess.Popen([sys.executable, "-c", CTRL_C.format(call=call)], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=SECONDS)
    assert out.splitlines()[0] == "interrupted", out + err
    expected = model.generate("1 2 3 4", max_tokens=4, temperature=0).text
    assert out == f"interrupted\n{expected}\n0\n"


def test_what_has_no_meaning_is_refused_by_name(model):
    for wrong, word in [({"temperature": -1}, "temperature"), ({"top_k": 1.5}, "top_k"),
                        ({"seed": -1}, "seed"), ({"seed": 2**70}, "seed"),
                        ({"max_tokens": -5}, "max_tokens"), ({"priority": 99}, "priority"),
                        ({"stop": [1]}, "stop"), ({"stop": "a\0b"}, "stop")]:
        with pytest.raises(cairn.InvalidArgument, match=word):
            model.generate("a", **wrong)
    with pytest.raises(TypeError, match="no option 'temprature'.*temperature"):
        model.generate("a", temprature=1)
    with pytest.raises(cairn.InvalidArgument, match="question"):
        model.chat().ask("a\0b")
    with pytest.raises(cairn.InvalidArgument):
        model.chat(chat_template="{% for %}")


def test_errors_say_their_kind(tmp_path):
    with pytest.raises(cairn.NotFound) as missing:
        cairn.Model("no-such-model", folder=tmp_path)
    assert isinstance(missing.value, LookupError) and missing.value.code == "not found"
    assert "no-such-model" in str(missing.value)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\x03\0\0\0")
    with pytest.raises(cairn.Corrupt, match="broken.gguf"):
        cairn.Model(broken)
    for wrong in ({"threads": -1}, {"kv": "f8"}, {"isa": "mmx"}, {"sequences": 0},
                  {"context": 2**80}):
        with pytest.raises(cairn.InvalidArgument):
            cairn.Model("smollm2", **wrong)
    with pytest.raises(cairn.NotFound, match="smollm2"):
        cairn.pull("no-such-model", folder=tmp_path)


def test_listing_has_short_names_and_files(tmp_path):
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")
    listed = {one.name: one for one in cairn.models(folder=tmp_path)}
    assert listed["mine.gguf"].path == os.fspath(tmp_path / "mine.gguf")
    assert listed["smollm2"].path is None and listed["smollm2"].size > 50_000_000
