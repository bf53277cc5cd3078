# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/tokenizer/: vocabularies trained by others on the texts of tests/data, and their ids.

  make_tokenizer_fixtures.py [MODEL.gguf ...]

byte_bpe.gguf: 600 tokens trained by `tokenizers`, pre-tokenizer smollm; pieces.gguf: 800 tokens trained by
`sentencepiece` (BPE, byte fall-back, user-defined tokens, a dummy prefix); unknown.gguf: the same without byte
fall-back; word_piece.gguf and word_piece_cased.gguf: 700 tokens trained by `tokenizers` as BERT's. borders_PRE.gguf: see
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
