# SPDX-License-Identifier: Apache-2.0
"""`cairn quantize` for a user: files that run, errors and perplexity that are told."""
import json

import pytest
from conftest import ROOT, one_sentence

TEXT = ROOT / "tests/data/persuasion.txt"


def result(done) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_smaller_files_run_and_say_what_they_cost(smollm2, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(TEXT.read_text()[:6000])
    before = 0
    sizes = []
    for kind in ("q8_0", "Q4_K", "Q2_K"):
        out = tmp_path / f"{kind}.gguf"
        told = result(smollm2("quantize", "smollm2", out, kind, "--json", "--perplexity", text,
                              "--context", "256"))
        changed = [t for t in told["tensors"] if t["from"] != t["to"]]
        assert all(0 < t["error"] < 0.5 for t in changed)
        assert told["error"] > before and told["perplexity_before"] < 60
        assert told["perplexity"] >= told["perplexity_before"] * 0.97
        assert out.stat().st_size >= told["bytes"]
        before = told["error"]
        sizes.append(out.stat().st_size)
        shown = json.loads(smollm2("show", out, "--json").stdout)
        assert shown["architecture"] == "llama"
    assert sizes == sorted(sizes, reverse=True)
    answer = smollm2("run", tmp_path / "q8_0.gguf", "Name a colour.", "-n", "5", "--temp", "0")
    assert answer.returncode == 0 and answer.stdout.strip()


def test_the_table_names_what_changed(smollm2, tmp_path):
    done = smollm2("quantize", "smollm2", tmp_path / "o.gguf", "q4_0")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert "bits per value" in lines[-1]
    assert any(line.startswith("blk.0.attn_q.weight") and "Q4_1 -> Q4_0" in line for line in lines)
    assert not any("attn_norm" in line for line in lines)


@pytest.mark.parametrize("arguments, word", (
    (("smollm2", "o.gguf", "Q9"), "Q4_K"),
    (("smollm2", "o.gguf", "IQ2_S"), "Q4_K"),
    (("smollm2", "o.gguf"), "TYPE"),
))
def test_types_that_cannot_be_written_are_usage_errors(smollm2, arguments, word):
    done = smollm2("quantize", *arguments)
    assert done.returncode == 2
    assert word in one_sentence(done.stderr)


def test_what_goes_wrong_leaves_no_file(smollm2, tmp_path):
    model = tmp_path / "m.gguf"
    assert smollm2("quantize", "smollm2", model, "Q8_0").returncode == 0
    done = smollm2("quantize", model, model, "Q4_0")
    assert done.returncode == 1 and "same time" in one_sentence(done.stderr)
    out = tmp_path / "o.gguf"
    for arguments in (("--importance", model), ("--importance", tmp_path / "none"),
                      ("--perplexity", tmp_path / "none")):
        done = smollm2("quantize", model, out, "Q4_0", *arguments)
        assert done.returncode == 1
        one_sentence(done.stderr)
        assert not out.exists() and not list(tmp_path.glob("*.part"))
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(model.read_bytes()[:100_000])
    done = smollm2("quantize", cut, out, "Q4_0")
    assert done.returncode == 1 and not out.exists()


def test_an_importance_file_is_made_and_used(smollm2, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(TEXT.read_text()[:6000])
    files = []
    for threads in ("1", "2"):
        files.append(tmp_path / f"{threads}.gguf")
        done = smollm2("importance", "smollm2", text, files[-1], "--context", "256", "-t", threads)
        assert done.returncode == 0, done.stderr
        assert b"210 matrices, " in done.stderr and b" windows of 256 tokens" in done.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
    told = result(smollm2("quantize", "smollm2", tmp_path / "o.gguf", "Q3_K", "--json",
                          "--importance", files[0]))
    weighed = {t["name"]: t["importance"] for t in told["tensors"] if t["from"] != t["to"]}
    assert weighed.pop("token_embd.weight", False) is False and all(weighed.values())


def test_importance_that_cannot_be_made_leaves_no_file(smollm2, tmp_path):
    short = tmp_path / "short.txt"
    short.write_text("Too short.")
    out = tmp_path / "i.gguf"
    for arguments in (("smollm2", short), ("smollm2", tmp_path / "none"), (tmp_path / "no.gguf", TEXT)):
        done = smollm2("importance", *arguments, out)
        assert done.returncode == 1 and not out.exists() and not list(tmp_path.glob("*.part"))
        one_sentence(done.stderr)
