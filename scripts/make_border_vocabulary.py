# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file with a vocabulary whose ids show where words end, for compare_tokenizers.py.

  make_border_vocabulary.py PRE OUT.gguf

Every byte is a token, and every byte merges with "a", "1" and "!" after it and with a space before it. So the
ids of "Xa", "X1", "X!" and " X" tell whether the pre-tokenizer PRE keeps the pair in one word, whatever
character X is.
"""
import sys

from gguf import GGUFWriter


def byte_characters():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def main(pre, out):
    c = byte_characters()
    merges = [(c[b], x) for x in "a1!" for b in range(256) if chr(b) != x] + [(c[32], c[b]) for b in range(33, 256)]
    merges = list(dict.fromkeys(merges))
    tokens = list(dict.fromkeys([c[b] for b in range(256)] + [a + b for a, b in merges]))
    w = GGUFWriter(out, "llama")
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    w.add_token_types([1] * len(tokens))
    w.add_token_merges([f"{a} {b}" for a, b in merges])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
