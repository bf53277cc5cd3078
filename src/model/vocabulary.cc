// SPDX-License-Identifier: Apache-2.0
#include "model/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "base/printable.h"

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

Result<Vocabulary> ReadVocabulary(const Gguf& gguf) {
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
  if (kind == "gpt2") {
    v.kind = TokenizerKind::kByteBpe;
    v.pre = gguf.Find("tokenizer.ggml.pre") == nullptr
                ? "gpt-2"
                : std::string(OR_RETURN(gguf.GetString("tokenizer.ggml.pre")));
    v.merges = OR_RETURN(gguf.GetStrings("tokenizer.ggml.merges"));
  } else if (kind == "llama") {
    v.kind = TokenizerKind::kSentencePiece;
    OR_RETURN(ReadScores(gguf, v));
  } else if (kind == "bert") {
    OR_RETURN(ReadWordPiece(gguf, v));
    return v;
  } else {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("tokenizer '{}' is not supported; supported are gpt2, llama and bert",
                            Printable(kind)));
  }
  const bool sentence_piece = v.kind == TokenizerKind::kSentencePiece;
  v.bos = OR_RETURN(ReadId(gguf, "tokenizer.ggml.bos_token_id", v.tokens.size()));
  v.eos = OR_RETURN(ReadId(gguf, "tokenizer.ggml.eos_token_id", v.tokens.size()));
  v.eot = OR_RETURN(ReadId(gguf, "tokenizer.ggml.eot_token_id", v.tokens.size()));
  v.unknown = OR_RETURN(ReadId(gguf, "tokenizer.ggml.unknown_token_id", v.tokens.size()));
  v.add_bos = OR_RETURN(gguf.GetBool("tokenizer.ggml.add_bos_token", sentence_piece));
  v.add_eos = OR_RETURN(gguf.GetBool("tokenizer.ggml.add_eos_token", false));
  v.add_space_prefix = OR_RETURN(gguf.GetBool("tokenizer.ggml.add_space_prefix", sentence_piece));
  return v;
}

}  // namespace cairn::model
