# SPDX-License-Identifier: Apache-2.0
"""Embeddings and reranking: the same as the program's, to the bit, in arrays written in place."""
import io
import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import ROOT, SECONDS, program, program_bytes

import cairn

TEXTS = (ROOT / "tests/golden/embeddings/texts.txt").read_text(encoding="utf-8").splitlines()[:60]
ENCODERS = ROOT / "tests/golden/encoders"


def of_program(tmp_path, name, texts, *words) -> np.ndarray:
    program("embed", name, "--out", tmp_path / "rows.npy", *words, stdin="\n".join(texts) + "\n")
    return np.load(io.BytesIO((tmp_path / "rows.npy").read_bytes()))


def test_rows_are_the_programs_to_the_bit(minilm, tmp_path):
    rows = minilm.embed(TEXTS)
    assert rows.shape == (len(TEXTS), 384) and rows.dtype == np.float32
    assert minilm.embeds and minilm.width == 384 and minilm.context == 512
    expected = of_program(tmp_path, "minilm", TEXTS)
    assert ((rows * expected).sum(axis=1) > 1 - 1e-6).all()
    assert rows.tobytes() == expected.tobytes()
    assert minilm.embed(TEXTS[7:8])[0].tobytes() == rows[7].tobytes()


def test_options_are_the_programs(minilm, tmp_path):
    raw = minilm.embed(TEXTS[:5], normalise=False)
    assert raw.tobytes() == of_program(tmp_path, "minilm", TEXTS[:5], "--raw").tobytes()
    cut = minilm.embed(TEXTS[:5], dimensions=64)
    assert cut.tobytes() == of_program(tmp_path, "minilm", TEXTS[:5], "--dimensions", 64).tobytes()
    long = ["word " * 600]
    with pytest.raises(cairn.Limit, match="text 1.*602 tokens, at most 512"):
        minilm.embed(long)
    assert minilm.embed(long, truncate=True).tobytes() == \
        of_program(tmp_path, "minilm", long, "--truncate").tobytes()


@pytest.mark.parametrize("pooling,words", [(True, ()), ("mean", ("--pooling", "mean")),
                                           ("cls", ("--pooling", "cls"))])
def test_decoders_embed_where_they_are_asked_to(model, tmp_path, pooling, words):
    decoder = cairn.Model("smollm2", embeddings=pooling, context=256)
    assert decoder.embed(TEXTS[1:5]).tobytes() == \
        of_program(tmp_path, "smollm2", TEXTS[1:5], *words).tobytes()
    with pytest.raises(cairn.Unsupported, match="no answers"):
        decoder.generate("hello")


def test_rows_are_written_in_place(minilm):
    out = np.full((4, 384), np.nan, dtype=np.float32)
    assert np.shares_memory(minilm.embed(TEXTS[:3], out=out[:3]), out)
    assert out[:3].tobytes() == minilm.embed(TEXTS[:3]).tobytes() and np.isnan(out[3]).all()


def test_no_texts_are_no_rows(minilm):
    assert minilm.embed([]).shape == (0, 384)
    assert minilm.rerank("a question", []).shape == (0,)


def test_documents_are_ranked_as_by_the_program(minilm):
    query, documents = "How many people live there?", TEXTS[:12]
    cross = cairn.Model(ENCODERS / "bert_scores.gguf")
    for ranker, name in ((minilm, "minilm"), (cross, ENCODERS / "bert_scores.gguf")):
        scores = ranker.rerank(query, documents)
        assert scores.shape == (12,) and scores.dtype == np.float64
        shown = json.loads(program("rerank", name, query, "--json",
                                   stdin="\n".join(documents) + "\n"))["results"]
        assert [one["line"] - 1 for one in shown] == list(np.argsort(-scores, kind="stable"))
        assert [one["score"] for one in shown] == sorted(scores, reverse=True)
    assert cross.state["scores"] and not minilm.state["scores"]
    with pytest.raises(cairn.Unsupported, match="rerank"):
        cross.embed(["a"])


def test_threads_get_their_own_rows(minilm):
    parts = [TEXTS[i::4] for i in range(4)]
    got = [None] * 4

    def embed(at):
        got[at] = minilm.embed(parts[at]).tobytes()

    threads = [threading.Thread(target=embed, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [minilm.embed(part).tobytes() for part in parts]


CTRL_C = """
import cairn
model = cairn.Model("minilm")
print("ready", flush=True)
try:
    {call}
    print("ended")
except KeyboardInterrupt:
    print("interrupted")
print(model.embed(["a"]).shape)
"""


@pytest.mark.parametrize("call", ["model.embed(['some words'] * 2_000_000)",
                                  "model.rerank('a question', ['some words'] * 2_000_000)"])
def test_ctrl_c_is_heard_and_the_model_goes_on(minilm, call):
    child = subprocess.Popen([sys.executable, "-c", CTRL_C.format(call=call)], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert child.stdout.readline() == "ready\n"
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=SECONDS)
    assert out == "interrupted\n(1, 384)\n", out + err


def test_what_has_no_meaning_is_refused_by_name(minilm, model):
    for wrong, word in [("one text", "texts is one text"), (["a", 5], r"texts\[1\]"),
                        ([b"a"], r"texts\[0\]")]:
        with pytest.raises(cairn.InvalidArgument, match=word):
            minilm.embed(wrong)
    rows = np.empty((1, 384), np.float32)
    for out in (rows.astype(np.float64), rows[:, ::2], rows[0], np.empty((2, 384), np.float32),
                np.empty((1, 385), np.float32), np.empty((1, 0), np.float32)):
        with pytest.raises(cairn.InvalidArgument, match="out"):
            minilm.embed(["a"], out=out)
    for dimensions in (0, 385, 1.5, 2**40):
        with pytest.raises(cairn.InvalidArgument, match="dimensions"):
            minilm.embed(["a"], dimensions=dimensions)
    with pytest.raises(cairn.InvalidArgument, match="documents"):
        minilm.rerank("a", "one text")
    with pytest.raises(cairn.InvalidArgument, match="embeddings"):
        cairn.Model("minilm", embeddings="max")
    with pytest.raises(cairn.Unsupported, match="embeddings=True"):
        model.embed(["a"])
    with pytest.raises(cairn.Unsupported, match="embeddings"):
        minilm.chat().ask("a")
