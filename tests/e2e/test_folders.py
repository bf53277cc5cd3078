# SPDX-License-Identifier: Apache-2.0
"""Folders of safetensors for a user: every command takes one where it takes a GGUF file."""
import json
import shutil

import numpy as np
import pytest
from conftest import ROOT, one_sentence

FOLDERS = ROOT / "tests/golden/folders"


def ok(done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("utf-8")


@pytest.mark.parametrize("name", ("llama", "qwen3moe"))  # several files; experts
def test_a_folder_is_a_model(cairn, tmp_path, name):
    folder = FOLDERS / name
    shown = json.loads(ok(cairn("show", folder, "--json")))
    assert shown["architecture"] == name and not shown.get("missing")
    file = tmp_path / "file.gguf"
    ok(cairn("convert", folder, file, "--name", "tiny"))
    logits = []
    for model in (folder, file):
        ok(cairn("logits", model, "--tokens", "5,6,7", "--out", tmp_path / "l.npy"))
        logits.append(np.load(tmp_path / "l.npy"))
    assert np.array_equal(logits[0], logits[1]) and logits[0].std() > 0.5
    answers = {ok(cairn("run", model, "!#$", "-n", "5", "--temp", "0")) for model in (folder, file)}
    assert len(answers) == 1 and answers.pop().strip()
    assert "template" in ok(cairn("show", folder))


def test_a_folder_can_be_quantised(cairn, tmp_path):
    out = tmp_path / "q8.gguf"
    told = json.loads(ok(cairn("quantize", FOLDERS / "mixtral", out, "Q8_0", "--json")))
    assert any(t["name"] == "blk.0.ffn_up_exps.weight" and t["to"] == "Q8_0" for t in told["tensors"])
    ok(cairn("show", out))


@pytest.mark.parametrize("change, word", (
    (lambda f: (f / "model.safetensors").unlink(), "model.safetensors"),
    (lambda f: (f / "config.json").unlink(), "config.json"),
    (lambda f: (f / "config.json").write_text('{"model_type": "whisper"}'), "whisper"),
    (lambda f: (f / "model.safetensors").write_bytes(b"\0" * 100), "header"),
))
def test_what_is_wrong_with_a_folder_is_said(cairn, tmp_path, change, word):
    folder = tmp_path / "folder"
    shutil.copytree(FOLDERS / "qwen2", folder)
    change(folder)
    for command in (("run", folder, "!"), ("convert", folder, tmp_path / "o.gguf")):
        done = cairn(*command)
        assert done.returncode == 1 and word in one_sentence(done.stderr)
    assert not (tmp_path / "o.gguf").exists()
