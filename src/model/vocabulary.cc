// SPDX-License-Identifier: Apache-2.0
#include "model/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <initializer_list>

#include "base/printable.h"
#include "model/pre_tokenizer_table.h"

namespace cairn::model {
namespace {

Result<std::optional<std::int32_t>> ReadId(const Gguf& gguf, std::string_view key,
                                           std::size_t tokens) {
  if (gguf.Find(key) == nullptr) return std::nullopt;
  const std::int64_t id = OR_RETURN(gguf.GetInt(key));
  if (id < 0 || static_cast<std::size_t>(id) >= tokens) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("metadata '{}' is {}, but there are {} tokens", key, id, tokens));
  }
  return static_cast<std::int32_t>(id);
}

Result<void> ReadTypes(const Gguf& gguf, Vocabulary& v) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  v.types.assign(v.tokens.size(), TokenType::kNormal);
  if (gguf.Find(kKey) == nullptr) return {};
  const std::vector<std::int32_t> types = OR_RETURN(gguf.GetInts(kKey));
  if (types.size() != v.tokens.size()) {
    return Fail(ErrorCode::kCorrupt, fmt::format("'{}' has {} entries for {} tokens", kKey,
                                                 types.size(), v.tokens.size()));
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] < 0 || types[i] > 6) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("'{}' gives token {} the unknown type {}", kKey, i, types[i]));
    }
    // 0 is "undefined" in the format; such tokens are ordinary text.
    if (types[i] != 0) v.types[i] = static_cast<TokenType>(types[i]);
  }
  return {};
}

Result<void> ReadScores(const Gguf& gguf, Vocabulary& v) {
  v.scores = OR_RETURN(gguf.GetFloats("tokenizer.ggml.scores"));
  if (v.scores.size() != v.tokens.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("'tokenizer.ggml.scores' has {} entries for {} tokens", v.scores.size(),
                            v.tokens.size()));
  }
  for (const float score : v.scores) {
    if (std::isnan(score)) return Fail(ErrorCode::kCorrupt, "'tokenizer.ggml.scores' holds a NaN");
  }
  return {};
}

constexpr TokenizerKindName kKinds[] = {
    {TokenizerKind::kByteBpe, "gpt2", "byte-level BPE"},
    {TokenizerKind::kSentencePiece, "llama", "SentencePiece BPE"},
    {TokenizerKind::kPieceBpe, "gemma4", "BPE over characters, spaces as U+2581"},
    {TokenizerKind::kUnigram, "t5", "SentencePiece unigram"},
    {TokenizerKind::kRwkv, "rwkv", "longest match"},
    {TokenizerKind::kWordPiece, "bert", "WordPiece, cased and uncased"},
    {TokenizerKind::kPlamo2, "plamo2", "best sum of scores, PLaMo 2"},
};

// Which pre-tokenizer cuts the words of a BPE vocabulary. None is a guess: one that is not the
// model's gives other tokens than it was trained with.
Result<const PreTokenizerRow*> ReadPreTokenizer(const Gguf& gguf, std::string_view kind,
                                                std::string_view force_pre, Vocabulary& v) {
  std::string_view name = force_pre;
  if (name.empty() && kind == "gemma4") name = "gemma4";
  if (name.empty()) {
    if (gguf.Find("tokenizer.ggml.pre") == nullptr) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("the file names no pre-tokenizer ('tokenizer.ggml.pre'), and none "
                              "fits every model; {} (old files of GPT-2's family: gpt-2)",
                              HowToForcePreTokenizer()));
    }
    name = OR_RETURN(gguf.GetString("tokenizer.ggml.pre"));
  }
  const PreTokenizerRow* row = FindPreTokenizer(name);
  if (row == nullptr) {
    return Fail(ErrorCode::kUnsupported, fmt::format("pre-tokenizer '{}' is not known; {}",
                                                     Printable(name), HowToForcePreTokenizer()));
  }
  v.pre = name;
  return row;
}

