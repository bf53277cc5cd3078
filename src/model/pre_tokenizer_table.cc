// SPDX-License-Identifier: Apache-2.0
#include "model/pre_tokenizer_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/unicode_additions.h"

namespace cairn::model {
namespace {

// Unicode's White_Space. PCRE2's own \s also has U+180E, which left that class in Unicode 6.3.
#define CAIRN_SPACE R"(\t-\r\x{85}\p{Z})"

#define CAIRN_LETTER R"(\p{L})" CAIRN_NEW_LETTERS
#define CAIRN_NUMBER R"(\p{N})" CAIRN_NEW_NUMBERS
#define CAIRN_MARK R"(\p{M})" CAIRN_NEW_MARKS
#define CAIRN_SIGN R"(\p{P}\p{S})" CAIRN_NEW_PUNCTUATION CAIRN_NEW_SYMBOLS
// Letters that a word may begin with, and those it may go on with.
#define CAIRN_UPPER \
  R"(\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M})" CAIRN_NEW_UPPER CAIRN_NEW_OTHER_LETTERS CAIRN_NEW_MARKS
#define CAIRN_LOWER \
  R"(\p{Ll}\p{Lm}\p{Lo}\p{M})" CAIRN_NEW_LOWER CAIRN_NEW_OTHER_LETTERS CAIRN_NEW_MARKS

#define CAIRN_SHORTENED "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
// White space at the end of a line; white space that leaves its last character to the word after
// it; other white space.
#define CAIRN_LINE_ENDS "|[" CAIRN_SPACE "]*[\\r\\n]+"
#define CAIRN_SPACES "|[" CAIRN_SPACE "]+(?![^" CAIRN_SPACE "])|[" CAIRN_SPACE "]+"
#define CAIRN_BLANKS CAIRN_LINE_ENDS CAIRN_SPACES
#define CAIRN_BEFORE_WORD "[^\\r\\n" CAIRN_LETTER CAIRN_NUMBER "]?"
#define CAIRN_OTHERS " ?[^" CAIRN_SPACE CAIRN_LETTER CAIRN_NUMBER "]+"

// Contractions, words, numbers and other characters, each with a space before it; then white space.
constexpr const char* kGpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?[" CAIRN_LETTER
                                     "]+| ?[" CAIRN_NUMBER "]+|" CAIRN_OTHERS CAIRN_SPACES;

// The family of cl100k: a word takes any one character before it along; lines end words.
#define CAIRN_CL100K(word, numbers)                                                         \
  CAIRN_SHORTENED "|" CAIRN_BEFORE_WORD word "|[" CAIRN_NUMBER "]" numbers "|" CAIRN_OTHERS \
                  "[\\r\\n]*" CAIRN_BLANKS
#define CAIRN_WORD "[" CAIRN_LETTER "]+"

// The family of o200k: words of either case apart, contractions with their word.
#define CAIRN_O200K(shortened, numbers)                                                            \
  CAIRN_BEFORE_WORD "[" CAIRN_UPPER "]*[" CAIRN_LOWER "]+" shortened "|" CAIRN_BEFORE_WORD         \
                    "[" CAIRN_UPPER "]+[" CAIRN_LOWER "]*" shortened "|[" CAIRN_NUMBER "]" numbers \
                    "|" CAIRN_OTHERS "[\\r\\n/]*" CAIRN_BLANKS

// The family of deepseek-v3.
#define CAIRN_ASCII_SIGN R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])"
#define CAIRN_SIGNED_WORDS \
  CAIRN_ASCII_SIGN "[A-Za-z]+|[^\\r\\n" CAIRN_LETTER CAIRN_SIGN "]?[" CAIRN_LETTER CAIRN_MARK "]+"
constexpr const char* kSignedWords =
    CAIRN_SIGNED_WORDS "| ?[" CAIRN_SIGN "]+[\\r\\n]*" CAIRN_BLANKS;

constexpr const char* kNumberOfThree = "[" CAIRN_NUMBER "]{1,3}";
constexpr const char* kNumber = "[" CAIRN_NUMBER "]+";
constexpr const char* kDigit = "[" CAIRN_NUMBER "]";
// The tokenizers that split digits by a rule of their own know a newer Unicode.
constexpr const char* kOneDigit = "[" CAIRN_NUMBER CAIRN_NEWEST_NUMBERS "]";
constexpr const char* kChineseJapanese =
    R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr const char* kChineseKorean = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
constexpr const char* kLineEnd = "[\\r\\n]";
constexpr const char* kSentences =
    " ?[^(" CAIRN_SPACE R"(|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";

constexpr SplitStep kGpt2[] = {{kGpt2Pattern}};
constexpr SplitStep kDigits[] = {{kOneDigit}, {kGpt2Pattern}};
constexpr SplitStep kDefault[] = {
    {R"([\p{P}$+<=>^~|)" CAIRN_NEW_PUNCTUATION "]+"},
    {kGpt2Pattern},
    {kNumber},
    {"[0-9][0-9][0-9]"},
};
constexpr SplitStep kFalcon[] = {
    {R"([\p{P}$+<=>^~|`)" CAIRN_NEW_PUNCTUATION "]+"},
    {kGpt2Pattern},
    {"[0-9][0-9][0-9]"},
};
constexpr SplitStep kLlama3[] = {{CAIRN_CL100K(CAIRN_WORD, "{1,3}")}};
constexpr SplitStep kQwen2[] = {{CAIRN_CL100K(CAIRN_WORD, "")}};
constexpr SplitStep kQwen35[] = {
    {CAIRN_SHORTENED "|" CAIRN_BEFORE_WORD "[" CAIRN_LETTER CAIRN_MARK "]+|[" CAIRN_NUMBER
                     "]| ?[^" CAIRN_SPACE CAIRN_LETTER CAIRN_MARK CAIRN_NUMBER
                     "]+[\\r\\n]*" CAIRN_BLANKS}};
// Long white space in pieces of 512, 256, ... characters. Whoever tries these sizes inside the main
// pattern looks for the line's end once per piece; a second step over the finished pieces does not.
constexpr SplitStep kJais2[] = {
    {CAIRN_CL100K(CAIRN_WORD, "{1,3}")},
    {"(?s)\\A[" CAIRN_SPACE "]?[^" CAIRN_SPACE "].*+|\\A.*[\\r\\n]\\z|[" CAIRN_SPACE
     "]{512}|[" CAIRN_SPACE "]{256}|[" CAIRN_SPACE "]{128}|[" CAIRN_SPACE "]{64}|[" CAIRN_SPACE
     "]{32}|[" CAIRN_SPACE "]{16}|[" CAIRN_SPACE "]{8}|[" CAIRN_SPACE "]{4}|[" CAIRN_SPACE
     "]{1,2}"},
};
constexpr SplitStep kDeepSeekLlm[] = {
    {kLineEnd},
    // Letters of Latin, Greek, Cyrillic, Armenian, Georgian, Cherokee, ... that have a case.
    {"[" CAIRN_SPACE "]?[A-Za-z"
     R"(\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF})"
     R"(\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C})"
     R"(\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556})"
     R"(\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF})"
     R"(\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D})"
     R"(\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D})"
     R"(\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4})"
     R"(\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4})"
     R"(\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124})"
     R"(\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F})"
     R"(\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4})"
     R"(\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F})"
     R"(\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17})"
     R"(\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3})"
     R"(\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF})"
     R"(\x{1E900}-\x{1E943}]+)"},
    {"[" CAIRN_SPACE
     R"(]?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)"},
    // White space at the end of a piece. Without the verbs every character of a run that is not at
    // the end would begin a search of its own.
    {"[" CAIRN_SPACE "]++(?:\\z|(*SKIP)(*FAIL))"},
    {kChineseKorean},
    {kNumber},
};
constexpr SplitStep kDeepSeekCoder[] = {
    {kLineEnd},
    {"[" CAIRN_SPACE "]?[" CAIRN_LETTER "]+"},
    {"[" CAIRN_SPACE "]?[\\p{P}" CAIRN_NEW_PUNCTUATION "]+"},
    {kChineseKorean},
    {kOneDigit},
};
constexpr SplitStep kDeepSeek3[] = {{kNumberOfThree}, {kChineseJapanese}, {kSignedWords}};
constexpr SplitStep kSpark[] = {
    {kNumberOfThree},
    {kChineseJapanese},
    {CAIRN_SIGNED_WORDS "| ?[" CAIRN_SIGN "]+|[\\r\\n]" CAIRN_SPACES},
    {kDigit},
};
constexpr SplitStep kAfmoe[] = {
    {"[\\p{Nd}" CAIRN_NEW_DIGITS "]+", SplitHow::kThrees},
    {R"([\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-\x{309F}\x{30A0}-\x{30FF})"
     R"(\x{FF65}-\x{FF9F}\x{2F00}-\x{2FD5}\x{E40}-\x{E7F}\x{E80}-\x{EFF}\x{1780}-\x{17FF})"
     R"(\x{1000}-\x{109F}\x{AA60}-\x{AA7F}\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+)"},
    {kSignedWords},
};
constexpr SplitStep kYoutu[] = {
    {R"([\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+)"
     R"(|[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C})"
     R"(\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+)"
     R"(|[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)"},
    {CAIRN_O200K(CAIRN_SHORTENED "?", "")},
};
constexpr SplitStep kSentence[] = {{kSentences}};
constexpr SplitStep kViking[] = {{kSentences}, {kOneDigit}};
constexpr SplitStep kTekken[] = {{CAIRN_O200K("", "")}};
constexpr SplitStep kGpt4o[] = {{CAIRN_O200K(CAIRN_SHORTENED "?", "{1,3}")}};
// Digits in threes from the right, where no word goes on after them (Oniguruma's idea of a word).
constexpr SplitStep kTinyAya[] = {
    {"[\\p{Nd}" CAIRN_NEW_DIGITS
     "]++(?![\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{"
     "BE}" CAIRN_NEW_LETTERS CAIRN_NEW_MARKS CAIRN_NEW_DIGITS "])",
     SplitHow::kThrees},
    {CAIRN_O200K(CAIRN_SHORTENED "?", "{1,3}")},
};
constexpr SplitStep kSuperBpe[] = {
    {kNumber},
    {"[\\p{Nd}" CAIRN_NEW_DIGITS "]+", SplitHow::kThreesBefore},
};
constexpr SplitStep kChameleon[] = {
    {"<sentinel:[0-9]+>"},
    {"IMGIMG[A-I]{1,4}Z"},
    {"[\\t\\n]|    |  "},
    {kOneDigit},
    {R"([\p{P}!-/:-@\[-`{-~)" CAIRN_NEW_PUNCTUATION "]"},
    {kGpt2Pattern},
};
// Chinese characters apart, also inside words. A class without them can only be written as what is
// not in it, so letters and marks newer than PCRE2's Unicode count as other characters here.
#define CAIRN_UPPER_NOT_HAN R"([^\p{Ll}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}])"
#define CAIRN_LOWER_NOT_HAN R"([^\p{Lu}\p{Lt}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}])"
constexpr SplitStep kKimi[] = {
    {"\\p{sc:Han}+|" CAIRN_BEFORE_WORD CAIRN_UPPER_NOT_HAN "*" CAIRN_LOWER_NOT_HAN
     "+" CAIRN_SHORTENED "?|" CAIRN_BEFORE_WORD CAIRN_UPPER_NOT_HAN "+" CAIRN_LOWER_NOT_HAN
     "*" CAIRN_SHORTENED "?|[" CAIRN_NUMBER "]{1,3}|" CAIRN_OTHERS "[\\r\\n]*" CAIRN_BLANKS}};
constexpr SplitStep kBailing[] = {{"'(?i:[sdmt]|ll|ve|re)|" CAIRN_BEFORE_WORD CAIRN_WORD
                                   "|[" CAIRN_NUMBER "]|" CAIRN_OTHERS "[\\r\\n]*|[" CAIRN_SPACE
                                   "]*[\\r\\n]" CAIRN_SPACES}};
constexpr SplitStep kSeedCoder[] = {{CAIRN_SHORTENED "|" CAIRN_BEFORE_WORD CAIRN_WORD
                                                     "|[" CAIRN_NUMBER
                                                     "]|" CAIRN_OTHERS CAIRN_BLANKS}};
constexpr SplitStep kUfakzeka[] = {
    {CAIRN_BEFORE_WORD CAIRN_WORD "|[" CAIRN_NUMBER "]|" CAIRN_OTHERS "[\\r\\n]*" CAIRN_BLANKS}};
constexpr SplitStep kLaguna[] = {{"[^\\n]+|\\n+"}, {CAIRN_CL100K(CAIRN_WORD, "")}};
// Single letters with spaces between them are one word.
constexpr SplitStep kExaoneMoe[] = {
    {CAIRN_SHORTENED "|" CAIRN_BEFORE_WORD "(?:[" CAIRN_LETTER "][" CAIRN_MARK
                     "]*+(?: [" CAIRN_LETTER "][" CAIRN_MARK "]*+)*+)++|[" CAIRN_NUMBER
                     "]|" CAIRN_OTHERS "[\\r\\n/]?|[" CAIRN_SPACE "]*[\\r\\n]" CAIRN_SPACES}};
constexpr SplitStep kMiniCpm5[] = {{kNumberOfThree}, {CAIRN_CL100K(CAIRN_WORD, "+")}};

constexpr PreTokenizerRow kRows[] = {
    {"default", kDefault},
    {"gpt-2", kGpt2},
    {"llama3", kLlama3, true, true},
    {"llama-v3", kLlama3, true, true},
    {"llama-bpe", kLlama3, true, true},
    {"falcon3", kLlama3, true, true},
    {"falcon-h1", kLlama3, true, true},
    {"pixtral", kLlama3, true, true},
    {"midm-2.0", kLlama3, true, true},
    {"lfm2", kLlama3, true, true},
    {"jina-v5-nano", kLlama3, true, true},
    {"jais-2", kJais2},
    {"dbrx", kLlama3},
    {"smaug-bpe", kLlama3},
    {"chatglm-bpe", kLlama3},
    {"glm4", kLlama3},
    {"minicpm5", kMiniCpm5, true},
    {"deepseek-llm", kDeepSeekLlm},
    {"deepseek-coder", kDeepSeekCoder},
    {"deepseek-v3", kDeepSeek3},
    {"hunyuan-dense", kDeepSeek3},
    {"joyai-llm", kDeepSeek3},
    {"hy_v4", kDeepSeek3},
    {"spark2_5", kSpark},
    {"youtu", kYoutu, true},
    {"afmoe", kAfmoe},
    {"falcon", kFalcon},
    {"starcoder", kDigits},
    {"refact", kDigits},
    {"command-r", kDigits},
    {"smollm", kDigits},
    {"codeshell", kDigits},
    {"exaone", kDigits},
    {"minerva-7b", kDigits},
    {"mellum2", kDigits},
    {"mpt", kGpt2},
    {"olmo", kGpt2},
    {"jais", kGpt2},
    {"trillion", kGpt2},
    {"granite-docling", kGpt2},
    {"exaone4", kGpt2},
    {"phi-2", kGpt2},
    {"jina-es", kGpt2},
    {"jina-de", kGpt2},
    {"jina-v1-en", kGpt2},
    {"jina-v2-es", kGpt2},
    {"jina-v2-de", kGpt2},
    {"jina-v2-code", kGpt2},
    {"roberta-bpe", kGpt2},
    {"modern-bert", kGpt2},
    {"gigachat", kGpt2},
    {"a.x-4.0", kGpt2},
    {"mellum", kGpt2},
    {"qwen2", kQwen2},
    {"deepseek-r1-qwen", kQwen2},
    {"kormo", kQwen2},
    {"f2llmv2", kQwen2},
    {"megrez", kQwen2},
    {"stablelm2", kQwen2},
    {"hunyuan", kQwen2},
    {"solar-open", kQwen2},
    {"grok-2", kQwen2},
    {"qwen35", kQwen35},
    {"ufakzeka", kUfakzeka},
    {"laguna", kLaguna},
    {"seed-coder", kSeedCoder},
    {"bailingmoe", kBailing},
    {"bailingmoe2", kBailing},
    {"llada-moe", kBailing},
    {"exaone-moe", kExaoneMoe},
    {"poro-chat", kSentence},
    {"bloom", kSentence},
    {"gpt3-finnish", kSentence},
    {"viking", kViking},
    {"tekken", kTekken, true, true},
    {"gpt-4o", kGpt4o},
    {"llama4", kGpt4o},
    {"kanana2", kGpt4o},
    {"talkie", kGpt4o},
    {"minimax-m2", kGpt4o},
    {"granite-embed-multi-97m", kGpt4o, true},
    {"tiny_aya", kTinyAya},
    {"cohere2moe", kTinyAya},
    {"superbpe", kSuperBpe},
    {"chameleon", kChameleon, false, true},
    {"kimi-k2", kKimi},
    {"gemma4", {}, false, true, true},
    {"granite-embed-multi-311m", {}, false, true, true},
    {"sarvam-moe", {}, false, false, true},
};

}  // namespace

std::span<const PreTokenizerRow> PreTokenizerRows() { return kRows; }

const PreTokenizerRow* FindPreTokenizer(std::string_view name) {
  const auto found = std::ranges::find(kRows, name, &PreTokenizerRow::name);
  return found == std::end(kRows) ? nullptr : &*found;
}

std::string HowToForcePreTokenizer() {
  return fmt::format(
      "--pre NAME takes a known one instead: gpt-2, llama-bpe, qwen2, tekken, gpt-4o or "
      "another of the {} that `cairn support` lists",
      std::size(kRows));
}

}  // namespace cairn::model
