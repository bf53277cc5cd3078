# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/tokenizer/: vocabularies trained by others on the texts of tests/data, and their ids.

  make_tokenizer_fixtures.py [MODEL.gguf ...]

byte_bpe.gguf: 600 tokens trained by `tokenizers`, pre-tokenizer smollm; pieces.gguf: 800 tokens trained by
`sentencepiece` (BPE, byte fall-back, user-defined tokens, a dummy prefix); unknown.gguf: the same without byte
fall-back; unigram.gguf: 800 tokens of `sentencepiece`'s unigram model with its nmt_nfkc normalisation;
piece_bpe.gguf: 700 tokens of `tokenizers`' BPE over characters with byte tokens (kind gemma4); rwkv.gguf and
plamo2.gguf: frequent pieces of the texts. pre_tokenizers.json: the words of every pattern (pre_tokenizers.py).
word_piece.gguf and word_piece_cased.gguf: 700 tokens trained by `tokenizers` as BERT's. borders_PRE.gguf: see
make_border_vocabulary.py. For each 100 texts with the ids of the library (compare_tokenizers.py), for each
MODEL given 300.
"""
import io
import json
import os
import subprocess
import sys

import sentencepiece
import tokenizers
from gguf import GGUFWriter
from tokenizers import models, normalizers, pre_tokenizers, trainers

from make_border_vocabulary import byte_characters
from make_border_vocabulary import main as make_border_vocabulary

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "../tests/golden/tokenizer")


def corpus():
    with open(os.path.join(HERE, "../tests/data/persuasion.txt"), encoding="utf-8") as f:
        lines = f.read()[:40000].split("\n")
    with open(os.path.abspath(__file__), encoding="utf-8") as f:
        return lines + f.read().split("\n")


def write(name, kind, tokens, types, **more):
    w = GGUFWriter(os.path.join(OUT, name), "llama")
    w.add_tokenizer_model(kind)
    w.add_token_list(tokens)
    w.add_token_types(types)
    for key, value in more.items():
        getattr(w, "add_" + key)(value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def byte_bpe():
    t = tokenizers.Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    t.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=597, initial_alphabet=list(byte_characters().values()), show_progress=False))
    vocab = t.get_vocab()
    tokens = sorted(vocab, key=vocab.get) + ["<|im_start|>", "<|im_end|>", "<tool>"]
    merges = json.loads(t.to_str())["model"]["merges"]
    write("byte_bpe.gguf", "gpt2", tokens, [1] * len(vocab) + [3, 3, 4], tokenizer_pre="smollm",
          token_merges=[" ".join(m) for m in merges], bos_token_id=len(vocab), eos_token_id=len(vocab) + 1)


def pieces(name, byte_fallback):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, model_type="bpe", byte_fallback=byte_fallback,
        vocab_size=800, user_defined_symbols=["\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581", "<b>"],
        control_symbols=["<turn>", "<end_of_turn>"], normalization_rule_name="identity",
        remove_extra_whitespaces=False, character_coverage=0.999, minloglevel=2)
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    kinds = [(sp.is_unknown, 2), (sp.is_control, 3), (sp.is_unused, 5), (sp.is_byte, 6)]
    types, tokens = [], []
    for i in range(len(sp)):
        piece = sp.id_to_piece(i)
        kind = next((k for test, k in kinds if test(i)), 1)
        if piece in ("\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581", "<b>"):
            kind, piece = 4, piece.replace("\u2581", " ")
        types.append(kind)
        tokens.append(piece)
    write(name, "llama", tokens, types, token_scores=[sp.get_score(i) for i in range(len(sp))],
          bos_token_id=sp.bos_id(), eos_token_id=sp.eos_id(), unk_token_id=sp.unk_id(), add_space_prefix=True)


def unigram():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, model_type="unigram", vocab_size=800,
        control_symbols=["<turn>"], character_coverage=0.999, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2)
    from sentencepiece import sentencepiece_model_pb2 as pb
    m = pb.ModelProto()
    m.ParseFromString(model.getvalue())
    w = GGUFWriter(os.path.join(OUT, "unigram.gguf"), "t5")
    w.add_tokenizer_model("t5")
    w.add_token_list([p.piece for p in m.pieces])
    w.add_token_scores([p.score for p in m.pieces])
    w.add_token_types([p.type for p in m.pieces])
    w.add_add_space_prefix(m.normalizer_spec.add_dummy_prefix)
    w.add_remove_extra_whitespaces(m.normalizer_spec.remove_extra_whitespaces)
    w.add_precompiled_charsmap(m.normalizer_spec.precompiled_charsmap)
    w.add_eos_token_id(1)
    w.add_unk_token_id(2)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def piece_bpe():
    t = tokenizers.Tokenizer(models.BPE())
    t.normalizer = tokenizers.normalizers.Replace(" ", "\u2581")
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=700, show_progress=False))
    vocab = t.get_vocab()
    # A mark in the middle of a token would let words grow together; the real ones have few.
    tokens = ["<unk>", "<turn|>"] + [f"<0x{b:02X}>" for b in range(256)] + sorted(vocab, key=vocab.get)
    merges = json.loads(t.to_str())["model"]["merges"]
    write("piece_bpe.gguf", "gemma4", tokens, [2, 3] + [6] * 256 + [1] * len(vocab),
          token_merges=[" ".join(m) for m in merges], unk_token_id=0, eos_token_id=1)


def pieces_by_count(most, longest):
    import collections
    count = collections.Counter()
    for line in corpus():
        for at in range(len(line)):
            for n in range(2, longest + 1):
                count[line[at:at + n]] += 1
    return [piece for piece, _ in sorted(count.items(), key=lambda one: (-one[1], one[0]))[:most]]


def rwkv():
    words = [w.encode() for w in pieces_by_count(500, 8)] + ["é".encode(), "漢".encode(), b"\xf0\x9f", b"\n\n", b"'\""]
    tokens = ["<s>"] + [repr(w)[2:-1] for w in [bytes([b]) for b in range(256)] + words]
    write("rwkv.gguf", "rwkv", tokens, [3] + [1] * (len(tokens) - 1))


def plamo2():
    import random
    r = random.Random(3)
    words = pieces_by_count(400, 6) + [chr(c) for c in range(32, 127)] + ["\n", "é", "漢", "漢字"]
    tokens = ["<|plamo:unk|>", "<|plamo:bos|>", "<|plamo:eos|>"] + [f"<0x{b:02X}>" for b in range(256)] + words
    write("plamo2.gguf", "plamo2", tokens, [2, 3, 3] + [6] * 256 + [1] * len(words),
          token_scores=[0.0] * 259 + [round(-r.random() * 12, 1) for _ in words])


def word_piece(name, lowercase):
    t = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(corpus(), trainers.WordPieceTrainer(
        vocab_size=700, special_tokens=special, show_progress=False,
        initial_alphabet=list("\u00e9\u00df\u4e00\u6f22\u1112\u1161\u11ab\u2581\u0435\u044f\u03c3?!\u3002")))
    vocab = t.get_vocab()
    tokens = sorted(vocab, key=vocab.get)
    # As converters spell them: a mark where a word begins, no ## inside.
    spelled = [x if x in special else x[2:] if x.startswith("##") else "\u2581" + x for x in tokens]
    write(name, "bert", spelled, [3 if x in special else 1 for x in tokens], unk_token_id=vocab["[UNK]"],
          sep_token_id=vocab["[SEP]"], pad_token_id=vocab["[PAD]"])


def main():
    os.makedirs(OUT, exist_ok=True)
    byte_bpe()
    pieces("pieces.gguf", True)
    pieces("unknown.gguf", False)
    unigram()
    piece_bpe()
    rwkv()
    plamo2()
    subprocess.run([sys.executable, os.path.join(HERE, "pre_tokenizers.py"), "--fixture",
                    os.path.join(OUT, "pre_tokenizers.json"), "--count", "40"], check=True)
    word_piece("word_piece.gguf", True)
    word_piece("word_piece_cased.gguf", False)
    for pre in ("gpt-2", "smollm"):
        make_border_vocabulary(pre, os.path.join(OUT, f"borders_{pre.replace('-', '')}.gguf"))
    files = [os.path.join(OUT, f) for f in sorted(os.listdir(OUT)) if f.endswith(".gguf")]
    for path in files + sys.argv[1:]:
        count = 100 if path in files else 300
        name = os.path.basename(path).removesuffix(".gguf") + ".json"
        subprocess.run([sys.executable, os.path.join(HERE, "compare_tokenizers.py"), path, "--fixture",
                        os.path.join(OUT, name), "--count", str(count)], check=True)


if __name__ == "__main__":
    main()
