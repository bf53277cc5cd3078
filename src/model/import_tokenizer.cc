// SPDX-License-Identifier: Apache-2.0
#include "model/import_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/value.hpp>
#include <optional>
#include <vector>

#include "base/printable.h"
#include "model/vocabulary.h"

namespace cairn::model {
namespace {

namespace json = boost::json;

constexpr std::string_view kWordMark = "\xE2\x96\x81";  // U+2581

std::unexpected<Error> Corrupt(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("tokenizer.json: {}", what));
}

const json::object* ObjectAt(const json::object& parent, std::string_view key) {
  const json::value* value = parent.if_contains(key);
  return value != nullptr ? value->if_object() : nullptr;
}

std::string_view TextAt(const json::object& parent, std::string_view key) {
  const json::value* value = parent.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

// Tokens by id, as the file spells them, and which of them are control tokens.
struct Tokens {
  std::vector<std::string> texts;
  std::vector<bool> special;

  std::optional<std::uint32_t> Find(std::string_view text) const {
    const auto found = std::ranges::find(texts, text);
    if (found == texts.end()) return std::nullopt;
    return static_cast<std::uint32_t>(found - texts.begin());
  }
};

class TokenList {
 public:
  Result<void> Put(std::string_view text, const json::value& id, bool special) {
    const std::int64_t* number = id.if_int64();
    if (number == nullptr || *number < 0 || static_cast<std::uint64_t>(*number) >= kMostTokens ||
        text.empty() || text.size() > kMostTokenBytes) {
      return Corrupt(
          fmt::format("token '{}' has no id below {}, or no text", Printable(text), kMostTokens));
    }
    const auto at = static_cast<std::size_t>(*number);
    if (at >= tokens_.texts.size()) {
      tokens_.texts.resize(at + 1);
      tokens_.special.resize(at + 1);
    }
    tokens_.texts[at] = text;
    tokens_.special[at] = special;
    return {};
  }
  Result<Tokens> Finish() {
    const auto hole = std::ranges::find_if(tokens_.texts, &std::string::empty);
    if (tokens_.texts.empty()) return Corrupt("the vocabulary is empty");
    if (hole != tokens_.texts.end()) {
      return Corrupt(fmt::format("no token has the id {}", hole - tokens_.texts.begin()));
    }
    return std::move(tokens_);
  }

 private:
  Tokens tokens_;
};

Result<Tokens> ReadTokens(const json::object& tokenizer, const json::object& model) {
  const json::object* vocabulary = ObjectAt(model, "vocab");
  if (vocabulary == nullptr) return Corrupt("'model' has no 'vocab'");
  if (vocabulary->size() > kMostTokens) return Corrupt("the vocabulary is too large");
  TokenList list;
  for (const auto& [text, id] : *vocabulary) OR_RETURN(list.Put(text, id, false));
  const json::value* added = tokenizer.if_contains("added_tokens");
  if (added != nullptr && added->is_array()) {
    for (const json::value& value : added->get_array()) {
      const json::object* token = value.if_object();
      const json::value* id = token != nullptr ? token->if_contains("id") : nullptr;
      if (id == nullptr) return Corrupt("an added token has no id");
      const json::value* special = token->if_contains("special");
      OR_RETURN(list.Put(TextAt(*token, "content"), *id,
                         special != nullptr && special->is_bool() && special->get_bool()));
    }
  }
  return list.Finish();
}

// GGUF files spell tokens that begin a word with a mark and others without their ##.
void SetWordPieces(const Tokens& tokens, std::string_view prefix, GgufOutput& out) {
  std::vector<std::string> texts;
  std::vector<std::int32_t> types;
  for (std::size_t id = 0; id < tokens.texts.size(); ++id) {
    const std::string& text = tokens.texts[id];
    const bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
    TokenType type = TokenType::kNormal;
    if (tokens.special[id]) {
      type = TokenType::kControl;
    } else if (bracketed) {
      type = TokenType::kUnused;  // "[unused0]": brackets are words of their own
    }
    types.push_back(static_cast<std::int32_t>(type));
    if (type != TokenType::kNormal) {
      texts.push_back(text);
    } else if (text.starts_with(prefix) && text.size() > prefix.size()) {
      texts.push_back(text.substr(prefix.size()));
    } else {
      texts.push_back(std::string(kWordMark) + text);
    }
  }
  out.SetStrings("tokenizer.ggml.tokens", texts);
  out.SetInts("tokenizer.ggml.token_type", types);
}

Result<void> ImportWordPiece(const json::object& tokenizer, const json::object& model,
                             GgufOutput& out) {
  const Tokens tokens = OR_RETURN(ReadTokens(tokenizer, model));
  out.Set("tokenizer.ggml.model", "bert");
  const std::string_view prefix = TextAt(model, "continuing_subword_prefix");
  SetWordPieces(tokens, prefix.empty() ? "##" : prefix, out);
  const std::string_view unknown = TextAt(model, "unk_token");
  const std::pair<const char*, std::string_view> ids[] = {
      {"tokenizer.ggml.unknown_token_id", unknown.empty() ? "[UNK]" : unknown},
      {"tokenizer.ggml.padding_token_id", "[PAD]"},
      {"tokenizer.ggml.cls_token_id", "[CLS]"},
      {"tokenizer.ggml.bos_token_id", "[CLS]"},
      {"tokenizer.ggml.eos_token_id", "[SEP]"},
      // As the format's makers spell it.
      {"tokenizer.ggml.seperator_token_id", "[SEP]"},
      {"tokenizer.ggml.mask_token_id", "[MASK]"},
  };
  for (const auto& [key, text] : ids) {
    if (const auto id = tokens.Find(text)) out.Set(key, *id);
  }
  out.Set("tokenizer.ggml.add_bos_token", true);
  out.Set("tokenizer.ggml.add_eos_token", true);
  return {};
}

}  // namespace

Result<void> ImportTokenizer(const json::object& tokenizer, GgufOutput& out) {
  const json::object* model = ObjectAt(tokenizer, "model");
  if (model == nullptr) return Corrupt("there is no 'model'");
  const std::string_view type = TextAt(*model, "type");
  if (type == "WordPiece") return ImportWordPiece(tokenizer, *model, out);
  return Fail(ErrorCode::kUnsupported,
              fmt::format("tokenizer.json has a model of type '{}', only WordPiece can be "
                          "converted",
                          Printable(type)));
}

}  // namespace cairn::model
