# SPDX-License-Identifier: Apache-2.0
"""Compares Cairn's tokenizers with `tokenizers` (BPE), `sentencepiece`, and plain searches in Python.

  compare_tokenizers.py MODEL.gguf [--count 20000] [--seed N] [--tool build/release/.../cairn_encode_many]
                        [--every-character] [--sentencepiece] [--fixture OUT.json --count 300]

The reference is built from the file's own vocabulary: for kind gpt2, the BPE model of the Rust library
`tokenizers` with the pre-tokenizer of the named family (pre_tokenizers.py); for gemma4, its BPE over characters; for
llama and t5, a SentencePiece model file; for bert, its WordPiece model; for rwkv, the longest match; for plamo2, the sum of scores maximised over every cut. Exits 1 where any text gets other ids. --fixture stores texts with the reference's ids instead.
Needs: gguf, numpy, tokenizers, sentencepiece (scripts/requirements-reference.txt).
"""
import argparse
import json
import os
import struct
import subprocess
import sys
import time

from gguf import GGUFReader

from pre_tokenizers import PRE
from tokenizer_texts import texts

CONTROL, USER_DEFINED = 3, 4


class Vocabulary:
    def __init__(self, path):
        fields = GGUFReader(path).fields

        def get(name, default=None):
            field = fields.get("tokenizer.ggml." + name)
            return default if field is None else field.contents()

        self.kind = get("model")
        self.pre = get("pre")
        self.tokens = get("tokens")
        self.scores = get("scores")
        self.types = [int(t) for t in get("token_type")]
        self.merges = get("merges")
        self.unknown = get("unknown_token_id")
        self.name = os.path.basename(path)
        self.charsmap = get("precompiled_charsmap")
        self.remove_extra = bool(get("remove_extra_whitespaces", False))
        self.space_prefix = get("add_space_prefix", self.kind == "llama")


def pre_tokenizers_of(name):
    return PRE[name]()


def byte_level(v):
    """encode(texts) of `tokenizers`: no added tokens, so special tokens stay text."""
    import tokenizers
    from tokenizers import models, pre_tokenizers

    merges = [tuple(m.split(" ")) for m in v.merges]
    t = tokenizers.Tokenizer(models.BPE({x: i for i, x in enumerate(v.tokens)}, merges))
    steps = pre_tokenizers_of(v.pre) + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    t.pre_tokenizer = pre_tokenizers.Sequence(steps)
    return lambda some: [e.ids for e in t.encode_batch(some, add_special_tokens=False)], f"tokenizers {tokenizers.__version__}"


def piece_bpe(v):
    """BPE over characters with spaces as marks, bytes for what the vocabulary lacks."""
    import tokenizers
    from tokenizers import models, normalizers

    merges = [tuple(m.split(" ")) for m in v.merges]
    vocab = {}
    for i, (x, kind) in enumerate(zip(v.tokens, v.types)):
        if kind != CONTROL:
            vocab.setdefault(x, i)
    t = tokenizers.Tokenizer(models.BPE(vocab, merges, byte_fallback=True, unk_token=v.tokens[v.unknown], fuse_unk=True))
    t.normalizer = normalizers.Replace(" ", "\u2581")
    return lambda some: [e.ids for e in t.encode_batch(some, add_special_tokens=False)], f"tokenizers {tokenizers.__version__}"


def longest_match(v):
    """RWKV: at each place the longest token, over bytes."""
    import ast

    table = {}
    for i, (x, kind) in enumerate(zip(v.tokens, v.types)):
        if kind == 1:
            table.setdefault(ast.literal_eval("b'" + x.replace("\\'", "'").replace("'", "\\'") + "'"), i)
    longest = max(map(len, table))

    def encode(text):
        data, at, ids = text.encode(), 0, []
        while at < len(data):
            n = next(n for n in range(min(longest, len(data) - at), 0, -1) if data[at:at + n] in table)
            ids.append(table[data[at:at + n]])
            at += n
        return ids

    return lambda some: [encode(x) for x in some], "the longest match, in Python"


def best_sum(v):
    """PLaMo 2: of all cuts the one of the largest sum of scores in ten-thousandths, the longest first token on ties."""
    import numpy as np

    table, of_byte = {}, {}
    for i, (x, score, kind) in enumerate(zip(v.tokens, v.scores, v.types)):
        if kind == 6:
            of_byte[int(x[3:5], 16)] = i
        elif kind == 1:
            table.setdefault(x, (i, int(np.floor(abs(float(score)) * 1e4 + 0.5)) * (1 if score >= 0 else -1)))
    longest = max(map(len, table))

    def encode(text):
        text = text.removeprefix("\ufeff")
        best = [(0, 0, None)] * (len(text) + 1)
        for at in range(len(text) - 1, -1, -1):
            ways = [(table[text[at:at + n]][1] + best[at + n][0], n, [table[text[at:at + n]][0]])
                    for n in range(1, min(longest, len(text) - at) + 1) if text[at:at + n] in table]
            bytes_of = [of_byte[b] for b in text[at].encode()]
            best[at] = max(ways + [(best[at + 1][0] - 10_000_000, 0, bytes_of)], key=lambda way: way[:2])
        ids, at = [], 0
        while at < len(text):
            ids += best[at][2]
            at += max(best[at][1], 1)
        return ids

    return lambda some: [encode(x) for x in some], "the best sum, in Python"


