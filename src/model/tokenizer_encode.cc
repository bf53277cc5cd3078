// SPDX-License-Identifier: Apache-2.0
// Text to ids: special tokens first, then words, then merging.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "model/merger.h"
#include "model/tokenizer_state.h"
#include "model/utf8.h"

namespace cairn::model {

// The text with spaces as marks, the way SentencePiece vocabularies spell them.
void AppendMarked(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c == ' ') {
      out += kSpaceMark;
    } else {
      out += c;
    }
  }
}

// One call of Encode: what it needs while it goes over the text.
class Tokenizer::Encoding {
 public:
  Encoding(const State& state, std::vector<std::int32_t>& out) : s_(state), out_(out) {
    if (s_.v.kind == TokenizerKind::kSentencePiece) {
      scored_.emplace(s_.v, s_.table, s_.longest);
      merger_.emplace(*scored_);
    } else if (s_.ranked) {
      merger_.emplace(*s_.ranked);
    }
    Begin();
  }

  void Append(std::string_view text) {
    while (strip_ && !text.empty() && IsSpace(text[0])) text.remove_prefix(1);
    if (!text.empty()) strip_ = false;
    if (s_.v.kind == TokenizerKind::kSentencePiece || s_.v.kind == TokenizerKind::kPieceBpe) {
      AppendMarked(text, stretch_);
    } else {
      stretch_ += text;
    }
  }
  // Ends the stretch of text with a control token: the next one begins after it.
  Result<void> Put(std::int32_t control) {
    if (std::ranges::binary_search(s_.v.strip_before, control)) {
      stretch_.resize(std::max(TrimmedEnd(stretch_), empty_));
    }
    OR_RETURN(Flush());
    out_.push_back(control);
    strip_ = std::ranges::binary_search(s_.v.strip_after, control);
    return {};
  }
  // Ends the text.
  Result<void> Flush();

 private:
  void Begin() {
    stretch_.clear();
    if (s_.v.kind == TokenizerKind::kSentencePiece && s_.v.add_space_prefix) stretch_ = kSpaceMark;
    empty_ = stretch_.size();
  }
  static bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  // The bytes of a text without the white space at its end, or at its beginning.
  static std::size_t TrimmedEnd(std::string_view text);
  static std::size_t TrimmedBegin(std::string_view text);
  Result<void> EncodeText(std::string_view text) {
    if (text.empty()) return {};
    switch (s_.v.kind) {
      case TokenizerKind::kByteBpe: return EncodeBytes(text);
      case TokenizerKind::kSentencePiece: EncodePieces(text); return {};
      case TokenizerKind::kPieceBpe: EncodeLines(text); return {};
      case TokenizerKind::kUnigram: return s_.unigram->Encode(text, out_);
      case TokenizerKind::kRwkv: s_.rwkv->Encode(text, out_); return {};
      case TokenizerKind::kPlamo2: return s_.plamo->Encode(text, out_);
      case TokenizerKind::kWordPiece: s_.words->Encode(text, out_); return {};
    }
    return {};
  }
  Result<void> EncodeBytes(std::string_view text);
  void EncodePieces(std::string_view text);
  void EncodeLines(std::string_view text);
  void PutSymbol(std::string_view character);
  void MergePieces();
  void PutPiece(std::int32_t id);

  const State& s_;
  std::vector<std::int32_t>& out_;
  std::string stretch_;
  std::size_t empty_ = 0;  // bytes of a stretch without text
  std::optional<ScoredRules> scored_;
  std::optional<Merger> merger_;
  std::vector<std::int32_t> symbols_, pieces_;
  std::string spelled_;  // a word's bytes as their characters
  bool after_unknown_ = false;
  bool strip_ = false;  // white space that comes next belongs to the special token before it
};

std::size_t Tokenizer::Encoding::TrimmedEnd(std::string_view text) {
  while (!text.empty()) {
    if (IsSpace(text.back())) {
      text.remove_suffix(1);
    } else if (text.ends_with(kSpaceMark)) {
      text.remove_suffix(kSpaceMark.size());
    } else {
      break;
    }
  }
  return text.size();
}

std::size_t Tokenizer::Encoding::TrimmedBegin(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (IsSpace(text[at])) {
      ++at;
    } else if (text.substr(at).starts_with(kSpaceMark)) {
      at += kSpaceMark.size();
    } else {
      break;
    }
  }
  return at;
}

Result<void> Tokenizer::Encoding::Flush() {
  const std::string_view text = stretch_;
  if (text.size() > empty_) {
    SpecialMatcher::Match match;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t place = s_.user_defined.Find(text, at, match);
      std::string_view before = text.substr(at, place - at);
      if (place < text.size() && std::ranges::binary_search(s_.v.strip_before, match.id)) {
        before = before.substr(0, TrimmedEnd(before));
      }
      OR_RETURN(EncodeText(before));
      if (place == text.size()) break;
      out_.push_back(match.id);
      at = place + match.bytes;
      if (std::ranges::binary_search(s_.v.strip_after, match.id)) {
        at += TrimmedBegin(text.substr(at));
      }
    }
  }
  Begin();
  return {};
}

