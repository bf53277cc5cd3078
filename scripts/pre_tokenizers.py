# SPDX-License-Identifier: Apache-2.0
"""The pre-tokenizers of GGUF files as the models' own tokenizer.json files have them, for `tokenizers`.

  pre_tokenizers.py [--count 20000] [--seed N] [--tool .../cairn_encode_many] [--every-character]
                    [--fixture OUT.json --count 40] [NAME ...]

Compares the words that Cairn cuts texts into with those of the Rust library `tokenizers` (its own regular
expressions, Oniguruma), for each NAME (default: one of each pattern). Exits 1 where any text is cut otherwise.
"""
import argparse
import json
import os
import struct
import subprocess
import sys

from tokenizers import Regex, pre_tokenizers
from tokenizers.pre_tokenizers import Digits, Split

from tokenizer_texts import texts

SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
BLANKS = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
BEFORE = r"[^\r\n\p{L}\p{N}]?"


def split(*patterns):
    return [Split(Regex(p), "isolated") for p in patterns]


def cl100k(number, word=r"\p{L}+"):
    return f"{SHORT}|{BEFORE}{word}|{number}" + r"| ?[^\s\p{L}\p{N}]+[\r\n]*" + BLANKS


def o200k(short, number):
    return (f"{BEFORE}{UPPER}*{LOWER}+{short}|{BEFORE}{UPPER}+{LOWER}*{short}|{number}"
            r"| ?[^\s\p{L}\p{N}]+[\r\n/]*" + BLANKS)


# The pattern of byte-level BPE itself; ByteLevel would rewrite the bytes too.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
ASCII_SIGN = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""
SIGNED = ASCII_SIGN + r"[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + BLANKS
SENTENCES = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
CASED = ("A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
         "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481"
         "\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b"
         "\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b"
         "\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
         "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
         "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
         "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
         "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
         "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943")
