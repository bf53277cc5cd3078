# SPDX-License-Identifier: Apache-2.0
"""Tokens and logits: the same as the program's, in arrays that are written in place."""
import io
import json

import numpy as np
import pytest
from conftest import program, program_bytes

import cairn

TEXT = "The quick brown fox jumps over the lazy dog, na\u00efve \u20ac 3.14"


def test_tokens_are_the_programs(model):
    shown = json.loads(program("tokenize", "smollm2", "--json", stdin=TEXT))
    assert model.tokenize(TEXT) == [token["id"] for token in shown["tokens"]]


def test_tokens_go_back_to_text(model):
    tokens = model.tokenize(TEXT, add_special=False)
    assert model.detokenize(tokens) == TEXT
    assert model.detokenize(np.array(tokens, dtype=np.int64)) == TEXT
    assert model.detokenize_bytes(tokens) == TEXT.encode()
    marked = model.tokenize("<|im_end|>", parse_special=True)
    assert model.ends(marked[-1]) and marked[-1] == model.end_token
    assert model.detokenize(marked) == "" and model.detokenize(marked, special=True) == "<|im_end|>"
    assert len(model.tokenize("<|im_end|>")) > 1


def test_logits_are_the_programs_to_the_bit(model, tmp_path):
    file = tmp_path / "logits.npy"
    tokens = model.tokenize(TEXT)
    program_bytes("logits", "smollm2", "--tokens", ",".join(map(str, tokens)), "--out", file)
    expected = np.load(io.BytesIO(file.read_bytes()))
    logits = model.session().append(tokens, rows=len(tokens))
    assert logits.shape == (len(tokens), model.vocabulary) and logits.dtype == np.float32
    assert logits.tobytes() == expected.tobytes()


def test_every_cut_gives_the_same_logits(model):
    tokens = model.tokenize(TEXT * 40)[:600]  # longer than a chunk
    whole = model.session().append(tokens, rows=len(tokens))
    session = model.session()
    session.append(tokens[:300], rows=0)
    assert session.append(tokens[300:], rows=280).tobytes() == whole[-280:].tobytes()
    assert len(session) == 600
    session.truncate(123)
    assert len(session) == 123
    assert session.append(tokens[123:200], rows=5).tobytes() == whole[195:200].tobytes()


def test_logits_are_written_in_place(model):
    out = np.full((3, model.vocabulary), np.nan, dtype=np.float32)
    session = model.session()
    back = session.append(model.tokenize("one two three four"), out=out[:2])
    assert np.shares_memory(back, out)
    assert np.isfinite(out[:2]).all() and np.isnan(out[2]).all()


def test_greedy_by_hand_is_greedy(model):
    prompt = model.tokenize("The capital of France is")
    session, tokens = model.session(), []
    logits = session.append(prompt)
    for _ in range(8):
        tokens.append(int(logits[0, :].argmax()))
        logits = session.append(tokens[-1:])
    assert tokens == model.generate(prompt, max_tokens=8, temperature=0, ignore_end=True).tokens


def test_what_has_no_meaning_is_refused_and_changes_nothing(model):
    session = model.session()
    tokens = model.tokenize("one two three")
    before = session.append(tokens).tobytes()
    rows = np.empty((1, model.vocabulary), np.float32)
    read_only = rows.copy()
    read_only.flags.writeable = False
    for wrong in (rows.astype(np.float64), rows[:, ::2], rows[0], rows[:, :-1].copy(), read_only,
                  np.empty((4, model.vocabulary), np.float32)):
        with pytest.raises(cairn.InvalidArgument):
            session.append(tokens, out=wrong)
    for wrong in ([-1], [10**7], [2**40], ["a"], [[1]], [1.5]):
        with pytest.raises(cairn.InvalidArgument):
            session.append(wrong)
    with pytest.raises(cairn.InvalidArgument):
        session.append(tokens, rows=4)
    with pytest.raises(cairn.Limit):
        session.append([5] * 2000)
    with pytest.raises(cairn.InvalidArgument):
        session.truncate(4)
    assert len(session) == 3
    session.truncate(0)
    assert session.append(tokens).tobytes() == before
