// SPDX-License-Identifier: Apache-2.0
// A tokenizer.json, with what tokenizer_config.json, generation_config.json and the files of chat
// templates say beside it, as the metadata that GGUF files have.
// Threads: pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/checkpoint.h"
#include "model/gguf_output.h"

namespace cairn::model {

// WordPiece as BERT's models have it, byte-level BPE, and BPE over characters as SentencePiece's
// models have it. `rows`: of the embedding; tokens are filled up to them. `pre`: a pre-tokenizer in
// place of the one that the file describes; empty: that one. One that is not known is written as
// its description, which ReadVocabulary refuses. Errors: kUnsupported for another kind, naming what
// is not known; kCorrupt for a vocabulary with holes, kLimit (vocabulary.h).
[[nodiscard]] Result<void> ImportTokenizer(const Checkpoint& from, std::int64_t rows,
                                           std::string_view pre, GgufOutput& out);

// --- for import_*.cc ------------------------------------------------------------------------

// Tokens by id, as the file spells them.
struct ImportedTokens {
  std::vector<std::string> texts;  // empty: no token has this id
  std::vector<bool> added;         // in 'added_tokens'
  std::vector<bool> special;       // and control tokens there

  std::optional<std::uint32_t> Find(std::string_view text) const;
};
[[nodiscard]] Result<ImportedTokens> ReadTokens(const boost::json::object& tokenizer,
                                                const boost::json::object& model);

// BPE of either kind.
[[nodiscard]] Result<void> ImportBpe(const Checkpoint& from, std::int64_t rows,
                                     std::string_view pre, GgufOutput& out);
// The begin and end tokens, whether prompts get them, and the chat template.
[[nodiscard]] Result<void> ImportConversation(const Checkpoint& from, const ImportedTokens& tokens,
                                              GgufOutput& out);

// Members of JSON objects: null or empty where they are missing or of another type.
const boost::json::object* ObjectAt(const boost::json::object& parent, std::string_view key);
const boost::json::array* ArrayAt(const boost::json::object& parent, std::string_view key);
std::string_view TextAt(const boost::json::object& parent, std::string_view key);
bool FlagAt(const boost::json::object& parent, std::string_view key, bool fallback = false);

}  // namespace cairn::model