HAN = r"\p{Han}"
KIMI = (rf"{HAN}+|{BEFORE}[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}&&[^{HAN}]]*[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}&&[^{HAN}]]+{SHORT}?"
        rf"|{BEFORE}[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}&&[^{HAN}]]+[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}&&[^{HAN}]]*{SHORT}?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + BLANKS)
LONG_BLANKS = "".join(r"|\s{%d}(?!\S)" % n for n in (512, 256, 128, 64, 32, 16, 8, 4)) + r"|\s{1,2}(?!\S)|\s{1}"

PRE = {
    "default": lambda: split(r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"),
    "gpt-2": lambda: split(GPT2),
    "smollm": lambda: [Digits(individual_digits=True)] + split(GPT2),
    "falcon": lambda: split(r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"),
    "llama-bpe": lambda: split(cl100k(r"\p{N}{1,3}")),
    "qwen2": lambda: split(cl100k(r"\p{N}")),
    "qwen35": lambda: split(f"{SHORT}|{BEFORE}" + r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + BLANKS),
    "jais-2": lambda: split(f"{SHORT}|{BEFORE}" + r"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+" + LONG_BLANKS),
    "minicpm5": lambda: split(r"\p{N}{1,3}", cl100k(r"\p{N}+")),
    "deepseek-llm": lambda: split("[\r\n]", rf"\s?[{CASED}]+", "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
                                  r"\s+$", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"\p{N}+"),
    "deepseek-coder": lambda: split("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+")
    + [Digits(individual_digits=True)],
    "deepseek-v3": lambda: split(r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", SIGNED),
    "spark2_5": lambda: split(r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                              ASCII_SIGN + r"[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+",
                              r"\p{N}"),
    "youtu": lambda: split("[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c"
                           "\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                           o200k(SHORT + "?", r"\p{N}")),
    "afmoe": lambda: split(r"\d{1,3}(?=(?:\d{3})*(?!\d))",
                           "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fd5"
                           "\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff"
                           "\uac00-\ud7af\u1100-\u11ff]+", SIGNED),
    "bloom": lambda: split(SENTENCES),
    "viking": lambda: split(SENTENCES) + [Digits(individual_digits=True)],
    "tekken": lambda: split(o200k("", r"\p{N}")),
    "gpt-4o": lambda: split(o200k(SHORT + "?", r"\p{N}{1,3}")),
    "tiny_aya": lambda: split(r"\d{1,3}(?=(?:\d{3})*\b)", o200k(SHORT + "?", r"\p{N}{1,3}")),
    "superbpe": lambda: split(r"\p{N}+", r"(?=(\d{3})+(?!\d))"),
    "chameleon": lambda: split("<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\t\n]|    |  )")
    + [Digits(individual_digits=True)] + split(r"[\p{P}!-/:-@\[-`{-~]", GPT2),
    "kimi-k2": lambda: split(KIMI),
    "bailingmoe": lambda: split(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
                                r"|\s*[\r\n]|\s+(?!\S)|\s+"),
    "seed-coder": lambda: split(f"{SHORT}|{BEFORE}" + r"\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}" + "\r\n" + r"]+" + BLANKS),
    "ufakzeka": lambda: split(f"{BEFORE}" + r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + BLANKS),
    "laguna": lambda: split(r"[^\n]+|[\n]+", cl100k(r"\p{N}")),
    "exaone-moe": lambda: split(f"{SHORT}|{BEFORE}" + r"(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?"
                                r"|\s*[\r\n]|\s+(?!\S)|\s+"),
}


def words(name, some):
    """For each text the bytes of each of its words."""
    steps = pre_tokenizers.Sequence(PRE[name]())
    return [[len(w.encode()) for w, _ in steps.pre_tokenize_str(t)] for t in some]


def cairn(tool, name, some):
    data = b"".join(struct.pack("<I", len(b)) + b for b in (x.encode() for x in some))
    raw = subprocess.run([tool, "--split", name], input=data, stdout=subprocess.PIPE, check=True).stdout
    out, at = [], 0
    while at < len(raw):
        n = struct.unpack_from("<I", raw, at)[0]
        out.append(list(struct.unpack_from(f"<{n}i", raw, at + 4)))
        at += 4 + 4 * n
    return out


def digits(count):
    """Long numbers with words, marks and other numbers beside them."""
    import random
    r = random.Random(7)
    beside = ["", " ", "a", "_", "\u0301", "\u00b2", "\u2160", ".", "\u0663", "\u4e00", "\n", "\u24d0"]
    return ["".join(r.choice(beside) + "".join(r.choice("0123456789\u0664") for _ in range(r.randrange(12)))
                    for _ in range(4)) + r.choice(beside) for _ in range(count)]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", default=list(PRE))
    p.add_argument("--count", type=int, default=20000)
    p.add_argument("--seed", type=int, default=20240607)
    p.add_argument("--every-character", action="store_true")
    p.add_argument("--fixture")
    p.add_argument("--tool", default=os.path.join(here, "../build/release/tests/tools/cairn_encode_many"))
    a = p.parse_args()
    if a.every_character:
        some = [f"b{chr(c)}a{chr(c)}B2{chr(c)}1?{chr(c)}! {chr(c)}\n{chr(c)}" for c in range(0x110000)
                if not 0xD800 <= c <= 0xDFFF]
    else:
        some = texts(a.count - a.count // 20, a.seed) + digits(a.count // 20)
    if a.fixture:
        head = {"made_by": f"scripts/pre_tokenizers.py --fixture --count {a.count} --seed {a.seed}",
                "texts": some, "words": {name: words(name, some) for name in a.names}}
        with open(a.fixture, "w") as f:
            json.dump(head, f, separators=(",", ":"))
            f.write("\n")
        return 0
    wrong = 0
    for name in a.names:
        expected, got = words(name, some), cairn(a.tool, name, some)
        bad = [i for i in range(len(some)) if i >= len(got) or got[i] != expected[i]]
        print(f"{name}: {len(some) - len(bad)} texts equal, {len(bad)} different")
        for i in bad[:3]:
            print(f"  {some[i]!r}\n  expected {expected[i]}\n  got      {got[i] if i < len(got) else None}")
        if a.every_character and bad:
            print("  characters:", " ".join(f"{ord(some[i][1]):04X}" for i in bad[:300]))
        wrong += bool(bad)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