// The format has no place for what a special token does with the white space beside it; these are
// the rules of the models that have one (llama.cpp keeps the same list).
void AddStripRules(const Gguf& gguf, Vocabulary& v) {
  const std::string_view architecture = gguf.GetString("general.architecture").value_or("");
  std::string name(gguf.GetString("general.name").value_or(""));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto before = [&](std::string_view text) {
    const auto found = std::ranges::find(v.tokens, text);
    if (found == v.tokens.end()) return;
    v.strip_before.push_back(static_cast<std::int32_t>(found - v.tokens.begin()));
  };
  if (v.pre.starts_with("jina-v2-") || architecture == "nomic-bert-moe" ||
      architecture == "jina-bert-v3") {
    before("<mask>");
  } else if (name.contains("phi-3") || name.contains("phi3")) {
    for (std::size_t id = 0; id < v.tokens.size(); ++id) {
      const std::string_view text = v.tokens[id];
      const bool special =
          v.types[id] == TokenType::kControl || v.types[id] == TokenType::kUserDefined;
      if ((special || text == "</s>") && text != "<s>" && text != "<unk>" &&
          text != "<|endoftext|>") {
        v.strip_after.push_back(static_cast<std::int32_t>(id));
      }
    }
  } else if (name.contains("modern-bert") || v.pre == "modern-bert") {
    before("[MASK]");
  }
}

Result<void> ReadBpe(const Gguf& gguf, std::string_view kind, std::string_view force_pre,
                     Vocabulary& v) {
  const PreTokenizerRow& row = *OR_RETURN(ReadPreTokenizer(gguf, kind, force_pre, v));
  v.kind = row.pieces ? TokenizerKind::kPieceBpe : TokenizerKind::kByteBpe;
  v.merges = OR_RETURN(gguf.GetStrings("tokenizer.ggml.merges"));
  v.whole_words = row.whole_words;
  v.add_bos = row.add_bos;
  return {};
}

Result<void> ReadUnigram(const Gguf& gguf, Vocabulary& v) {
  constexpr std::string_view kKey = "tokenizer.ggml.precompiled_charsmap";
  OR_RETURN(ReadScores(gguf, v));
  if (const GgufValue* map = gguf.Find(kKey)) {
    if (map->type != GgufType::kArray ||
        (map->element != GgufType::kU8 && map->element != GgufType::kI8)) {
      return Fail(ErrorCode::kCorrupt, fmt::format("metadata '{}' is no array of bytes", kKey));
    }
    v.char_map = map->bytes;
  }
  v.remove_extra_spaces = OR_RETURN(gguf.GetBool("tokenizer.ggml.remove_extra_whitespaces", false));
  v.add_eos = true;
  return {};
}

// BERT's begin and end tokens have keys of their own, and well-known names in files without them.
Result<void> ReadWordPiece(const Gguf& gguf, Vocabulary& v) {
  v.kind = TokenizerKind::kWordPiece;
  const auto read = [&](std::initializer_list<std::string_view> keys,
                        std::string_view name) -> Result<std::optional<std::int32_t>> {
    for (const std::string_view key : keys) {
      auto id = OR_RETURN(ReadId(gguf, key, v.tokens.size()));
      if (id) return id;
    }
    const auto named = std::ranges::find(v.tokens, name);
    if (named == v.tokens.end()) return std::nullopt;
    return static_cast<std::int32_t>(named - v.tokens.begin());
  };
  v.bos = OR_RETURN(read({"tokenizer.ggml.cls_token_id", "tokenizer.ggml.bos_token_id"}, "[CLS]"));
  // The second key is how the format's makers spell it.
  v.eos = OR_RETURN(read({"tokenizer.ggml.separator_token_id", "tokenizer.ggml.seperator_token_id",
                          "tokenizer.ggml.eos_token_id"},
                         "[SEP]"));
  v.unknown = OR_RETURN(read({"tokenizer.ggml.unknown_token_id"}, "[UNK]"));
  if (!v.unknown) {
    return Fail(ErrorCode::kCorrupt,
                "'tokenizer.ggml.unknown_token_id' is missing, as kind 'bert' needs it");
  }
  // The format does not say whether a model is uncased; its vocabulary does.
  v.lower_case = true;
  for (std::size_t id = 0; id < v.tokens.size() && v.lower_case; ++id) {
    v.lower_case = v.types[id] != TokenType::kNormal ||
                   std::ranges::none_of(v.tokens[id], [](char c) { return c >= 'A' && c <= 'Z'; });
  }
  v.add_bos = OR_RETURN(gguf.GetBool("tokenizer.ggml.add_bos_token", true));
  v.add_eos = OR_RETURN(gguf.GetBool("tokenizer.ggml.add_eos_token", true));
  return {};
}

}  // namespace

