# SPDX-License-Identifier: Apache-2.0
"""What every command does for a user, against docs/cli.md, with the real models."""
import json
import re
import subprocess

import numpy as np
import pytest
from conftest import PROGRAM, ROOT, one_sentence

COMMANDS = ("run", "chat", "batch", "embed", "rerank", "serve", "pull", "list", "show", "convert", "quantize",
            "importance", "rm",
            "tokenize", "detokenize", "logits", "perplexity", "template", "bench", "verify", "top", "doctor",
            "support")
MEGABYTE = 1 << 20
CAPITAL = [504, 3575, 282, 4649, 314]  # "The capital of France is" in smollm2


def ok(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("utf-8")


def logits(cairn, out, tokens, *options, **more) -> np.ndarray:
    ok(cairn("logits", "smollm2", "--tokens", ",".join(map(str, tokens)), "--out", out, *options,
             **more))
    return np.load(out)


def test_no_arguments_lists_the_commands(cairn):
    text = ok(cairn())
    missing = [command for command in COMMANDS if not re.search(rf"\b{command}\b", text)]
    assert missing == [], text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_command(cairn, command):
    text = ok(cairn(command, "--help"))
    assert len(text.splitlines()) > 4
    assert max(map(len, text.splitlines())) <= 100


def names_in(text: str) -> set[str]:
    """Options as they are written: --long-name, -x."""
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


def test_documentation_names_the_options_that_the_program_has(cairn):
    """In the section of their command, or among those that mean the same everywhere."""
    sections = re.split(r"^## ", (ROOT / "docs/cli.md").read_text(), flags=re.MULTILINE)
    shared = sections[0] + sections[1]
    assert sections[1].startswith("Options that mean the same")
    pages = {command: ok(cairn(command, "--help")) for command in COMMANDS}
    documented = {}
    for section in sections[2:]:
        title = section.splitlines()[0]
        for part in title.split(", "):
            documented[part.split()[0]] = section + title
    assert sorted(documented) == sorted(COMMANDS)
    documented["chat"] += documented["run"]
    for command, page in pages.items():
        rows = [line for line in page.split("Examples:")[0].splitlines() if
                re.match(r" {2,6}-", line)]
        options = [names_in(re.split(r" {2,}", row.strip())[0]) for row in rows]
        known = names_in(documented[command]) | names_in(shared) | {"--help"}
        missing = [names for names in options if not names & known]
        assert missing == [], f"docs/cli.md, section of {command}"
    every = set.union(*(names_in(page) for page in pages.values()))
    assert names_in(" ".join(sections)) - every == set(), "no command has these"


def test_version(cairn):
    assert ok(cairn("--version")).startswith("cairn 0.")


def test_list_of_an_empty_folder(cairn):
    assert "smollm2" in ok(cairn("list")) + cairn("list").stderr.decode()


def test_doctor(cairn):
    text = ok(cairn("doctor"))
    assert str(cairn.home) in text


def test_greedy_continuation_smollm2(smollm2):
    text = ok(smollm2("run", "smollm2", "The capital of France is", "--raw", "--temp", "0",
                      "-n", "2"))
    assert text.rstrip("\n") == " Paris."


def test_greedy_continuation_gemma3(gemma3):
    text = ok(gemma3("run", "gemma3", "The capital of France is", "--temp", "0", "-n", "12"))
    assert text.rstrip("\n") == " the capital of the country of France. It is the largest"


def test_answer_is_the_same_bytes_again_and_with_other_threads(smollm2):
    command = ["run", "smollm2", "Name three rivers.", "-n", "24", "--seed", "7", "--temp", "0.9"]
    first = ok(smollm2(*command))
    assert first.strip()
    assert ok(smollm2(*command)) == first
    assert ok(smollm2(*command, "-t", "1")) == first


def test_prompt_from_standard_input_and_file(smollm2, tmp_path):
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("The capital of France is")
    options = ("--raw", "--temp", "0", "-n", "4")
    by_argument = ok(smollm2("run", "smollm2", "The capital of France is", *options))
    assert ok(smollm2("run", "smollm2", *options, stdin=prompt.read_bytes())) == by_argument
    assert ok(smollm2("run", "smollm2", f"@{prompt}", *options)) == by_argument


def test_stop_string_ends_the_answer_before_it(smollm2):
    text = ok(smollm2("run", "smollm2", "The capital of France is", "--raw", "--temp", "0",
                      "-n", "8", "--stop", "ris"))
    assert text.rstrip("\n") == " Pa"


def test_statistics_go_to_standard_error(smollm2):
    done = smollm2("run", "smollm2", "Hi", "-n", "3", "-v")
    ok(done)
    assert "tokens/s" in done.stderr.decode()
    assert "tokens/s" not in done.stdout.decode()


def test_run_as_json(smollm2):
    report = json.loads(ok(smollm2("run", "smollm2", "Hi", "-n", "3", "--json")))
    assert isinstance(report, dict) and report


def test_json_of_every_command_is_one_document(smollm2):
    text = ROOT / "tests/data/northanger.txt"
    for command in (["list"], ["show", "smollm2"], ["show", "smollm2", "--program"],
                    ["show", "smollm2", "--template"], ["doctor", "support"], ["tokenize", "smollm2"],
                    ["perplexity", "smollm2", "-", "--context", "16"]):
        report = json.loads(ok(smollm2(*command, "--json", stdin=text.read_bytes()[:600])))
        assert isinstance(report, dict) and report, command


def test_chat_refuses_model_without_template(gemma3):
    done = gemma3("chat", "gemma3", stdin=b"hello\n")
    assert done.returncode == 1
    assert "--chat-template" in one_sentence(done.stderr)


def test_show(smollm2):
    text = ok(smollm2("show", "smollm2"))
    for word in ("llama", "8192", "Q4_1", "Q8_0"):
        assert word in text
    assert "attend" in ok(smollm2("show", "smollm2", "--program"))


@pytest.mark.parametrize("text", [b"Hello, world!\n", "h\u00e9llo \U0001f600 \u4f60\u597d".encode(),
                                  b"  two  spaces\t\n\n", b"<|im_start|>user"])
def test_tokenize_and_back(smollm2, text):
    report = json.loads(ok(smollm2("tokenize", "smollm2", "--json", stdin=text)))
    ids = [t["id"] for t in report["tokens"]]
    assert ids and all({"id", "piece"} <= t.keys() for t in report["tokens"])
    back = smollm2("detokenize", "smollm2", stdin=" ".join(map(str, ids)).encode())
    assert ok(back).encode() in (text, text + b"\n")


def test_special_tokens_only_when_asked(smollm2):
    def ids(*options):
        out = ok(smollm2("tokenize", "smollm2", "--json", *options, stdin=b"<|im_end|>"))
        return [t["id"] for t in json.loads(out)["tokens"]]
    assert ids("--special") == [2]
    assert 2 not in ids() and len(ids()) > 1


def test_beginning_token(gemma3):
    def ids(*options):
        out = ok(gemma3("tokenize", "gemma3", "--json", *options, stdin=b"The"))
        return [t["id"] for t in json.loads(out)["tokens"]]
    assert ids() == [2, 818]
    assert ids("--no-bos") == [818]


def test_logits_file(smollm2, tmp_path):
    rows = logits(smollm2, tmp_path / "x.npy", CAPITAL)
    assert rows.shape == (5, 49152) and rows.dtype == np.float32
    last = logits(smollm2, tmp_path / "y.npy", CAPITAL, "--last", "2", "--chunk", "1", "-t", "1")
    assert last.tobytes() == rows[-2:].tobytes()


def test_chunks_without_a_wanted_position_count_too(smollm2, tmp_path):
    """A long prompt: only its last chunk has positions whose logits are wanted."""
    tokens = [504 + 7 * i for i in range(40)]
    rows = logits(smollm2, tmp_path / "x.npy", tokens)
    last = logits(smollm2, tmp_path / "y.npy", tokens, "--last", "1", "--chunk", "16")
    assert last.tobytes() == rows[-1:].tobytes()


@pytest.mark.parametrize("model,fixture", [("smollm2", "smollm2"), ("gemma3", "gemma3"),
                                           ("smollm2", "smollm2_long"), ("gemma3", "gemma3_long")])
def test_logits_are_near_those_of_the_outside_implementation(request, tmp_path, model, fixture):
    """Log-probabilities of its likeliest tokens; the bound is far below a wrong layer's effect."""
    cairn = request.getfixturevalue(model)
    golden = json.loads((ROOT / f"tests/golden/logits/{fixture}.json").read_text())
    out = tmp_path / "x.npy"
    ok(cairn("logits", model, "--tokens", ",".join(map(str, golden["tokens"])), "--out", out))
    rows = np.load(out).astype(np.float64)
    divergences = []
    for position in golden["positions"]:
        row = rows[position["position"]]
        ours = row - row.max() - np.log(np.exp(row - row.max()).sum())
        theirs = np.array(position["logits"]) - position["log_sum_exp"]
        divergences.append(np.sum(np.exp(theirs) * (theirs - ours[position["ids"]])))
    assert np.mean(divergences) < 0.02, divergences


def test_perplexity(smollm2):
    report = json.loads(ok(smollm2("perplexity", "smollm2", ROOT / "tests/data/northanger.txt",
                                   "--json")))
    assert 5 < report["perplexity"] < 60


def test_template(smollm2, tmp_path):
    messages = tmp_path / "m.json"
    messages.write_text(json.dumps([{"role": "system", "content": "Be brief."},
                                    {"role": "user", "content": "Hi"}]))
    text = ok(smollm2("template", "smollm2", "--messages", messages, "--add-generation-prompt"))
    assert text.rstrip("\n") == ("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
                                 "Hi<|im_end|>\n<|im_start|>assistant")


@pytest.mark.parametrize("command", [
    ("run", "smollm2", "Name three rivers.", "-n", "4"),
    ("bench", "smollm2", "-p", "16", "-n", "4", "-b", "2", "-d", "4", "--rounds", "1"),
])
def test_trace_nests_and_covers_the_run(smollm2, tmp_path, command):
    path = tmp_path / "trace.json"
    ok(smollm2(*command, "-t", "2", "--trace", path))
    events = json.loads(path.read_text())["traceEvents"]
    spans = [e for e in events if e["ph"] == "X"]
    assert {e["tid"] for e in events} == {0, 1}
    covered, around, steps = 0, [], 0
    for span in (s for s in spans if s["tid"] == 0):
        begin, end = round(span["ts"] * 1000), round((span["ts"] + span["dur"]) * 1000)
        while around and around[-1] <= begin:
            around.pop()
        if around:
            assert end <= around[-1], span
        else:
            assert begin == covered, span
            covered = end
        around.append(end)
        steps += span["name"] == "step"
    assert steps >= 4
    names = {s["name"] for s in spans}
    assert {"ffn_gate + ffn_up", "attend", "wait", "outside of steps"} <= names


def test_trace_that_cannot_be_written_is_an_error(smollm2, tmp_path):
    done = smollm2("run", "smollm2", "Hello", "-n", "1", "--trace", tmp_path / "none" / "t.json")
    assert done.returncode == 1
    assert "t.json" in one_sentence(done.stderr)


def test_bench_by_stage(smollm2):
    command = ("bench", "smollm2", "-p", "16", "-n", "4", "-b", "1", "-d", "4", "--rounds", "1",
               "--by-stage")
    results = json.loads(ok(smollm2(*command, "--json")))["results"]
    for result in results:
        shares = [stage["share"] for stage in result["stages"]]
        assert 0.5 < sum(shares) <= 1
    decode = {s["stage"]: s for s in results[-1]["stages"]}
    # 30 layers of two matrices of 576 by 1536, a multiplication and an addition each; and the gate
    # of their products.
    assert {s["part"] for s in decode.values()} >= {"prelude", "matmul", "heads", "attend"}
    assert decode["ffn_gate + ffn_up"]["operations_per_step"] == 30 * (2 * 2 * 576 + 4) * 1536
    assert "ffn_gate + ffn_up" in ok(smollm2(*command))


def test_bench_as_json(smollm2):
    report = json.loads(ok(smollm2("bench", "smollm2", "-p", "16", "-n", "4", "-b", "1,2", "-d",
                                   "16", "--json")))
    assert report["bandwidth_gb_s"] > 0 and report["int8_tops"] > 0
    names = [(r["name"], r["batch"]) for r in report["results"]]
    assert ("prefill", 1) in names and ("decode", 1) in names and ("decode", 2) in names
    for result in report["results"]:
        speed = result["tokens_per_s"]
        assert 0 < speed["min"] <= speed["median"] <= speed["max"]
        assert 0 < result["int8_share" if result["name"] == "prefill" else "bandwidth_share"]
    # 30 layers of three heads of 64 channels, a key and a value of two bytes each: those of 16 + 1 to
    # 16 + 4 positions read, one written; twice as many for two sequences.
    assert [r["kv_bytes_per_step"] for r in report["results"][1:]] == [
        batch * (18.5 + 1) * 30 * 3 * 64 * 2 * 2 for batch in (1, 2)]


@pytest.mark.parametrize("name", ["smollm2", "gemma3"])
def test_memory_after_load_is_the_file_and_what_is_planned(name, request):
    """Weights are held once, repacked; the mapped file's pages are given back on the way."""
    cairn = request.getfixturevalue(name)
    load = json.loads(ok(cairn("bench", name, "-p", "1", "-n", "1", "-b", "1", "--rounds", "1",
                               "--json")))["load"]
    assert load["seconds"] > 0
    assert load["resident_bytes"] > load["file_bytes"] / 2, "not a figure of this process"
    assert load["resident_bytes"] <= (1.1 * load["file_bytes"] + load["step_buffer_bytes"] +
                                      16 * MEGABYTE)
    assert load["peak_bytes"] <= 1.3 * load["file_bytes"]


def test_formats_of_kv_differ_a_little_and_only_a_little(smollm2):
    text = ROOT / "tests/data/northanger.txt"
    perplexity = {kv: json.loads(ok(smollm2("perplexity", "smollm2", text, "--context", "256",
                                            "--kv", kv, "--json")))["perplexity"]
                  for kv in ("f32", "f16", "q8")}
    assert len(set(perplexity.values())) == 3, perplexity
    assert max(perplexity.values()) / min(perplexity.values()) < 1.03, perplexity


def test_stripped_program_is_small(tmp_path):
    stripped = tmp_path / "cairn"
    subprocess.run(["strip", "-o", stripped, PROGRAM], check=True)
    assert stripped.stat().st_size <= 15 * MEGABYTE


def test_file_in_the_model_folder_by_its_name(smollm2):
    assert "llama" in ok(smollm2("show", "smollm2.gguf"))


def test_pull_of_a_path_list_and_rm(smollm2, cairn, tmp_path):
    source = tmp_path / "mine.gguf"
    source.symlink_to(smollm2.home / "smollm2.gguf")
    ok(cairn("pull", source))
    assert (cairn.home / "mine.gguf").is_file()
    assert "mine" in ok(cairn("list"))
    ok(cairn("rm", "mine.gguf"))
    assert not (cairn.home / "mine.gguf").exists()
    assert source.exists()
