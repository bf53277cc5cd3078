# SPDX-License-Identifier: Apache-2.0
"""cairn batch, against docs/batch.md: what goes in comes out once, whatever happens in between."""
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import PROGRAM, SECONDS, one_sentence

FAILED, USAGE = 1, 2
RIVERS = "Name a river of Europe and say in two sentences where it flows."
CAPITAL = [504, 3575, 282, 4649, 314]  # "The capital of France is" in smollm2


def chat(custom_id: str, content: str = RIVERS, **body) -> str:
    return line(custom_id, "/v1/chat/completions",
                {"messages": [{"role": "user", "content": content}], "max_tokens": 12} | body)


def plain(custom_id: str, prompt, **body) -> str:
    return line(custom_id, "/v1/completions", {"prompt": prompt} | body)


def line(custom_id: str, url: str, body: dict) -> str:
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body})


def mixed(count: int) -> list[str]:
    """Requests of all kinds whose prompts share beginnings or do not, with other lengths."""
    lines = []
    for i in range(count):
        kinds = (
            lambda: chat(f"chat-{i}", f"{RIVERS} Number {i}.", max_tokens=6 + i % 9, seed=i),
            lambda: plain(f"plain-{i}", f"{i} rivers flow", temperature=1, seed=i, max_tokens=10),
            lambda: plain(f"tokens-{i}", CAPITAL + [30, i + 100], temperature=0, max_tokens=8),
            lambda: chat(f"two-{i}", n=2, seed=i, temperature=1.5, top_k=0, min_p=0),
            lambda: chat(f"long-{i}", "word " * 300 + str(i), max_tokens=3, stop=["."]),
        )
        lines.append(kinds[i % len(kinds)]())
    return lines


def write(path, lines: list[str]):
    path.write_text("".join(one + "\n" for one in lines))
    return path


def results(path) -> list[dict]:
    data = path.read_bytes()
    assert data == b"" or data.endswith(b"\n"), "the last line is not whole"
    return [json.loads(one) for one in data.splitlines()]


def choices(path) -> dict[str, list]:
    out = {}
    for one in results(path):
        assert one["custom_id"] not in out, "answered twice"
        assert one["error"] is None and one["response"]["status_code"] == 200, one
        out[one["custom_id"]] = one["response"]["body"]["choices"]
    return out


def ids(lines: list[str]) -> list[str]:
    return sorted(json.loads(one)["custom_id"] for one in lines)


@pytest.fixture(scope="module")
def reference(smollm2, tmp_path_factory):
    """25 requests and their choices, answered one after the other."""
    folder = tmp_path_factory.mktemp("reference")
    lines = mixed(25)
    done = smollm2("batch", "smollm2", write(folder / "in", lines), folder / "out", "--parallel",
                   "1", "--no-cache")
    assert done.returncode == 0, done.stderr
    found = choices(folder / "out")
    assert sorted(found) == ids(lines)
    return lines, found


@pytest.mark.parametrize("options", [(), ("--parallel", "3"), ("--parallel", "32", "-t", "1"),
                                     ("--no-cache",), ("--kv-memory", "12M"),
                                     ("--kv-memory", "12M", "--kv-swap", "64M", "--no-cache")],
                         ids=" ".join)
