// SPDX-License-Identifier: Apache-2.0
#include "model/import_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/printable.h"
#include "model/vocabulary.h"

namespace cairn::model {
namespace {

namespace json = boost::json;

constexpr std::string_view kWordMark = "\xE2\x96\x81";  // U+2581
// Ids without a token: real vocabularies have few.
constexpr std::size_t kMostHoles = 1 << 17;

std::unexpected<Error> Corrupt(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("tokenizer.json: {}", what));
}

class TokenList {
 public:
  // `most`: an id is below it.
  explicit TokenList(std::size_t most) : most_(most) {}

  Result<void> Put(std::string_view text, const json::value& id, bool added, bool special) {
    const std::int64_t* number = id.if_int64();
    if (number == nullptr || *number < 0 || static_cast<std::uint64_t>(*number) >= most_ ||
        text.empty() || text.size() > kMostTokenBytes) {
      return Corrupt(
          fmt::format("token '{}' has no id below {}, or no text", Printable(text), most_));
    }
    const auto at = static_cast<std::size_t>(*number);
    if (at >= tokens_.texts.size()) {
      tokens_.texts.resize(at + 1);
      tokens_.added.resize(at + 1);
      tokens_.special.resize(at + 1);
    }
    tokens_.texts[at] = text;
    tokens_.added[at] = added;
    tokens_.special[at] = special;
    return {};
  }
  Result<ImportedTokens> Finish() {
    if (tokens_.texts.empty()) return Corrupt("the vocabulary is empty");
    return std::move(tokens_);
  }

 private:
  std::size_t most_;
  ImportedTokens tokens_;
};

// GGUF files spell tokens that begin a word with a mark and others without their ##.
void SetWordPieces(const ImportedTokens& tokens, std::string_view prefix, GgufOutput& out) {
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
  const ImportedTokens tokens = OR_RETURN(ReadTokens(tokenizer, model));
  const auto hole = std::ranges::find_if(tokens.texts, &std::string::empty);
  if (hole != tokens.texts.end()) {
    return Corrupt(fmt::format("no token has the id {}", hole - tokens.texts.begin()));
  }
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

const json::object* ObjectAt(const json::object& parent, std::string_view key) {
  const json::value* value = parent.if_contains(key);
  return value != nullptr ? value->if_object() : nullptr;
}

const json::array* ArrayAt(const json::object& parent, std::string_view key) {
  const json::value* value = parent.if_contains(key);
  return value != nullptr ? value->if_array() : nullptr;
}

std::string_view TextAt(const json::object& parent, std::string_view key) {
  const json::value* value = parent.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

bool FlagAt(const json::object& parent, std::string_view key, bool fallback) {
  const json::value* value = parent.if_contains(key);
  return value != nullptr && value->is_bool() ? value->get_bool() : fallback;
}

std::optional<std::uint32_t> ImportedTokens::Find(std::string_view text) const {
  const auto found = std::ranges::find(texts, text);
  if (text.empty() || found == texts.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - texts.begin());
}

Result<ImportedTokens> ReadTokens(const json::object& tokenizer, const json::object& model) {
  const json::object* vocabulary = ObjectAt(model, "vocab");
  if (vocabulary == nullptr) return Corrupt("'model' has no 'vocab'");
  const json::array* added = ArrayAt(tokenizer, "added_tokens");
  const std::size_t count = vocabulary->size() + (added != nullptr ? added->size() : 0);
  if (count > kMostTokens) return Corrupt("the vocabulary is too large");
  TokenList list(std::min(count + kMostHoles, kMostTokens));
  for (const auto& [text, id] : *vocabulary) OR_RETURN(list.Put(text, id, false, false));
  if (added == nullptr) return list.Finish();
  for (const json::value& value : *added) {
    const json::object* token = value.if_object();
    const json::value* id = token != nullptr ? token->if_contains("id") : nullptr;
    if (id == nullptr) return Corrupt("an added token has no id");
    OR_RETURN(list.Put(TextAt(*token, "content"), *id, true, FlagAt(*token, "special")));
  }
  return list.Finish();
}

Result<void> ImportTokenizer(const Checkpoint& from, std::int64_t rows, std::string_view pre,
                             GgufOutput& out) {
  const json::object& tokenizer = from.tokenizer();
  const json::object* model = ObjectAt(tokenizer, "model");
  if (model == nullptr) return Corrupt("there is no 'model'");
  std::string_view type = TextAt(*model, "type");
  // Old files leave the type out: what merges is BPE.
  if (type.empty() && ArrayAt(*model, "merges") != nullptr) type = "BPE";
  if (type == "WordPiece") return ImportWordPiece(tokenizer, *model, out);
  if (type == "BPE") return ImportBpe(from, rows, pre, out);
  return Fail(
      ErrorCode::kUnsupported,
      fmt::format("tokenizer.json has a model of type '{}'; BPE and WordPiece are supported",
                  Printable(type)));
}

}  // namespace cairn::model
