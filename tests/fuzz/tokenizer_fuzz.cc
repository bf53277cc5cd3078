// SPDX-License-Identifier: Apache-2.0
// Any vocabulary and any text. The input is: one byte of switches, two bytes with the length of a
// GGUF file, the file, the text. Without a file a small vocabulary with every byte is taken, where
// well-formed text must come back as it was.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "model/tokenizer.h"
#include "model/utf8.h"

namespace {

using cairn::model::Gguf;
using cairn::model::StreamDecoder;
using cairn::model::TextPart;
using cairn::model::Tokenizer;
using cairn::model::Vocabulary;

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string Replaced(std::string_view text) {
  std::string out;
  cairn::model::AppendWellFormed(text, out);
  return out;
}

// Every byte as a token, a few merges, one control token.
const Tokenizer& SmallTokenizer(bool digits) {
  static const std::vector<std::string>& tokens = *[] {
    auto* made = new std::vector<std::string>;
    int next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      const int c = plain ? b : next++;
      if (c < 0x80) {
        made->push_back(std::string(1, static_cast<char>(c)));
      } else {
        made->push_back({static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))});
      }
    }
    for (const char* more : {"aa", "aaaa", "ab", "ba", "abab",
                             "\xC4\xA0"
                             "a",
                             "<|x|>"}) {
      made->push_back(more);
    }
    return made;
  }();
  const auto make = [](const char* pre) {
    Vocabulary v;
    v.kind = cairn::model::TokenizerKind::kByteBpe;
    v.pre = pre;
    v.tokens.assign(tokens.begin(), tokens.end());
    v.types.assign(tokens.size(), cairn::model::TokenType::kNormal);
    v.types.back() = cairn::model::TokenType::kControl;
    v.merges = {"a b", "a a", "b a", "aa aa", "ab ab", "\xC4\xA0 a"};
    auto tokenizer = Tokenizer::Create(std::move(v));
    Require(tokenizer.has_value());
    return std::move(*tokenizer);
  };
  static const Tokenizer kGpt2 = make("gpt-2");
  static const Tokenizer kSmolLm = make("smollm");
  return digits ? kSmolLm : kGpt2;
}

void Check(const Tokenizer& tokenizer, std::string_view text, bool special, bool exact) {
  const std::string_view head = text.substr(0, text.size() / 2);
  const TextPart parts[] = {{head, special}, {text.substr(head.size()), false}};
  const auto ids = tokenizer.Encode(parts, special);
  if (!ids) {
    Require(!ids.error().message.empty());
    return;
  }
  StreamDecoder stream(tokenizer);
  std::string streamed;
  for (const std::int32_t id : *ids) {
    Require(id >= 0 && id < tokenizer.size());
    streamed += stream.Push(id);
  }
  streamed += stream.Finish();
  const std::string decoded = tokenizer.Decode(*ids, false);
  Require(streamed == Replaced(decoded));
  if (exact && !special) Require(decoded == Replaced(head) + Replaced(text.substr(head.size())));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const bool special = (data[0] & 1) != 0;
  const std::size_t length = std::min<std::size_t>(data[1] | data[2] << 8, size - 3);
  // A copy of its own, so that reading past its end is seen.
  const std::vector<std::uint8_t> file(data + 3, data + 3 + length);
  const std::string text(reinterpret_cast<const char*>(data + 3 + length), size - 3 - length);
  if (file.empty()) {
    Check(SmallTokenizer((data[0] & 2) != 0), text, special, true);
    return 0;
  }
  const auto gguf = Gguf::Parse(std::as_bytes(std::span(file)));
  if (!gguf) return 0;
  auto vocabulary = cairn::model::ReadVocabulary(*gguf);
  if (!vocabulary) return 0;
  const auto tokenizer = Tokenizer::Create(std::move(*vocabulary));
  if (tokenizer) Check(*tokenizer, text, special, false);
  return 0;
}