def test_choices_do_not_depend_on_company_or_order(smollm2, tmp_path, reference, options):
    lines, found = reference
    source = write(tmp_path / "in", lines[::-1])
    done = smollm2("batch", "smollm2", source, tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert choices(tmp_path / "out") == found


def test_responses_have_the_form_of_the_api(smollm2, tmp_path):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    lines = [chat("a", tools=tools), plain("b", "The capital of France is", temperature=0,
                                           max_tokens=2, model="gpt-4o"),
             plain("c", CAPITAL, temperature=0, max_tokens=2)]
    done = smollm2("batch", "smollm2", write(tmp_path / "in", lines), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "3 answered" in one_sentence(done.stderr)
    by_id = {one["custom_id"]: one for one in results(tmp_path / "out")}
    assert by_id["a"]["id"] == "batch_req_1" and by_id["a"]["error"] is None
    response = by_id["a"]["response"]
    assert response["request_id"] and response["status_code"] == 200
    body = response["body"]
    assert body["object"] == "chat.completion" and body["model"] == "smollm2"
    assert abs(body["created"] - time.time()) < SECONDS
    assert body["choices"][0]["message"]["role"] == "assistant"
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens"] <= 12
    assert 0 <= usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]
    for custom_id in "bc":
        body = by_id[custom_id]["response"]["body"]
        assert body["object"] == "text_completion"
        assert body["choices"] == [{"index": 0, "text": " Paris.", "logprobs": None,
                                    "finish_reason": "length"}]
    assert by_id["b"]["response"]["body"]["usage"] | {"prompt_tokens_details": 0} == \
        by_id["c"]["response"]["body"]["usage"] | {"prompt_tokens_details": 0}


def test_answer_is_that_of_run(smollm2, tmp_path):
    """What a body does not say is as in `cairn run`."""
    lines = [chat("a", max_tokens=24), chat("b", max_tokens=24, seed=3, temperature=0.9)]
    assert smollm2("batch", "smollm2", write(tmp_path / "in", lines),
                   tmp_path / "out").returncode == 0
    found = choices(tmp_path / "out")
    for custom_id, options in (("a", []), ("b", ["--seed", "3", "--temp", "0.9"])):
        run = smollm2("run", "smollm2", RIVERS, "-n", "24", "--json", *options)
        assert found[custom_id][0]["message"]["content"] == json.loads(run.stdout)["text"]


def test_choices_of_one_prompt_differ_and_repeat(smollm2, tmp_path):
    lines = [chat("a", n=4, seed=5, temperature=1.2, max_tokens=24),
             chat("b", n=4, seed=5, temperature=1.2, max_tokens=24)]
    assert smollm2("batch", "smollm2", write(tmp_path / "in", lines),
                   tmp_path / "out").returncode == 0
    found = choices(tmp_path / "out")
    assert found["a"] == found["b"]
    assert [choice["index"] for choice in found["a"]] == [0, 1, 2, 3]
    assert len({choice["message"]["content"] for choice in found["a"]}) > 1


def test_every_line_has_its_result_also_broken_ones(smollm2, tmp_path):
    lines = [
        chat("good", max_tokens=2),
        "{",
        "",
        '{"method": "POST", "url": "/v1/completions", "body": {"prompt": "x"}}',
        chat("good"),
        line("url", "/v1/embeddings", {"input": "x"}),
        plain("hot", "x", temperature="hot"),
        plain("stream", "x", stream=True),
        plain("token", [49152]),
        plain("long", "word " * 9000),
        chat("last", max_tokens=2),
        '{"custom_id": "' + "x" * 17_000_000 + '"}',
        "\xff not UTF-8",
    ]
    source = tmp_path / "in"
    source.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode("latin-1"))
    done = smollm2("batch", "smollm2", source, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "2 answered, 10 failed" in one_sentence(done.stderr)
    found = {one["id"]: one for one in results(tmp_path / "out")}
    assert sorted(found, key=lambda name: int(name.split("_")[-1])) == [
        f"batch_req_{number}" for number in (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)]
    for number, code in ((2, "invalid_line"), (4, "invalid_line"), (5, "duplicate_custom_id"),
                         (12, "invalid_line"), (13, "invalid_line")):
        one = found[f"batch_req_{number}"]
        assert one["response"] is None and one["error"]["code"] == code
        assert one["error"]["message"].startswith(f"line {number}: ")
        assert one["custom_id"] == ("good" if number == 5 else None)
    for number, custom_id, word in ((6, "url", "/v1/embeddings"), (7, "hot", "temperature"),
                                    (8, "stream", "stream"), (9, "token", "49152"),
                                    (10, "long", "context")):
        one = found[f"batch_req_{number}"]
        assert one["custom_id"] == custom_id and one["error"] is None
        assert one["response"]["status_code"] == 400
        error = one["response"]["body"]["error"]
        assert error["type"] == "invalid_request_error" and word in error["message"]
    before = (tmp_path / "out").read_bytes()
    again = smollm2("batch", "smollm2", source, tmp_path / "out")
    assert again.returncode == 0
    assert (tmp_path / "out").read_bytes() == before, "nothing was left to do"


def test_prompt_that_can_never_fit_is_an_error_of_the_line(smollm2, tmp_path):
    lines = [plain("long", "word " * 1000), plain("short", CAPITAL, temperature=0, max_tokens=2)]
    done = smollm2("batch", "smollm2", write(tmp_path / "in", lines), tmp_path / "out",
                   "--kv-memory", "8M")
    assert done.returncode == 0, done.stderr
    by_id = {one["custom_id"]: one["response"] for one in results(tmp_path / "out")}
    assert by_id["long"]["status_code"] == 400
    assert by_id["short"]["body"]["choices"][0]["text"] == " Paris."


def test_chat_with_a_base_model_is_an_error_of_the_line(gemma3, tmp_path):
    lines = [chat("a"), plain("b", "The capital of France is", temperature=0, max_tokens=3)]
    done = gemma3("batch", "gemma3", write(tmp_path / "in", lines), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    by_id = {one["custom_id"]: one["response"] for one in results(tmp_path / "out")}
    assert "chat template" in by_id["a"]["body"]["error"]["message"]
    assert by_id["b"]["body"]["choices"][0]["text"] == " the capital of"


def start(smollm2, *arguments, **more) -> subprocess.Popen:
    return subprocess.Popen([str(PROGRAM), "batch", "smollm2", *map(str, arguments)],
                            env=smollm2.environment(), stderr=subprocess.PIPE, **more)


def wait_for_lines(path, count: int, process) -> None:
    deadline = time.monotonic() + SECONDS
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_again_and_again_every_line_is_answered_once(smollm2, tmp_path, reference):
    lines, found = reference
    source, out = write(tmp_path / "in", lines), tmp_path / "out"
    for count in (1, 7, 15):
        process = start(smollm2, source, out, "--parallel", "4")
        wait_for_lines(out, count, process)
        process.kill()
        process.communicate()
        assert out.read_bytes().count(b"\n") < len(lines), "it was too fast to be killed"
    out.write_bytes(out.read_bytes() + b'{"id":"batch_req_9","custom_id":"tor')
    done = smollm2("batch", "smollm2", source, out)
    assert done.returncode == 0, done.stderr
    assert b"going on from there" in done.stderr
    assert choices(out) == found


def test_broken_lines_come_once_after_a_kill(smollm2, tmp_path):
    """A duplicate's result must not pass for the answer of the line that it repeats."""
    lines = ["broken", chat("a", max_tokens=200, temperature=0), chat("a"), chat("b")]
    source, out = write(tmp_path / "in", lines), tmp_path / "out"
    process = start(smollm2, source, out)
    wait_for_lines(out, 2, process)
    process.kill()
    process.communicate()
    done = smollm2("batch", "smollm2", source, out)
    assert done.returncode == 0, done.stderr
    assert sorted(one["id"] for one in results(out)) == [f"batch_req_{n}" for n in (1, 2, 3, 4)]


def test_interrupted_batch_goes_on(smollm2, tmp_path, reference):
    lines, found = reference
    source, out = write(tmp_path / "in", lines), tmp_path / "out"
    process = start(smollm2, source, out, "--parallel", "2")
    wait_for_lines(out, 2, process)
    process.send_signal(signal.SIGINT)
    _, notes = process.communicate(timeout=SECONDS)
    assert process.returncode == FAILED
    assert b"same command goes on" in notes
    assert 2 <= len(results(out)) < len(lines)
    assert smollm2("batch", "smollm2", source, out).returncode == 0
    assert choices(out) == found


def test_pipes_on_both_sides(smollm2, tmp_path, reference):
    lines, found = reference
    done = smollm2("batch", "smollm2", "-", "-", stdin="\n".join(lines).encode())
    assert done.returncode == 0, done.stderr
    (tmp_path / "out").write_bytes(done.stdout)
    assert choices(tmp_path / "out") == found


def test_pipe_is_answered_before_it_ends(smollm2):
    """A program that waits for each answer before it asks again."""
    process = start(smollm2, "-", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for custom_id in ("a", "b", "c"):
        process.stdin.write(plain(custom_id, "Once", max_tokens=2).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["custom_id"] == custom_id
    rest, _ = process.communicate(timeout=SECONDS)
    assert rest == b"" and process.returncode == 0


def test_closed_pipe_ends_quietly(smollm2, tmp_path):
    source = write(tmp_path / "in", mixed(10))
    script = f'"{PROGRAM}" batch smollm2 {source} - | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS,
                          env=smollm2.environment(), stdin=subprocess.DEVNULL)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"


@pytest.mark.parametrize("out", ["-", "/dev/full"])
def test_full_device_is_an_error(smollm2, tmp_path, out):
    source = write(tmp_path / "in", [plain("a", "x", max_tokens=1)])
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(PROGRAM), "batch", "smollm2", source, out], stdout=full,
                              stderr=subprocess.PIPE, env=smollm2.environment(), timeout=SECONDS,
                              stdin=subprocess.DEVNULL)
    assert done.returncode == FAILED
    assert "No space left" in one_sentence(done.stderr)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount the small disk")
def test_full_disk_leaves_whole_lines_and_the_batch_goes_on(smollm2, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(disk)],
                             capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"the small disk cannot be mounted here: {mounted.stderr.strip()}")
    lines = [plain(f"{i}-{'x' * 300}", "Once upon", max_tokens=8) for i in range(12)]
    source, out = write(tmp_path / "in", lines), disk / "out"
    try:
        done = smollm2("batch", "smollm2", source, out)
        kept = results(out)
        assert done.returncode == FAILED
        assert "No space left" in one_sentence(done.stderr)
        assert 0 < len(kept) < len(lines)
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        assert smollm2("batch", "smollm2", source, out).returncode == 0
        assert sorted(choices(out)) == ids(lines)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