std::span<const TokenizerKindName> TokenizerKinds() { return kKinds; }

Result<Vocabulary> ReadVocabulary(const Gguf& gguf, std::string_view force_pre) {
  Vocabulary v;
  const std::string_view kind = OR_RETURN(gguf.GetString("tokenizer.ggml.model"));
  v.tokens = OR_RETURN(gguf.GetStrings("tokenizer.ggml.tokens"));
  if (v.tokens.empty() || v.tokens.size() > kMostTokens) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the vocabulary has {} tokens, 1 to {} were expected", v.tokens.size(),
                            kMostTokens));
  }
  for (const std::string_view token : v.tokens) {
    if (token.size() > kMostTokenBytes) {
      return Fail(ErrorCode::kLimit, fmt::format("a token has {} bytes, at most {} are allowed",
                                                 token.size(), kMostTokenBytes));
    }
  }
  OR_RETURN(ReadTypes(gguf, v));
  const auto known = std::ranges::find(kKinds, kind, &TokenizerKindName::name);
  if (known == std::end(kKinds)) {
    std::string names;
    for (const TokenizerKindName& one : kKinds) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", one.name);
    }
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("tokenizer '{}' is not supported; supported are {}", Printable(kind), names));
  }
  v.kind = known->kind;
  switch (v.kind) {
    case TokenizerKind::kByteBpe:
    case TokenizerKind::kPieceBpe: OR_RETURN(ReadBpe(gguf, kind, force_pre, v)); break;
    case TokenizerKind::kUnigram: OR_RETURN(ReadUnigram(gguf, v)); break;
    case TokenizerKind::kSentencePiece:
    case TokenizerKind::kPlamo2: OR_RETURN(ReadScores(gguf, v)); break;
    case TokenizerKind::kWordPiece: OR_RETURN(ReadWordPiece(gguf, v)); return v;
    case TokenizerKind::kRwkv: break;
  }
  const bool sentence_piece = v.kind == TokenizerKind::kSentencePiece;
  v.bos = OR_RETURN(ReadId(gguf, "tokenizer.ggml.bos_token_id", v.tokens.size()));
  v.eos = OR_RETURN(ReadId(gguf, "tokenizer.ggml.eos_token_id", v.tokens.size()));
  v.eot = OR_RETURN(ReadId(gguf, "tokenizer.ggml.eot_token_id", v.tokens.size()));
  v.eom = OR_RETURN(ReadId(gguf, "tokenizer.ggml.eom_token_id", v.tokens.size()));
  v.unknown = OR_RETURN(ReadId(gguf, "tokenizer.ggml.unknown_token_id", v.tokens.size()));
  v.add_bos = OR_RETURN(gguf.GetBool("tokenizer.ggml.add_bos_token", v.add_bos || sentence_piece));
  v.add_eos = OR_RETURN(gguf.GetBool("tokenizer.ggml.add_eos_token", v.add_eos));
  v.add_space_prefix = OR_RETURN(gguf.GetBool("tokenizer.ggml.add_space_prefix", sentence_piece));
  // T5's files need not name these two.
  if (v.kind == TokenizerKind::kUnigram && v.tokens.size() > 2) {
    if (!v.eos) v.eos = 1;
    if (!v.unknown) v.unknown = 2;
  }
  AddStripRules(gguf, v);
  return v;
}

}  // namespace cairn::model