Result<void> Tokenizer::Encoding::EncodeBytes(std::string_view text) {
  return s_.pre->Split(text, [&](std::string_view word) {
    symbols_.clear();
    if (s_.v.whole_words) {
      spelled_.clear();
      for (const char c : word) spelled_ += s_.byte_spelling[static_cast<unsigned char>(c)];
      const std::int32_t id = s_.table.Find(spelled_);
      if (id >= 0 && s_.v.types[static_cast<std::size_t>(id)] != TokenType::kControl) {
        out_.push_back(id);
        return;
      }
    }
    for (const char c : word) {
      // Bytes that the vocabulary lacks leave no trace, as in its makers' tokenizer.
      const std::int32_t id = s_.byte_tokens[static_cast<unsigned char>(c)];
      if (id >= 0) symbols_.push_back(id);
    }
    merger_->Run(symbols_, out_);
  });
}

void Tokenizer::Encoding::EncodePieces(std::string_view text) {
  symbols_.clear();
  after_unknown_ = false;
  std::string_view before = kSpaceMark;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view character =
        text.substr(at, Utf8Bytes(static_cast<unsigned char>(text[at])));
    if (character == kSpaceMark && before != kSpaceMark &&
        !std::ranges::binary_search(s_.before_marks, before)) {
      MergePieces();
    }
    PutSymbol(character);
    before = character;
    at += character.size();
  }
  MergePieces();
}

// Runs of line ends that are a token are one; the merges never join them.
void Tokenizer::Encoding::EncodeLines(std::string_view text) {
  while (!text.empty()) {
    const bool line_ends = text[0] == '\n';
    const std::size_t end = line_ends ? text.find_first_not_of('\n') : text.find('\n');
    const std::string_view piece = text.substr(0, end);
    const std::int32_t id = line_ends ? s_.table.Find(piece) : -1;
    if (id >= 0) {
      out_.push_back(id);
    } else {
      EncodePieces(piece);
    }
    text.remove_prefix(piece.size());
  }
}

void Tokenizer::Encoding::PutSymbol(std::string_view character) {
  if (scored_) return symbols_.push_back(scored_->Symbol(character));
  const std::int32_t id = s_.table.Find(character);
  if (id >= 0) return symbols_.push_back(id);
  if (!s_.byte_fallback) return symbols_.push_back(*s_.v.unknown);
  for (const char c : character) {
    symbols_.push_back(s_.byte_tokens[static_cast<unsigned char>(c)]);
  }
}

void Tokenizer::Encoding::MergePieces() {
  if (!scored_) {
    merger_->Run(symbols_, out_);
    return symbols_.clear();
  }
  pieces_.clear();
  merger_->Run(symbols_, pieces_);
  symbols_.clear();
  for (const std::int32_t id : pieces_) {
    scored_->Resolve(id, [this](std::int32_t part) { PutPiece(part); });
  }
  scored_->Forget();
}

// Characters that the vocabulary lacks become their bytes, or one unknown token for all in a row.
void Tokenizer::Encoding::PutPiece(std::int32_t id) {
  if (static_cast<std::size_t>(id) < s_.v.tokens.size()) {
    out_.push_back(id);
    after_unknown_ = false;
  } else if (s_.byte_fallback) {
    for (const char c : scored_->TextOf(id)) {
      out_.push_back(s_.byte_tokens[static_cast<unsigned char>(c)]);
    }
  } else if (!after_unknown_) {
    out_.push_back(*s_.v.unknown);
    after_unknown_ = true;
  }
}

Result<std::vector<std::int32_t>> Tokenizer::Encode(std::string_view text, bool add_special,
                                                    bool parse_special) const {
  const TextPart part{text, parse_special};
  return Encode({&part, 1}, add_special);
}

Result<std::vector<std::int32_t>> Tokenizer::Encode(std::span<const TextPart> parts,
                                                    bool add_special) const {
  const State& s = *state_;
  std::size_t total = 0;
  for (const TextPart& part : parts) total += part.text.size();
  if (total > kMostTextBytes) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the text has {} bytes, at most {} can be tokenized at "
                            "once",
                            total, kMostTextBytes));
  }
  std::vector<std::int32_t> ids;
  if (add_special && s.v.add_bos && s.v.bos) ids.push_back(*s.v.bos);
  Encoding encoding(s, ids);
  std::string well_formed;
  for (const TextPart& part : parts) {
    well_formed.clear();
    AppendWellFormed(part.text, well_formed);
    const std::string_view text = well_formed;
    std::size_t at = 0;
    while (part.parse_special) {
      SpecialMatcher::Match match;
      const std::size_t place = s.control.Find(text, at, match);
      if (place == text.size()) break;
      encoding.Append(text.substr(at, place - at));
      OR_RETURN(encoding.Put(match.id));
      at = place + match.bytes;
    }
    encoding.Append(text.substr(at));
  }
  OR_RETURN(encoding.Flush());
  if (add_special && s.v.add_eos && s.v.eos) ids.push_back(*s.v.eos);
  return ids;
}

}  // namespace cairn::model
