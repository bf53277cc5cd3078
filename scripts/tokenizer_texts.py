# SPDX-License-Identifier: Apache-2.0
"""Texts that are hard to tokenize, from a seed: every plane of Unicode, code, white space, emoji."""
import random

PROSE = """The lighthouse keeper's daughter didn't know that they'd been there; it's what we've always
said, isn't it? "I'll go," he'd answered -- and I'm sure you're right. Zahlen wie 3,14 oder 2.718 und
Straßen, Größe, naïve café, Ærø, œuvre. Съешь же ещё этих мягких французских булок. Η γρήγορη αλεπού.
素早い茶色の狐が怠け者の犬を飛び越える。ひらがなとカタカナ、漢字。빠른 갈색 여우가 게으른 개를 뛰어넘는다. 敏捷的棕色狐狸。
ภาษาไทยไม่มีช่องว่าง ভাষা हिन्दी में लिखा हुआ पाठ தமிழ் العربية لغة جميلة עברית שפה יפה አማርኛ ქართული հայերեն""".split()
CODE = [
    "for (int i = 0; i < n; ++i) {", "def f(self, x):", "    return x**2", "\t\tif err != nil {",
    "#include <vector>", "std::vector<std::pair<int, double>> v;", "}\n\n", "// TODO: fix", "/* a */",
    "<div class=\"x\">&nbsp;</div>", "<td><b>1</b></td>", "SELECT * FROM t WHERE a='b';", "a->b[0]", "\r\n",
    "0x1F600", "1e-9", "x&=~y", "!==", "===", "{{ x }}", "${HOME}", "\\n", "ftp://a.b/c?d=e&f=%20#g",
    "lambda x: x", ">\u2581</", "> </", "__init__", "camelCaseName", "SHOUTING_CASE", "&&", "||", "<|", "|>",
]
EMOJI = ["😀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "❤️", "🧑🏿‍🚀", "©", "™", "1️⃣", "🫠", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\n\n\n", "\r", "\r\n", "\v", "\f", "\x85", "\xa0", "\u1680",
          "\u180e", "\u2000", "\u2009", "\u200b", "\u200d", "\u2028", "\u2029", "\u202f", "\u205f",
          "\u3000", "\ufeff", "\u2581", "\u2581\u2581", "\x1c", "\x1f"]
DIGITS = ["0", "7", "42", "1234567890", "٣", "४२", "½", "²", "Ⅷ", "①", "〇", "一", "𝟙", "๕"]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "’s", "''", "'"]
SPECIALS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<bos>", "<eos>", "<start_of_turn>", "<unused7>",
            "<0x41>", "<unk>", "<pad>", "<s>", "</s>", "<mask>", "[multimodal]"]


def _character(r):
    plane = r.choice([0] * 6 + [1] * 4 + [2, 2, 3, 14, 15, 16] + list(range(17)))
    while True:
        c = plane << 16 | r.randrange(1 << 16)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def _block(r):
    """A few characters of one script: neighbours of a random letter."""
    start = ord(_character(r))
    return "".join(chr(c) for c in (start + r.randrange(40) for _ in range(r.randrange(1, 9)))
                   if c < 0x110000 and not 0xD800 <= c <= 0xDFFF)


def _low(r):
    return "".join(chr(r.randrange(0x250)) for _ in range(r.randrange(1, 12)))


def _run(r):
    return r.choice(["a", " ", "\n", "\t", "=", "-", "ab", "\u2581", "1", "é", "漢", "😀", "' ", "\r\n", "<"]) * r.randrange(2, 70)


def _ascii(r):
    return "".join(chr(r.randrange(128)) for _ in range(r.randrange(1, 12)))


def _letters(r):
    return "".join(r.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(r.randrange(1, 50)))


def texts(count, seed=20240607, specials=True):
    r = random.Random(seed)
    parts = [lambda: r.choice(PROSE), lambda: " " + r.choice(PROSE), lambda: r.choice(CODE), lambda: r.choice(EMOJI),
             lambda: r.choice(SPACES), lambda: r.choice(SPACES), lambda: r.choice(DIGITS),
             lambda: r.choice(CONTRACTIONS), lambda: _character(r), lambda: _block(r), lambda: _low(r), lambda: _run(r),
             lambda: _ascii(r), lambda: _letters(r), lambda: str(r.randrange(10 ** r.randrange(1, 12)))]
    if specials:
        parts.append(lambda: r.choice(SPECIALS))
    out = ["", " ", "  ", "\n", "\0", "a", " a", "a ", "\u2581", "\ufffd"]
    while len(out) < count:
        favourites = r.sample(parts, r.randrange(1, 6))
        out.append("".join(r.choice(favourites)() for _ in range(r.randrange(1, 25))))
    return out[:count]
