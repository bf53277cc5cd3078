# SPDX-License-Identifier: Apache-2.0
"""Models with states through the commands: tiny ones, with random weights."""
import json
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "golden/architectures"
MODELS = [GOLDEN / "mamba2.gguf", GOLDEN / "granitehybrid.gguf", GOLDEN / "qwen3next.gguf"]


@pytest.fixture(params=MODELS, ids=lambda path: path.stem)
def model(request):
    return request.param


def test_answers_are_the_same_in_every_way(cairn, model, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("ABCABCABCABC\nTHE(SEA)IS(THE)SEA\n" + "ABCDEFGH" * 10 + "\n")
    done = cairn("verify", model, "--prompts", file, "-n", "12", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["different"] == 0 and result["prompts"] == 3
    assert any(row["reused_tokens"] > 0 for row in result["rows"])
    assert all(row["guessed"] == 0 for row in result["rows"])


def test_show_says_what_states_take(cairn, model):
    done = cairn("show", model, "--json")
    memory = json.loads(done.stdout)["memory"]
    assert memory["states"] > 0
    assert (memory["kv"] == 0) == (model.stem == "mamba2")
    assert b"states of a text" in cairn("show", model).stdout


def test_a_draft_model_is_refused(cairn, model):
    done = cairn("run", model, "--draft", model, "-n", "1", "AB")
    assert done.returncode == 1
    assert b"rolled back" in done.stderr


def test_mapped_memory_is_refused(cairn, model):
    done = cairn("run", model, "--kv-backend", "mapped", "-n", "1", "AB")
    assert done.returncode == 1
    assert b"--kv-backend" in done.stderr
