# SPDX-License-Identifier: Apache-2.0
"""Compares Cairn's tokenizers with `tokenizers` (byte-level BPE) and `sentencepiece`.

  compare_tokenizers.py MODEL.gguf [--count 20000] [--seed N] [--tool build/release/.../cairn_encode_many]
                        [--every-character] [--fixture OUT.json --count 300]

The reference is built from the file's own vocabulary: for kind gpt2, the BPE model of the Rust library
`tokenizers` with the pre-tokenizer of the named family; for kind llama, a SentencePiece model file; for bert, its WordPiece model. Exits 1
where any text gets other ids. --fixture stores texts with the reference's ids instead.
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
        self.space_prefix = get("add_space_prefix", self.kind == "llama")


def byte_level(v):
    """encode(texts) of `tokenizers`: no added tokens, so special tokens stay text."""
    import tokenizers
    from tokenizers import models, pre_tokenizers

    merges = [tuple(m.split(" ")) for m in v.merges]
    t = tokenizers.Tokenizer(models.BPE({x: i for i, x in enumerate(v.tokens)}, merges))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    t.pre_tokenizer = {
        "gpt-2": level,
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level]),
    }[v.pre]
    return lambda some: [e.ids for e in t.encode_batch(some, add_special_tokens=False)], f"tokenizers {tokenizers.__version__}"


def sentence_piece(v):
    """encode(texts) of `sentencepiece`, over a model file made of the pieces and scores."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as pb

    m = pb.ModelProto()
    for token, score, kind in zip(v.tokens, v.scores, v.types):
        # Converters write the space marks of user-defined tokens as spaces.
        m.pieces.add(piece=token.replace(" ", "\u2581"), score=score, type=kind)
    m.trainer_spec.model_type = pb.TrainerSpec.BPE
    m.trainer_spec.byte_fallback = 6 in v.types
    m.trainer_spec.unk_id = v.unknown
    unknown = m.pieces[v.unknown]
    unknown.type = 2
    m.trainer_spec.unk_piece = unknown.piece
    m.trainer_spec.bos_id = m.trainer_spec.eos_id = m.trainer_spec.pad_id = -1
    m.normalizer_spec.name = "identity"
    m.normalizer_spec.add_dummy_prefix = v.space_prefix
    m.normalizer_spec.remove_extra_whitespaces = False
    m.normalizer_spec.escape_whitespaces = True
    sp = sentencepiece.SentencePieceProcessor(model_proto=m.SerializeToString())
    return lambda some: [sp.encode(x) for x in some], f"sentencepiece {sentencepiece.__version__}"


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
    p.add_argument("--fixture")
    p.add_argument("--tool", default=os.path.join(here, "../build/release/tests/tools/cairn_encode_many"))
    a = p.parse_args()
    v = Vocabulary(a.model)
    encode, maker = {"gpt2": byte_level, "llama": sentence_piece, "bert": word_piece}[v.kind](v)
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
