# SPDX-License-Identifier: Apache-2.0
"""cairn support and docs/models.md, and what cairn show and tokenize say of files that cannot run."""
import json

from conftest import ROOT, Cairn
from test_bad_input import gguf


def test_page_of_models_is_what_the_program_says(cairn):
    page = cairn("support", "--markdown").stdout.decode()
    assert page == (ROOT / "docs/models.md").read_text(), "run: cairn support --markdown > docs/models.md"


def test_json_holds_the_rows_of_the_page(cairn):
    support = json.loads(cairn("support", "--json").stdout)
    assert set(support) == {"architectures", "tokenizers", "pre_tokenizers", "formats"}
    names = {row["pre-tokenizer"] for row in support["pre_tokenizers"]["rows"]}
    assert {"default", "llama-bpe", "qwen2", "tekken", "gpt-4o", "kimi-k2"} <= names
    assert all(section["evidence"] for section in support.values())


def test_show_says_everything_that_is_missing(cairn, tmp_path):
    path = tmp_path / "sail.gguf"
    path.write_bytes(gguf({"general.architecture": "sail", "tokenizer.ggml.model": "gpt2",
                           "tokenizer.ggml.pre": "klingon", "tokenizer.ggml.tokens": ["a", "b"],
                           "tokenizer.ggml.merges": []}))
    shown = json.loads(cairn("show", path, "--json").stdout)
    assert shown["runs"] is False
    assert "sail" in shown["missing"][0] and "klingon" in shown["missing"][1]
    text = cairn("show", path).stdout.decode()
    assert text.count("\nmissing ") == 2


def test_tokenize_needs_no_known_architecture_and_takes_a_forced_pre_tokenizer(cairn, tmp_path):
    path = tmp_path / "sail.gguf"
    path.write_bytes(gguf({"general.architecture": "sail", "tokenizer.ggml.model": "gpt2",
                           "tokenizer.ggml.pre": "klingon", "tokenizer.ggml.tokens": ["a", "b", "ab"],
                           "tokenizer.ggml.merges": ["a b"]}))
    done = cairn("tokenize", path, "--pre", "gpt-2", "--json", stdin=b"abba")
    assert [t["id"] for t in json.loads(done.stdout)["tokens"]] == [2, 1, 0]
    done = cairn("tokenize", path, "--json", stdin=b"ab", env={"CAIRN_PRE": "qwen2"})
    assert [t["id"] for t in json.loads(done.stdout)["tokens"]] == [2]