def proto(v):
    """A model file of sentencepiece, made of the pieces and scores."""
    from sentencepiece import sentencepiece_model_pb2 as pb

    m = pb.ModelProto()
    for token, score, kind in zip(v.tokens, v.scores, v.types):
        # Converters write the space marks of user-defined tokens as spaces.
        m.pieces.add(piece=token.replace(" ", "\u2581"), score=score, type=kind)
    m.trainer_spec.model_type = pb.TrainerSpec.BPE if v.kind == "llama" else pb.TrainerSpec.UNIGRAM
    m.trainer_spec.byte_fallback = 6 in v.types
    m.trainer_spec.unk_id = v.unknown
    unknown = m.pieces[v.unknown]
    unknown.type = 2
    m.trainer_spec.unk_piece = unknown.piece
    m.trainer_spec.bos_id = m.trainer_spec.eos_id = m.trainer_spec.pad_id = -1
    m.normalizer_spec.name = "identity"
    m.normalizer_spec.add_dummy_prefix = v.space_prefix
    m.normalizer_spec.remove_extra_whitespaces = v.remove_extra
    if v.charsmap is not None:
        m.normalizer_spec.precompiled_charsmap = bytes(v.charsmap)
    m.normalizer_spec.escape_whitespaces = True
    return m.SerializeToString()


def sentence_piece(v):
    import sentencepiece

    sp = sentencepiece.SentencePieceProcessor(model_proto=proto(v))
    return lambda some: [sp.encode(x) for x in some], f"sentencepiece {sentencepiece.__version__}"


def unigram(v):
    """sentencepiece's normalisation, then the unigram model of `tokenizers` word by word, as the models' own
    tokenizer.json files have it. (sentencepiece adds scores as floats over the whole text: where two cuts have the
    same sum its roundings decide; --sentencepiece compares with it.)"""
    import sentencepiece
    import tokenizers
    from tokenizers import models, pre_tokenizers

    sp = sentencepiece.SentencePieceProcessor(model_proto=proto(v))
    t = tokenizers.Tokenizer(models.Unigram(
        [(x if kind == 1 else f"\0\0{i}", float(s)) for i, (x, s, kind) in enumerate(zip(v.tokens, v.scores, v.types))],
        v.unknown, False))
    t.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    return (lambda some: [e.ids for e in t.encode_batch([sp.normalize(x) for x in some], add_special_tokens=False)],
            f"tokenizers {tokenizers.__version__}, sentencepiece {sentencepiece.__version__}")


def word_piece(v):
    """encode(texts) of `tokenizers`: BERT's normaliser, words and pieces, cased where the vocabulary is."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers

    # Files spell the begin of a word with U+2581, BERT the inside with ##.
    vocab = {t if k == CONTROL else t[1:] if t.startswith("\u2581") else "##" + t: i
             for i, (t, k) in enumerate(zip(v.tokens, v.types))}
    cased = any(c.isascii() and c.isupper() for t, k in zip(v.tokens, v.types) if k == 1 for c in t)
    t = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token=v.tokens[v.unknown], max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None,
                                              lowercase=not cased)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return lambda some: [e.ids for e in t.encode_batch(some, add_special_tokens=False)], f"tokenizers {tokenizers.__version__}"


def cairn(tool, path, some):
    data = b"".join(struct.pack("<I", len(b)) + b for b in (x.encode() for x in some))
    raw = subprocess.run([tool, path], input=data, stdout=subprocess.PIPE, check=True).stdout
    out, at = [], 0
    while at < len(raw):
        n = struct.unpack_from("<I", raw, at)[0]
        out.append(list(struct.unpack_from(f"<{n}i", raw, at + 4)))
        at += 4 + 4 * n
    return out


def every_character():
    for c in range(0x110000):
        if not 0xD800 <= c <= 0xDFFF:
            # With the vocabulary of make_border_vocabulary.py the ids show the character's class.
            yield f"b{chr(c)}a2{chr(c)}1?{chr(c)}! {chr(c)}"


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--count", type=int, default=20000)
    p.add_argument("--seed", type=int, default=20240607)
    p.add_argument("--every-character", action="store_true")
    p.add_argument("--sentencepiece", action="store_true")
    p.add_argument("--fixture")
    p.add_argument("--tool", default=os.path.join(here, "../build/release/tests/tools/cairn_encode_many"))
    a = p.parse_args()
    v = Vocabulary(a.model)
    encode, maker = {"gpt2": byte_level, "gemma4": piece_bpe, "rwkv": longest_match, "plamo2": best_sum, "bert": word_piece,
                     "llama": sentence_piece, "t5": sentence_piece if a.sentencepiece else unigram}[v.kind](v)
    some = list(every_character()) if a.every_character else texts(a.count, a.seed)
    start = time.time()
    expected = encode(some)
    if a.fixture:
        head = {"made_by": f"scripts/compare_tokenizers.py --fixture --count {a.count} --seed {a.seed}",
                "reference": maker, "vocabulary": os.path.basename(a.model)}
        with open(a.fixture, "w") as f:
            f.write(json.dumps(head)[:-1] + ', "texts": [\n')
            f.write(",\n".join(json.dumps({"text": t, "ids": i}) for t, i in zip(some, expected)))
            f.write("\n]}\n")
        return 0
    print(f"{maker}: {len(some)} texts, {sum(len(x.encode()) for x in some)} bytes, "
          f"{sum(map(len, expected))} ids, {time.time() - start:.1f} s")
    got = cairn(a.tool, a.model, some)
    wrong = [i for i in range(len(some)) if i >= len(got) or got[i] != expected[i]]
    for i in wrong[:10]:
        print(f"text {i}: {some[i]!r}\n  expected {expected[i]}\n  got      {got[i] if i < len(got) else None}")
    print(f"{len(some) - len(wrong)} equal, {len(wrong)} different")
    if a.every_character and wrong:
        print("characters:", " ".join(f"{ord(some[i][1]):04X}" for i in wrong[:5000]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
