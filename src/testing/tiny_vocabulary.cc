// SPDX-License-Identifier: Apache-2.0
#include "testing/tiny_vocabulary.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/vocabulary.h"

namespace cairn::testing {
namespace {

using model::TokenType;

struct Tokens {
  std::vector<std::string> texts;
  std::vector<std::int32_t> types;
  std::vector<float> scores;

  std::uint32_t Add(std::string text, TokenType type, float score = 0) {
    texts.push_back(std::move(text));
    types.push_back(static_cast<std::int32_t>(type));
    scores.push_back(score);
    return static_cast<std::uint32_t>(texts.size() - 1);
  }
};

// The printable stand-in of a byte in byte-level vocabularies, as UTF-8.
std::string StandIn(int byte) {
  static const auto table = [] {
    std::vector<int> points(256);
    int next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      points[static_cast<std::size_t>(b)] = printable ? b : next++;
    }
    return points;
  }();
  const int point = table[static_cast<std::size_t>(byte)];
  if (point < 128) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xc0 | point >> 6), static_cast<char>(0x80 | (point & 63))};
}

constexpr char kChatMl[] =
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
constexpr char kTurns[] =
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] }}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}";

}  // namespace

int WriteByteBpe(GgufWriter& writer, bool chat_template) {
  Tokens tokens;
  const std::uint32_t end_of_text = tokens.Add("<|endoftext|>", TokenType::kControl);
  tokens.Add("<|im_start|>", TokenType::kControl);
  const std::uint32_t end_of_turn = tokens.Add("<|im_end|>", TokenType::kControl);
  for (int b = 0; b < 256; ++b) tokens.Add(StandIn(b), TokenType::kNormal);
  const std::string space = StandIn(' ');
  std::vector<std::string> merges;
  const auto merge = [&](const std::string& left, const std::string& right) {
    merges.push_back(left + " " + right);
    tokens.Add(left + right, TokenType::kNormal);
  };
  for (const char* pair : {"t h", "i n", "e r", "a n", "o u", "s t", "th e", "an d", "in g"}) {
    const std::string text = pair;
    const std::size_t gap = text.find(' ');
    merge(text.substr(0, gap), text.substr(gap + 1));
  }
  for (const char* word : {"the", "and", "t", "s", "in", "w"}) merge(space, word);
  writer.Set("tokenizer.ggml.model", "gpt2");
  writer.Set("tokenizer.ggml.pre", "gpt-2");
  writer.SetStrings("tokenizer.ggml.tokens", tokens.texts);
  writer.SetArray<std::int32_t>("tokenizer.ggml.token_type", tokens.types);
  writer.SetStrings("tokenizer.ggml.merges", merges);
  writer.Set("tokenizer.ggml.bos_token_id", end_of_text);
  writer.Set("tokenizer.ggml.eos_token_id", end_of_turn);
  writer.Set("tokenizer.ggml.add_bos_token", false);
  if (chat_template) writer.Set("tokenizer.chat_template", kChatMl);
  return static_cast<int>(tokens.texts.size());
}

int WriteSentencePiece(GgufWriter& writer, bool chat_template) {
  Tokens tokens;
  const std::uint32_t unknown = tokens.Add("<unk>", TokenType::kUnknown);
  const std::uint32_t begin = tokens.Add("<bos>", TokenType::kControl);
  const std::uint32_t end = tokens.Add("<eos>", TokenType::kControl);
  tokens.Add("<start_of_turn>", TokenType::kControl);
  const std::uint32_t end_of_turn = tokens.Add("<end_of_turn>", TokenType::kControl);
  for (int b = 0; b < 256; ++b) tokens.Add(fmt::format("<0x{:02X}>", b), TokenType::kByte);
  const std::string mark = "\xE2\x96\x81";
  // Earlier pieces merge first, as SentencePiece numbers them.
  float score = 0;
  for (const char* piece : {"th", "in", "er", "an", "ou", "st", "the", "and", "ing"}) {
    tokens.Add(piece, TokenType::kNormal, score -= 1);
  }
  for (const char* word : {"the", "and", "t", "s", "in", "w"}) {
    tokens.Add(mark + word, TokenType::kNormal, score -= 1);
  }
  tokens.Add(mark, TokenType::kNormal, score -= 1);
  for (char c = 'a'; c <= 'z'; ++c) {
    tokens.Add(std::string(1, c), TokenType::kNormal, score -= 1);
  }
  writer.Set("tokenizer.ggml.model", "llama");
  writer.SetStrings("tokenizer.ggml.tokens", tokens.texts);
  writer.SetArray<float>("tokenizer.ggml.scores", tokens.scores);
  writer.SetArray<std::int32_t>("tokenizer.ggml.token_type", tokens.types);
  writer.Set("tokenizer.ggml.unknown_token_id", unknown);
  writer.Set("tokenizer.ggml.bos_token_id", begin);
  writer.Set("tokenizer.ggml.eos_token_id", end);
  writer.Set("tokenizer.ggml.eot_token_id", end_of_turn);
  writer.Set("tokenizer.ggml.add_bos_token", true);
  writer.Set("tokenizer.ggml.add_space_prefix", false);
  if (chat_template) writer.Set("tokenizer.chat_template", kTurns);
  return static_cast<int>(tokens.texts.size());
}

}  // namespace cairn::testing
