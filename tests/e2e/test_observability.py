# SPDX-License-Identifier: Apache-2.0
"""What a server tells of itself: metrics, their names elsewhere, the board, cairn top."""
import json
import re
import subprocess

from conftest import PROGRAM, ROOT, SECONDS, one_sentence

SAMPLE = re.compile(r'^([a-z0-9_:]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})? (\S+)$')


def samples(text):
    """By name and labels; each once, each of a metric that was announced."""
    found, announced = {}, {}
    for line in text.splitlines():
        if line.startswith("#"):
            if line.startswith("# TYPE"):
                name, kind = line.split()[2:]
                assert name not in announced, line
                announced[name] = kind
            continue
        match = SAMPLE.match(line)
        assert match, line
        base = re.sub(r"_(bucket|sum|count)$", "", match[1])
        assert match[1] in announced or announced.get(base) == "histogram", line
        assert line.rsplit(" ", 1)[0] not in found, line
        found[line.rsplit(" ", 1)[0]] = float(match[3])
    return found


def asked(server):
    server.post("/v1/completions", {"prompt": "One, two", "max_tokens": 4, "ignore_eos": True})
    server.post("/v1/completions", {"prompt": "Say", "max_tokens": 12, "guided_choice": ["yes", "no"]})
    return samples(server.ask("GET", "/metrics")[1])


def test_metrics_count_answers_masks_and_steps(server):
    before = samples(server.ask("GET", "/metrics")[1])
    after = asked(server)
    gained = {name: value - before.get(name, 0) for name, value in after.items()}
    assert gained['cairn_answer_tokens_total{model="smollm2"}'] >= 5
    assert gained['cairn_answers_total{model="smollm2",reason="length"}'] >= 1
    assert gained['cairn_masks_total{model="smollm2"}'] >= 1
    assert gained['cairn_mask_seconds_total{model="smollm2"}'] > 0
    assert gained['cairn_answer_seconds_count{model="smollm2"}'] == 2
    assert gained['cairn_step_rows_count{model="smollm2"}'] == gained['cairn_steps_total{model="smollm2"}'] > 0
    assert gained["process_cpu_seconds_total"] > 0


def test_vllms_names_have_the_same_values(server):
    ours = asked(server)
    theirs = samples(server.ask("GET", "/metrics?names=vllm")[1])
    label = '{model_name="smollm2"}'
    assert theirs["vllm:generation_tokens_total" + label] == ours['cairn_answer_tokens_total{model="smollm2"}']
    assert theirs["vllm:time_to_first_token_seconds_count" + label] == \
        ours['cairn_first_token_seconds_count{model="smollm2"}']
    assert all(name.startswith("vllm:") for name in theirs)
    status, text, _ = server.ask("GET", "/metrics?names=other")
    assert status == 400 and "names" in text


def test_the_board_asks_for_metrics_that_there_are(server):
    known = {name.split("{")[0] for name in asked(server)}
    board = json.loads((ROOT / "packaging/grafana/cairn.json").read_text())
    asked_for = set()
    for panel in board["panels"]:
        for target in panel["targets"]:
            asked_for |= set(re.findall(r"(?:cairn|process)_[a-z_]+", target["expr"]))
    assert len(asked_for) > 20 and asked_for <= known, asked_for - known


def test_the_page_of_metrics_names_them_all(server):
    page = (ROOT / "docs/observability.md").read_text()
    names = {re.sub(r"_(bucket|sum|count)$", "", name.split("{")[0]) for name in asked(server)}
    assert {name for name in names if f"`{name}" not in page} == set()


def test_top_tells_what_the_server_does(server, smollm2):
    url = f"http://127.0.0.1:{server.port}"
    with subprocess.Popen([str(PROGRAM), "top", url, "--once", "--json"], stdout=subprocess.PIPE,
                          env=smollm2.environment()) as top:
        while top.poll() is None:
            server.post("/v1/completions", {"prompt": "One, two", "max_tokens": 30, "ignore_eos": True})
        told = json.loads(top.communicate(timeout=SECONDS)[0])
    assert top.returncode == 0 and told["answer_tokens_per_s"] > 0 and "smollm2" in told["models"]
    screen = smollm2("top", url, "--once")
    assert screen.returncode == 0 and b"KV memory" in screen.stdout and b"smollm2 (0)" in screen.stdout
    gone = smollm2("top", "http://127.0.0.1:1", "--once")
    assert gone.returncode == 1 and "127.0.0.1:1" in one_sentence(gone.stderr)
