// SPDX-License-Identifier: Apache-2.0
// BPE: over bytes with a pre-tokenizer (GGUF "gpt2"), or over characters with spaces as U+2581, as
// SentencePiece's models have it (GGUF "llama" with scores, or "gemma4" with ranked merges).
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <unordered_map>

#include "base/printable.h"
#include "model/import_tokenizer.h"
#include "model/pre_tokenizer_json.h"
#include "model/pre_tokenizer_table.h"
#include "model/vocabulary.h"

namespace cairn::model {
namespace {

namespace json = boost::json;

constexpr std::string_view kMark = "\xE2\x96\x81";  // U+2581
constexpr std::string_view kPadding = "[PAD";       // as llama.cpp's converter calls them
constexpr std::size_t kLongestPiece = 256;          // bytes; SentencePiece's have 16 characters

std::unexpected<Error> Unsupported(std::string_view what) {
  return Fail(ErrorCode::kUnsupported, fmt::format("tokenizer.json: {}", what));
}
std::unexpected<Error> Corrupt(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("tokenizer.json: {}", what));
}

struct Merge {
  std::string left, right;
};

// "a b", or in newer files ["a", "b"].
Result<std::vector<Merge>> ReadMerges(const json::object& model) {
  const json::array* list = ArrayAt(model, "merges");
  if (list == nullptr) return Corrupt("'model' has no 'merges'");
  if (list->size() > kMostTokens) return Corrupt("there are too many merges");
  std::vector<Merge> merges;
  merges.reserve(list->size());
  for (const json::value& value : *list) {
    Merge merge;
    if (value.is_string()) {
      const std::string_view text = value.get_string();
      const std::size_t space = text.find(' ', 1);
      if (space == std::string_view::npos) return Corrupt("a merge is no pair");
      merge = {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
    } else if (value.is_array() && value.get_array().size() == 2 &&
               value.get_array()[0].is_string() && value.get_array()[1].is_string()) {
      merge = {std::string(value.get_array()[0].get_string()),
               std::string(value.get_array()[1].get_string())};
    }
    if (merge.left.empty() || merge.right.empty()) return Corrupt("a merge is no pair");
    if (merge.left.contains(' ') || merge.right.contains(' ')) {
      return Unsupported(
          fmt::format("the merge of '{}' and '{}' has spaces, which GGUF files "
                      "cannot keep",
                      Printable(merge.left), Printable(merge.right)));
    }
    merges.push_back(std::move(merge));
  }
  return merges;
}

std::vector<std::string> SpelledMerges(const std::vector<Merge>& merges) {
  std::vector<std::string> spelled;
  spelled.reserve(merges.size());
  for (const Merge& merge : merges) spelled.push_back(merge.left + " " + merge.right);
  return spelled;
}

TokenType TypeOf(const ImportedTokens& tokens, std::size_t id) {
  const std::string& text = tokens.texts[id];
  if (!tokens.added[id]) {
    return text == fmt::format("{}{}]", kPadding, id) ? TokenType::kUnused : TokenType::kNormal;
  }
  // Some say of marks for programs that they are text; nobody means to write them.
  const bool looks_special = text.starts_with("<|") && text.ends_with("|>");
  return tokens.special[id] || looks_special ? TokenType::kControl : TokenType::kUserDefined;
}

// Rows of the embedding without a token, and ids without one, get one that no text has.
void FillUp(std::int64_t rows, ImportedTokens& tokens) {
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(rows, 0));
  if (wanted > tokens.texts.size() && wanted <= kMostTokens) {
    tokens.texts.resize(wanted);
    tokens.added.resize(wanted);
    tokens.special.resize(wanted);
  }
  for (std::size_t id = 0; id < tokens.texts.size(); ++id) {
    if (tokens.texts[id].empty()) tokens.texts[id] = fmt::format("{}{}]", kPadding, id);
  }
}

void WriteTokens(const ImportedTokens& tokens, const std::vector<TokenType>& types,
                 GgufOutput& out) {
  std::vector<std::int32_t> numbers;
  numbers.reserve(types.size());
  for (const TokenType type : types) numbers.push_back(static_cast<std::int32_t>(type));
  out.SetStrings("tokenizer.ggml.tokens", tokens.texts);
  out.SetInts("tokenizer.ggml.token_type", numbers);
}

// --- bytes ----------------------------------------------------------------------------------

// GGUF files have no place for a normaliser. NFC is let pass, as their makers do: nearly all texts
// have it already.
Result<void> CheckByteNormaliser(const json::object& tokenizer) {
  const json::object* own = ObjectAt(tokenizer, "normalizer");
  if (own == nullptr) return {};
  const std::string_view type = TextAt(*own, "type");
  const json::array* parts = ArrayAt(*own, "normalizers");
  if (type == "NFC" || (type == "Sequence" && parts != nullptr && parts->empty())) return {};
  return Unsupported(fmt::format("the normalizer '{}' is not supported", Printable(type)));
}

Result<void> ImportBytes(const json::object& tokenizer, const json::object& model,
                         std::string_view pre, GgufOutput& out) {
  OR_RETURN(CheckByteNormaliser(tokenizer));
  out.Set("tokenizer.ggml.model", "gpt2");
  out.Set("tokenizer.ggml.pre", pre.empty()
                                    ? NameOfPreTokenizer(tokenizer, FlagAt(model, "ignore_merges"))
                                    : std::string(pre));
  out.SetStrings("tokenizer.ggml.merges", SpelledMerges(OR_RETURN(ReadMerges(model))));
  return {};
}

// --- characters -----------------------------------------------------------------------------

// How spaces become marks, and whether texts get one before them.
struct Marks {
  bool prefix = false;
};

Result<void> ReadNormaliser(const json::object& step, Marks& marks, bool inside = false) {
  const std::string_view type = TextAt(step, "type");
  const json::object* pattern = ObjectAt(step, "pattern");
  if (type == "Sequence" && !inside) {
    const json::array* parts = ArrayAt(step, "normalizers");
    if (parts == nullptr) return {};
    for (const json::value& part : *parts) {
      if (part.is_object()) OR_RETURN(ReadNormaliser(part.get_object(), marks, true));
    }
    return {};
  }
  if (type == "Prepend" && TextAt(step, "prepend") == kMark) {
    marks.prefix = true;
    return {};
  }
  if (type == "Replace" && pattern != nullptr && TextAt(*pattern, "String") == " " &&
      TextAt(step, "content") == kMark) {
    return {};
  }
  return Unsupported(fmt::format("the normalizer '{}' is not supported", Printable(type)));
}

Result<Marks> ReadMarks(const json::object& tokenizer) {
  Marks marks;
  if (const json::object* own = ObjectAt(tokenizer, "normalizer")) {
    OR_RETURN(ReadNormaliser(*own, marks));
  }
  const json::object* pre = ObjectAt(tokenizer, "pre_tokenizer");
  if (pre == nullptr) return marks;
  const std::string_view type = TextAt(*pre, "type");
  if (type == "Metaspace") {
    const std::string_view scheme = TextAt(*pre, "prepend_scheme");
    marks.prefix = scheme.empty() ? FlagAt(*pre, "add_prefix_space", true) : scheme != "never";
    return marks;
  }
  // A split at spaces finds none: they are marks already.
  const json::object* pattern = ObjectAt(*pre, "pattern");
  if (type == "Split" && pattern != nullptr && TextAt(*pattern, "String") == " ") return marks;
  return Unsupported(fmt::format("the pre-tokenizer '{}' is not supported beside byte fall-back",
                                 Printable(DescribePreTokenizer(tokenizer), 200)));
}

using Ids = std::unordered_map<std::string_view, std::uint32_t>;

// By id: the rank of the first merge that makes the token; as many as there are merges for none.
std::vector<std::uint32_t> Ranks(const std::vector<Merge>& merges, const Ids& ids,
                                 std::size_t tokens) {
  const auto none = static_cast<std::uint32_t>(merges.size());
  std::vector<std::uint32_t> ranks(tokens, none);
  for (std::uint32_t i = 0; i < none; ++i) {
    const auto made = ids.find(merges[i].left + merges[i].right);
    if (made != ids.end()) ranks[made->second] = std::min(ranks[made->second], i);
  }
  return ranks;
}

// Whether merging by the scores of what is made does the same as merging by the ranks of pairs: all
// pairs that make a token are merges, side by side, as a SentencePiece model becomes a
// tokenizer.json.
bool ScoresAreEnough(const std::vector<Merge>& merges, const Ids& ids, std::size_t tokens) {
  std::size_t at = 0;
  std::vector<bool> done(tokens);
  while (at < merges.size()) {
    const std::string token = merges[at].left + merges[at].right;
    std::size_t end = at;
    while (end < merges.size() && merges[end].left + merges[end].right == token) ++end;
    const auto made = ids.find(token);
    if (made == ids.end() || done[made->second] || token.size() > kLongestPiece) return false;
    done[made->second] = true;
    std::size_t pairs = 0;
    for (std::size_t cut = 1; cut < token.size(); ++cut) {
      if ((static_cast<unsigned char>(token[cut]) & 0xC0) == 0x80) continue;  // in a character
      pairs += ids.contains(std::string_view(token).substr(0, cut)) &&
               ids.contains(std::string_view(token).substr(cut));
    }
    if (pairs != end - at) return false;
    at = end;
  }
  return true;
}

bool IsByte(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && kHex.contains(text[3]) &&
         kHex.contains(text[4]);
}

Result<void> ImportPieces(const json::object& tokenizer, const json::object& model,
                          ImportedTokens& tokens, std::vector<TokenType>& types, GgufOutput& out) {
  const Marks marks = OR_RETURN(ReadMarks(tokenizer));
  const std::vector<Merge> merges = OR_RETURN(ReadMerges(model));
  const std::string_view unknown = TextAt(model, "unk_token");
  Ids ids;
  for (std::size_t id = 0; id < tokens.texts.size(); ++id) {
    const std::string& text = tokens.texts[id];
    if (!text.empty()) ids.emplace(text, static_cast<std::uint32_t>(id));
    if (!tokens.special[id] && IsByte(text)) types[id] = TokenType::kByte;
    if (!text.empty() && text == unknown) types[id] = TokenType::kUnknown;
  }
  const bool by_scores = marks.prefix || ScoresAreEnough(merges, ids, tokens.texts.size());
  out.Set("tokenizer.ggml.model", by_scores ? "llama" : "gemma4");
  if (by_scores) {
    const auto ranks = Ranks(merges, ids, tokens.texts.size());
    std::vector<float> scores;
    for (const std::uint32_t rank : ranks) scores.push_back(-static_cast<float>(rank));
    out.SetFloats("tokenizer.ggml.scores", scores);
    out.Set("tokenizer.ggml.add_space_prefix", marks.prefix);
  } else {
    out.SetStrings("tokenizer.ggml.merges", SpelledMerges(merges));
  }
  if (const auto id = tokens.Find(unknown)) out.Set("tokenizer.ggml.unknown_token_id", *id);
  // Tokens that users write are looked for with their spaces.
  for (std::size_t id = 0; id < tokens.texts.size(); ++id) {
    if (types[id] != TokenType::kUserDefined) continue;
    std::string& text = tokens.texts[id];
    for (std::size_t at = text.find(kMark); at != std::string::npos;
         at = text.find(kMark, at + 1)) {
      text.replace(at, kMark.size(), " ");
    }
  }
  return {};
}

// Whether tokens are spelled with bytes as characters: a step, or how texts come back, says so.
bool IsByteLevel(const json::object& tokenizer) {
  const auto has = [](const json::object* part, std::string_view list) {
    if (part == nullptr) return false;
    if (TextAt(*part, "type") == "ByteLevel") return true;
    const json::array* parts = ArrayAt(*part, list);
    return parts != nullptr && std::ranges::any_of(*parts, [](const json::value& one) {
             return one.is_object() && TextAt(one.get_object(), "type") == "ByteLevel";
           });
  };
  return has(ObjectAt(tokenizer, "pre_tokenizer"), "pretokenizers") ||
         has(ObjectAt(tokenizer, "decoder"), "decoders");
}

}  // namespace

Result<void> ImportBpe(const Checkpoint& from, std::int64_t rows, std::string_view pre,
                       GgufOutput& out) {
  const json::object& tokenizer = from.tokenizer();
  const json::object& model = *ObjectAt(tokenizer, "model");
  ImportedTokens tokens = OR_RETURN(ReadTokens(tokenizer, model));
  FillUp(rows, tokens);
  std::vector<TokenType> types;
  for (std::size_t id = 0; id < tokens.texts.size(); ++id) types.push_back(TypeOf(tokens, id));
  ImportedTokens spelled = tokens;
  if (IsByteLevel(tokenizer)) {
    OR_RETURN(ImportBytes(tokenizer, model, pre, out));
  } else {
    OR_RETURN(ImportPieces(tokenizer, model, spelled, types, out));
  }
  WriteTokens(spelled, types, out);
  return ImportConversation(from, tokens, out);
}

}  // namespace cairn::model
