// SPDX-License-Identifier: Apache-2.0
#include "model/rwkv_words.h"

#include <fmt/format.h>

#include <bitset>
#include <optional>

namespace cairn::model {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Absent: a broken escape.
std::optional<std::string> Unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    switch (text[i]) {
      case 't': out += '\t'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 'x': {
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
        break;
      }
      default: out += text[i];
    }
  }
  return out;
}

}  // namespace

Result<RwkvWords> RwkvWords::Create(const Vocabulary& v) {
  std::vector<std::string> texts;
  texts.reserve(v.tokens.size());
  std::vector<TokenPrefixes::Entry> entries;
  std::bitset<256> bytes;
  for (std::size_t id = 0; id < v.tokens.size(); ++id) {
    if (v.types[id] != TokenType::kNormal) {
      texts.emplace_back(v.tokens[id]);
      continue;
    }
    auto text = Unescaped(v.tokens[id]);
    if (!text) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("'tokenizer.ggml.tokens' entry {} has a broken escape", id));
    }
    texts.push_back(std::move(*text));
    const std::string_view view = texts.back();
    if (view.size() == 1) bytes.set(static_cast<unsigned char>(view[0]));
    entries.push_back({view, static_cast<std::int32_t>(id)});
  }
  if (!bytes.all() && !v.unknown) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("'tokenizer.ggml.tokens' lacks {} of the 256 single bytes and "
                            "'tokenizer.ggml.unknown_token_id' is missing; one of them is needed",
                            256 - bytes.count()));
  }
  TokenPrefixes prefixes = OR_RETURN(TokenPrefixes::Create(std::move(entries)));
  return RwkvWords(std::move(texts), std::move(prefixes), v.unknown.value_or(-1));
}

void RwkvWords::Encode(std::string_view text, std::vector<std::int32_t>& out) const {
  while (!text.empty()) {
    std::int32_t best = unknown_;
    std::size_t longest = 1;
    prefixes_.ForEach(text, [&](std::int32_t id, std::size_t bytes) {
      best = id;
      longest = bytes;
    });
    out.push_back(best);
    text.remove_prefix(longest);
  }
}

}  // namespace cairn::model
