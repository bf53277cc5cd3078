# SPDX-License-Identifier: Apache-2.0
"""Conversations that go on from a file (docs/formats/session.md), with real models."""
import json

import pytest
from conftest import one_sentence

FIRST, SECOND = "Name a river.", "Where does it begin?"
WORDS = ("-n", "20", "--temp", "0.7", "--seed", "5")


def ok(done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def chat(cairn, lines, *options, **more) -> str:
    return ok(cairn("chat", "smollm2", *WORDS, *options, stdin="\n".join(lines).encode(), **more))


def known(done) -> int:
    """Tokens of the prompt that were not computed again, as -v says."""
    line = next(line for line in done.stderr.decode().splitlines() if line.startswith("prompt"))
    return int(line.split("(")[1].split()[0]) if "more were known" in line else 0


@pytest.mark.parametrize("kv", ("f16", "q8"))
def test_runs_of_a_session_say_what_one_chat_says(smollm2, tmp_path, kv):
    whole = chat(smollm2, [FIRST, SECOND], "--kv", kv)
    options = ("smollm2", *WORDS, "--kv", kv, "--session", tmp_path / "s", "-v")
    first = smollm2("run", *options, FIRST)
    second = smollm2("run", *options, SECOND)
    assert ok(first) + ok(second) == whole
    assert known(first) == 0 and known(second) > 20
    assert "session: loaded" in second.stderr.decode()
    assert list(tmp_path.iterdir()) == [tmp_path / "s"], "a temporary file is left"


def test_a_chat_goes_on_from_its_session_and_from_a_saved_one(smollm2, tmp_path):
    whole = chat(smollm2, [FIRST, SECOND])
    session = ("--session", tmp_path / "s")
    assert chat(smollm2, [FIRST], *session) + chat(smollm2, [SECOND], *session) == whole
    chat(smollm2, [FIRST, "/save kept"], cwd=tmp_path)
    loaded = chat(smollm2, ["/load kept", SECOND, "/save said.json"], cwd=tmp_path)
    assert "Loaded 2 messages from kept: keys and values of" in loaded
    assert whole.endswith(loaded.splitlines()[1] + "\n")
    assert [m["content"] for m in json.loads((tmp_path / "said.json").read_text())][::2] == [
        FIRST, SECOND]


def test_a_text_goes_on_with_the_windows_of_its_layers(gemma3, tmp_path):
    words = ("gemma3", "-n", "12", "--temp", "0", "--session", tmp_path / "s", "-v")
    text = " ".join(f"{n} and" for n in range(400))  # beyond Gemma's window of 512
    first = gemma3("run", *words, text)
    second = gemma3("run", *words, " then")
    said = ok(first).removesuffix("\n")
    assert known(second) > 1000
    assert ok(second) == ok(gemma3("run", "gemma3", "-n", "12", "--temp", "0", text + said + " then"))
    template = tmp_path / "t.jinja"
    template.write_text("{% for m in messages %}{{ m['content'] }}\n{% endfor %}")
    chat_with_it = gemma3("chat", "gemma3", "--chat-template", template, "--session", tmp_path / "s")
    assert "a text that is continued" in one_sentence(chat_with_it.stderr)


def test_what_does_not_fit_is_refused_and_left_as_it_was(smollm2, tmp_path):
    path = tmp_path / "s"
    ok(smollm2("run", "smollm2", *WORDS, "--session", path, FIRST))
    whole = path.read_bytes()

    def refused(*options, content=whole) -> str:
        path.write_bytes(content)
        done = smollm2("run", "smollm2", *WORDS, "--session", path, *options, SECOND)
        assert path.read_bytes() == content, "the file was written"
        assert done.returncode == 1
        return one_sentence(done.stderr)

    assert "--kv" in refused("--kv", "q8")
    assert "--context" in refused("--context", "16")
    assert "continues a text" in refused("--raw")
    assert "ends inside the head" in refused(content=whole[:80])
    assert "bytes" in refused(content=whole[:-1])
    assert "damaged" in refused(content=whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    assert "no session file" in refused(content=b"what is this")
    assert "no session file" in refused(content=b"")