OTHER = {"notes.txt": "my notes\nsecond line\n", "unended.txt": "my notes"}


@pytest.mark.parametrize("name", OTHER)
def test_file_that_is_no_output_stays_as_it_is(smollm2, tmp_path, name):
    source = write(tmp_path / "in", [chat("a")])
    other = tmp_path / name
    other.write_text(OTHER[name])
    before = other.read_bytes()
    done = smollm2("batch", "smollm2", source, other)
    assert done.returncode == FAILED
    assert name in one_sentence(done.stderr)
    assert other.read_bytes() == before


def test_input_given_as_output_too_is_refused(smollm2, tmp_path):
    done = smollm2("batch", "smollm2", write(tmp_path / "in", [chat("a")]), tmp_path / "in")
    assert done.returncode == FAILED
    assert "another name" in one_sentence(done.stderr)


def test_output_is_written_by_one_at_a_time(smollm2, tmp_path):
    out = tmp_path / "out"
    process = start(smollm2, "-", out, stdin=subprocess.PIPE)
    process.stdin.write(plain("a", "x", max_tokens=1).encode() + b"\n")
    process.stdin.flush()
    wait_for_lines(out, 1, process)
    done = smollm2("batch", "smollm2", "-", out)
    assert done.returncode == FAILED
    assert "another cairn" in one_sentence(done.stderr)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def test_model_that_cannot_be_loaded_leaves_no_output(cairn, tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    source = write(tmp_path / "in", [chat("a")])
    done = cairn("batch", tmp_path / "broken.gguf", source, tmp_path / "out")
    assert done.returncode == FAILED
    assert "broken.gguf" in one_sentence(done.stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments,code,word", [
    (["smollm2", "{tmp}/none.jsonl", "{tmp}/out"], FAILED, "none.jsonl"),
    (["smollm2", "{tmp}", "{tmp}/out"], FAILED, "folder"),
    (["smollm2", "{tmp}/in", "{tmp}"], FAILED, "folder"),
    (["smollm2", "{tmp}/in", "{tmp}/no/out"], FAILED, "{tmp}/no/out"),
    (["smollm2", "{tmp}/in"], USAGE, "OUT"),
    (["smollm2", "{tmp}/in", "{tmp}/out", "--parallel", "0"], USAGE, "--parallel"),
    (["smollm2", "{tmp}/in", "{tmp}/out", "--parallel", "257"], USAGE, "--parallel"),
])
def test_bad_input_is_one_sentence(smollm2, tmp_path, arguments, code, word):
    write(tmp_path / "in", [chat("a")])
    before = sorted(tmp_path.rglob("*"))
    done = smollm2("batch", *(a.format(tmp=tmp_path) for a in arguments))
    assert done.returncode == code, done.stderr
    assert word.format(tmp=tmp_path) in one_sentence(done.stderr)
    assert sorted(tmp_path.rglob("*")) == before
