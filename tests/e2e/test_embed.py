# SPDX-License-Identifier: Apache-2.0
"""cairn embed, rerank and convert: their results, their errors, and MiniLM beside transformers."""
import json

import numpy as np
import pytest
from conftest import ROOT, Cairn, model_folder, need, one_sentence

TINY = ROOT / "tests/golden/encoders/bert.gguf"
SCORES = ROOT / "tests/golden/encoders/bert_scores.gguf"
GOLDEN = ROOT / "tests/golden/embeddings"


@pytest.fixture(scope="session")
def minilm():
    need("minilm")
    return Cairn(model_folder())


def rows_of(result) -> np.ndarray:
    assert result.returncode == 0, result.stderr
    return np.array([[float(x) for x in line.split()] for line in result.stdout.splitlines()])


def test_each_line_becomes_a_row_of_length_one(cairn):
    rows = rows_of(cairn("embed", TINY, stdin=b"a b c\nlast without an end"))
    assert rows.shape == (2, 64)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_text_json_and_npy_hold_the_same_values(cairn, tmp_path):
    text = b"one\ntwo words\r\n\nafter an empty line\n"
    (tmp_path / "in.txt").write_bytes(text)
    rows = rows_of(cairn("embed", TINY, tmp_path / "in.txt")).astype(np.float32)
    parsed = json.loads(cairn("embed", TINY, "--json", stdin=text).stdout)
    assert parsed["width"] == 64
    assert np.array_equal(np.array([e["values"] for e in parsed["embeddings"]], np.float32), rows)
    assert [e["tokens"] for e in parsed["embeddings"]] == [5, 10, 2, 18]
    assert cairn("embed", TINY, "--out", tmp_path / "out.npy", stdin=text).stdout == b""
    assert np.array_equal(np.load(tmp_path / "out.npy"), rows)


def test_pooling_dimensions_and_raw(cairn):
    text = b"some words here"
    every = json.loads(cairn("embed", TINY, "--pooling", "none", "--raw", "--json",
                             stdin=text).stdout)["embeddings"][0]
    rows = np.array(every["values"])
    assert rows.shape == (every["tokens"], 64)
    for kind, expected in (("cls", rows[0]), ("last", rows[-1]), ("mean", rows.mean(axis=0))):
        got = rows_of(cairn("embed", TINY, "--pooling", kind, "--raw", stdin=text))[0]
        assert np.allclose(got, expected, atol=1e-5), kind
        cut = rows_of(cairn("embed", TINY, "--pooling", kind, "--dimensions", 8, stdin=text))[0]
        assert np.allclose(cut, expected[:8] / np.linalg.norm(expected[:8]), atol=1e-5), kind


def test_too_long_a_text_is_an_error_or_cut(cairn):
    long = b"word\n" + b"x" * 400
    result = cairn("embed", TINY, "--context", 32, stdin=b"word\n" + b"a " * 40)
    assert result.returncode == 1
    assert "line 2: a text has 42 tokens, at most 32" in one_sentence(result.stderr)
    assert rows_of(cairn("embed", TINY, "--context", 32, "--truncate", stdin=long)).shape == (2, 64)


@pytest.mark.parametrize("options,words", [
    (("--dimensions", "65"), "more than the 64"),
    (("--context", "193"), "the model has 1 to 192"),
])
def test_what_the_model_does_not_have_is_an_error(cairn, options, words):
    result = cairn("embed", TINY, *options, stdin=b"a")
    assert result.returncode == 1
    assert words in one_sentence(result.stderr)


def test_models_are_for_what_they_are_for(cairn):
    for arguments in (("run", TINY, "hello"), ("embed", SCORES)):
        result = cairn(*arguments, stdin=b"text")
        assert result.returncode == 1
        assert "cairn rerank" in one_sentence(result.stderr)


def test_rerank_sorts_by_score(cairn):
    text = b"first\nsecond\nthe query\nthird\n"
    lines = cairn("rerank", TINY, "the query", stdin=text).stdout.decode().splitlines()
    assert len(lines) == 4 and lines[0].split(maxsplit=2)[1:] == ["3", "the query"]
    scores = [float(line.split()[0]) for line in lines]
    assert scores[0] == 1 and scores == sorted(scores, reverse=True)
    best = json.loads(cairn("rerank", SCORES, "q", "--json", "--top", 2, stdin=text).stdout)
    assert best["score"] == "logit" and len(best["results"]) == 2
    assert best["results"][0]["score"] >= best["results"][1]["score"]


def test_convert_refuses_what_is_no_model(cairn, tmp_path):
    result = cairn("convert", tmp_path, tmp_path / "out.gguf")
    assert result.returncode == 1
    assert "config.json" in one_sentence(result.stderr)
    assert not (tmp_path / "out.gguf").exists()


def test_minilm_is_that_of_transformers(minilm, tmp_path):
    """Cosine within 1e-4 on every text, alone and in company."""
    out = tmp_path / "minilm.npy"
    result = minilm("embed", "minilm", GOLDEN / "texts.txt", "--out", out)
    assert result.returncode == 0, result.stderr
    got = np.load(out).astype(np.float64)
    expected = np.load(GOLDEN / "minilm.npy").astype(np.float64)
    assert got.shape == expected.shape and len(got) > 200
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    cosines = (got * expected).sum(axis=1)
    assert cosines.min() > 1 - 1e-6
    lines = (GOLDEN / "texts.txt").read_bytes().split(b"\n")
    for i in (0, 2, 17, 35):
        alone = rows_of(minilm("embed", "minilm", "-t", 1, stdin=lines[i] + b"\n"))
        assert np.array_equal(alone[0].astype(np.float32), got[i].astype(np.float32)), i


def test_minilm_finds_what_fits(minilm):
    passages = b"Berlin is well known for its museums.\nBerlin has about 3.5 million inhabitants.\n"
    result = minilm("rerank", "minilm", "How many people live in Berlin?", stdin=passages)
    assert result.stdout.decode().splitlines()[0].endswith("3.5 million inhabitants.")
