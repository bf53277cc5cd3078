#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/model/bert_characters_table.cc: what BERT's tokenizers do with each character.

Found out by asking `tokenizers` about every character one by one (BertNormalizer, BertPreTokenizer), so the
Unicode version is the one that models' own tokenizers have. Needs: tokenizers (requirements-reference.txt).
"""
import bisect
import os

import tokenizers
from tokenizers import normalizers, pre_tokenizers

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../src/model/bert_characters_table.cc")
HANGUL = range(0xAC00, 0xD7A4)  # decomposed by arithmetic
COLUMNS = 100


def characters():
    return (c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)


def ranges(numbers):
    out = []
    for x in numbers:
        if out and out[-1][1] == x - 1:
            out[-1][1] = x
        else:
            out.append([x, x])
    return out


def runs(pairs):
    """(first, count, stride, delta): characters first, first + stride, ... become themselves + delta."""
    left, out = dict(pairs), []
    for c in sorted(left):
        if c not in left:
            continue
        delta = left[c] - c
        best = max(((sum(1 for _ in iter_run(left, c, s, delta)), -s) for s in (1, 2)))
        count, stride = best[0], -best[1]
        for i in range(count):
            del left[c + i * stride]
        out.append((c, count, stride, delta))
    return out


def iter_run(left, c, stride, delta):
    while left.get(c) == c + delta:
        yield c
        c += stride


def most_interlocking(rows):
    """How many runs, at most, begin at or before a character and not before the run that holds it."""
    firsts = [c for c, _, _, _ in rows]
    return max(bisect.bisect_right(firsts, c + i * s) - row
               for row, (c, n, s, _) in enumerate(rows) for i in range(n))


def hexes(numbers):
    return "{" + ", ".join(f"0x{n:x}" for n in numbers) + "}"


def table(kind, name, rows):
    lines, line = [], "   "
    for row in rows:
        if len(line) + len(row) + 2 > COLUMNS:
            lines.append(line)
            line = "   "
        line += " " + row + ","
    lines.append(line)
    return f"const {kind} {name}[] = {{\n" + "\n".join(lines) + f"\n}};\nconst std::size_t {name}Size = std::size({name});\n"


def main():
    lower = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    cased = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=False)
    split = pre_tokenizers.BertPreTokenizer()
    removed, spaces, ideographs, punctuation, marks, ones, several = [], [], [], [], [], [], []
    for c in characters():
        x = chr(c)
        clean, folded = cased.normalize_str(x), lower.normalize_str(x)
        if clean == "":
            removed.append(c)
            continue
        if clean == " ":
            spaces.append(c)
            continue
        if clean == f" {x} ":
            ideographs.append(c)
            folded = folded[1:-1]
        elif clean != x:
            raise SystemExit(f"U+{c:04X} becomes {clean!r}: a kind of change that Cairn does not know")
        pieces = [t for t, _ in split.pre_tokenize_str(f"a{x}b")]
        if pieces == ["a", x, "b"]:
            punctuation.append(c)
        elif pieces != [f"a{x}b"]:
            raise SystemExit(f"U+{c:04X} is split as {pieces}")
        if c in HANGUL or folded == x:
            continue
        if folded == "":
            marks.append(c)
        elif len(folded) == 1:
            ones.append((c, ord(folded)))
        else:
            several.append([c] + [ord(f) for f in folded] + [0] * (3 - len(folded)))
    assert all(len(row) == 4 for row in several)
    text = [f"""// SPDX-License-Identifier: Apache-2.0
// Made by scripts/make_bert_characters.py with tokenizers {tokenizers.__version__}; not to be edited.
#include "model/bert_characters_table.h"

#include <iterator>

// clang-format off
namespace cairn::model::bert {{
"""]
    for name, numbers in (("kRemoved", removed), ("kSpaces", spaces), ("kIdeographs", ideographs),
                          ("kPunctuation", punctuation), ("kMarks", marks)):
        text.append(table("Range", name, [hexes(r) for r in ranges(numbers)]))
    text.append(table("Run", "kFolded", [f"{{0x{c:x}, {n}, {s}, {d}}}" for c, n, s, d in runs(ones)]))
    tries = most_interlocking(runs(ones))
    text.append(f"const int kMostInterlocking = {tries};\n")
    text.append(table("Several", "kFoldedToSeveral", [f"{{0x{r[0]:x}, {hexes(r[1:])}}}" for r in several]))
    text.append("}  // namespace cairn::model::bert\n")
    with open(OUT, "w", encoding="ascii") as f:
        f.write("\n".join(text))


if __name__ == "__main__":
    main()
