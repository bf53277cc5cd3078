// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "model/merge_rules.h"
#include "model/merger.h"
#include "model/pre_tokenizer.h"
#include "model/token_table.h"
#include "model/utf8.h"

namespace cairn::model {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Control tokens that end an answer in the models that have them.
constexpr std::string_view kEndNames[] = {
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<eos>",
    "<|return|>",
    "<|call|>",
    "<EOT>",
    "<|END_OF_TURN_TOKEN|>",
};

// Byte-level vocabularies spell byte b as a printable character: itself where it is one, else
// U+0100 and up in order.
std::array<std::uint16_t, 256> ByteCharacters() {
  std::array<std::uint16_t, 256> characters{};
  std::uint16_t next = 256;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    characters[static_cast<std::size_t>(b)] = printable ? static_cast<std::uint16_t>(b) : next++;
  }
  return characters;
}

std::string Utf8Of(std::uint16_t character) {  // below U+0800
  if (character < 0x80) return std::string(1, static_cast<char>(character));
  return {static_cast<char>(0xc0 | character >> 6), static_cast<char>(0x80 | (character & 0x3f))};
}

// "<0x41>" is byte 0x41; -1 for what is not of this form.
int ByteOfPiece(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

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

void AppendUnmarked(std::string_view text, std::string& out) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t mark = std::min(text.find(kSpaceMark, at), text.size());
    out.append(text, at, mark - at);
    if (mark < text.size()) out += ' ';
    at = mark + kSpaceMark.size();
  }
}

// The characters that stand before a space mark inside some token. Before any other character's
// mark no merge can cross, so that words can be merged one by one.
std::vector<std::string_view> CharactersBeforeMarks(const Vocabulary& v,
                                                    const std::vector<bool>& mergeable) {
  std::vector<std::string_view> found;
  for (std::size_t id = 0; id < v.tokens.size(); ++id) {
    if (!mergeable[id]) continue;
    const std::string_view token = v.tokens[id];
    for (std::size_t at = token.find(kSpaceMark, 1); at != std::string_view::npos;
         at = token.find(kSpaceMark, at + 1)) {
      std::size_t start = at - 1;
      while (start > 0 && (static_cast<unsigned char>(token[start]) & 0xc0) == 0x80) --start;
      const std::string_view before = token.substr(start, at - start);
      if (std::ranges::find(found, before) == found.end()) found.push_back(before);
    }
  }
  return found;
}

}  // namespace

struct Tokenizer::State {
  State(Vocabulary vocabulary, const std::vector<bool>& mergeable)
      : v(std::move(vocabulary)), table(v.tokens, mergeable) {}

  Vocabulary v;
  TokenTable table;  // what merging may find
  SpecialMatcher user_defined;
  SpecialMatcher control;
  std::vector<std::string> marked_texts;        // of special tokens with spaces; kSentencePiece
  std::vector<bool> ends;                       // by id
  std::array<std::int32_t, 256> byte_tokens{};  // -1: none
  std::optional<PreTokenizer> pre;              // kByteBpe
  std::optional<RankedRules> ranked;            // kByteBpe
  std::array<std::int16_t, 512> byte_of_character{};  // kByteBpe; -1: none
  bool byte_fallback = false;                         // kSentencePiece: every byte has a token
  std::vector<std::string_view> before_marks;         // kSentencePiece
  std::size_t longest = 0;                            // bytes of a token

  Result<void> AddSpecials();
  Result<void> AddBytes();
  void AppendText(std::int32_t id, bool with_special, std::string& out) const;
};

// One call of Encode: what it needs while it goes over the text.
class Tokenizer::Encoding {
 public:
  Encoding(const State& state, std::vector<std::int32_t>& out) : s_(state), out_(out) {
    if (s_.v.kind == TokenizerKind::kSentencePiece) {
      scored_.emplace(s_.v, s_.table, s_.longest);
      merger_.emplace(*scored_);
    } else {
      merger_.emplace(*s_.ranked);
    }
    Begin();
  }

  void Append(std::string_view text) {
    if (s_.v.kind == TokenizerKind::kSentencePiece) {
      AppendMarked(text, stretch_);
    } else {
      stretch_ += text;
    }
  }
  // Ends the stretch of text: the next one begins after a control token.
  Result<void> Flush();

 private:
  void Begin() {
    stretch_.clear();
    if (s_.v.kind == TokenizerKind::kSentencePiece && s_.v.add_space_prefix) stretch_ = kSpaceMark;
    empty_ = stretch_.size();
  }
  Result<void> EncodeText(std::string_view text) {
    if (text.empty()) return {};
    if (s_.v.kind == TokenizerKind::kByteBpe) return EncodeBytes(text);
    EncodePieces(text);
    return {};
  }
  Result<void> EncodeBytes(std::string_view text);
  void EncodePieces(std::string_view text);
  void MergePieces();
  void PutPiece(std::int32_t id);

  const State& s_;
  std::vector<std::int32_t>& out_;
  std::string stretch_;
  std::size_t empty_ = 0;  // bytes of a stretch without text
  std::optional<ScoredRules> scored_;
  std::optional<Merger> merger_;
  std::vector<std::int32_t> symbols_, pieces_;
  bool after_unknown_ = false;
};

Result<void> Tokenizer::Encoding::Flush() {
  const std::string_view text = stretch_;
  if (text.size() > empty_) {
    SpecialMatcher::Match match;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t place = s_.user_defined.Find(text, at, match);
      OR_RETURN(EncodeText(text.substr(at, place - at)));
      if (place == text.size()) break;
      out_.push_back(match.id);
      at = place + match.bytes;
    }
  }
  Begin();
  return {};
}

Result<void> Tokenizer::Encoding::EncodeBytes(std::string_view text) {
  return s_.pre->Split(text, [&](std::string_view word) {
    symbols_.clear();
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
        std::ranges::find(s_.before_marks, before) == s_.before_marks.end()) {
      MergePieces();
    }
    symbols_.push_back(scored_->Symbol(character));
    before = character;
    at += character.size();
  }
  MergePieces();
}

void Tokenizer::Encoding::MergePieces() {
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

void Tokenizer::State::AppendText(std::int32_t id, bool with_special, std::string& out) const {
  if (id < 0 || static_cast<std::size_t>(id) >= v.tokens.size()) return;
  const std::string_view text = v.tokens[static_cast<std::size_t>(id)];
  const TokenType type = v.types[static_cast<std::size_t>(id)];
  if (type == TokenType::kControl || type == TokenType::kUnknown) {
    if (with_special) out += text;
    return;
  }
  if (v.kind == TokenizerKind::kSentencePiece) {
    const int byte = type == TokenType::kByte ? ByteOfPiece(text) : -1;
    if (byte >= 0) {
      out += static_cast<char>(byte);
    } else {
      AppendUnmarked(text, out);
    }
    return;
  }
  if (type == TokenType::kUserDefined) {
    out += text;
    return;
  }
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    std::size_t bytes = 1;
    std::size_t character = first;
    if (first >= 0xc2 && first < 0xe0 && at + 1 < text.size()) {
      character = (first & 0x1fu) << 6 | (static_cast<unsigned char>(text[at + 1]) & 0x3fu);
      bytes = 2;
    }
    const int byte = character < byte_of_character.size() ? byte_of_character[character] : -1;
    if (byte >= 0) {
      out += static_cast<char>(byte);
    } else {
      out.append(text, at, bytes);
    }
    at += bytes;
  }
}

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;
const Vocabulary& Tokenizer::vocabulary() const { return state_->v; }

Result<void> Tokenizer::State::AddSpecials() {
  ends.resize(v.tokens.size());
  std::size_t with_spaces = 0;
  const auto special = [&](std::size_t id) {
    return v.types[id] == TokenType::kUserDefined || v.types[id] == TokenType::kControl;
  };
  const auto marked = [&](std::size_t id) {
    return v.kind == TokenizerKind::kSentencePiece &&
           v.tokens[id].find(' ') != std::string_view::npos;
  };
  for (std::size_t id = 0; id < v.tokens.size(); ++id) with_spaces += special(id) && marked(id);
  marked_texts.reserve(with_spaces);  // views into them follow: they must not move
  for (std::size_t id = 0; id < v.tokens.size(); ++id) {
    std::string_view text = v.tokens[id];
    if (!special(id) || text.empty()) continue;
    if (text.size() > kMostSpecialBytes) {
      return Fail(ErrorCode::kLimit,
                  fmt::format("'tokenizer.ggml.tokens' entry {} is a special token of {} bytes, at "
                              "most {} are allowed",
                              id, text.size(), kMostSpecialBytes));
    }
    if (v.types[id] == TokenType::kControl) {
      ends[id] = std::ranges::find(kEndNames, text) != std::end(kEndNames);
      control.Add(text, static_cast<std::int32_t>(id));
      continue;
    }
    // User-defined tokens are looked for in text whose spaces are marks already.
    if (marked(id)) {
      AppendMarked(text, marked_texts.emplace_back());
      text = marked_texts.back();
    }
    user_defined.Add(text, static_cast<std::int32_t>(id));
  }
  user_defined.Sort();
  control.Sort();
  for (const auto& id : {v.eos, v.eot}) {
    if (id) ends[static_cast<std::size_t>(*id)] = true;
  }
  return {};
}

Result<void> Tokenizer::State::AddBytes() {
  byte_tokens.fill(-1);
  byte_of_character.fill(-1);
  if (v.kind == TokenizerKind::kByteBpe) {
    const std::array<std::uint16_t, 256> characters = ByteCharacters();
    for (std::size_t b = 0; b < 256; ++b) {
      byte_tokens[b] = table.Find(Utf8Of(characters[b]));
      byte_of_character[characters[b]] = static_cast<std::int16_t>(b);
    }
  } else {
    for (std::size_t id = 0; id < v.tokens.size(); ++id) {
      const int byte = v.types[id] == TokenType::kByte ? ByteOfPiece(v.tokens[id]) : -1;
      if (byte < 0) continue;
      std::int32_t& token = byte_tokens[static_cast<std::size_t>(byte)];
      if (token < 0) token = static_cast<std::int32_t>(id);
    }
  }
  const auto lacking = std::ranges::count(byte_tokens, -1);
  byte_fallback = lacking == 0;
  if (v.kind == TokenizerKind::kByteBpe && lacking == 256) {
    return Fail(ErrorCode::kCorrupt,
                "'tokenizer.ggml.tokens' has no token for any single byte, as kind 'gpt2' needs");
  }
  if (v.kind == TokenizerKind::kSentencePiece && !byte_fallback && !v.unknown) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("'tokenizer.ggml.tokens' lacks {} of the 256 byte tokens and "
                            "'tokenizer.ggml.unknown_token_id' is missing; one of them is needed",
                            lacking));
  }
  return {};
}

Result<Tokenizer> Tokenizer::Create(Vocabulary vocabulary) {
  // SentencePiece merges only into tokens that are text; the ids of control tokens in particular
  // must not come from what somebody writes.
  std::vector<bool> mergeable(vocabulary.tokens.size(), true);
  std::size_t longest = 0;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const TokenType type = vocabulary.types[id];
    if (vocabulary.kind == TokenizerKind::kSentencePiece) {
      mergeable[id] = type == TokenType::kNormal || type == TokenType::kUserDefined ||
                      type == TokenType::kUnused;
    }
    longest = std::max(longest, vocabulary.tokens[id].size());
  }
  auto state = std::make_unique<State>(std::move(vocabulary), mergeable);
  state->longest = longest;
  OR_RETURN(state->AddSpecials());
  OR_RETURN(state->AddBytes());
  if (state->v.kind == TokenizerKind::kByteBpe) {
    state->pre = OR_RETURN(PreTokenizer::Create(state->v.pre));
    state->ranked = OR_RETURN(RankedRules::Create(state->v, state->table));
  } else {
    state->before_marks = CharactersBeforeMarks(state->v, mergeable);
  }
  return Tokenizer(std::move(state));
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
      OR_RETURN(encoding.Flush());
      ids.push_back(match.id);
      at = place + match.bytes;
    }
    encoding.Append(text.substr(at));
  }
  OR_RETURN(encoding.Flush());
  if (add_special && s.v.add_eos && s.v.eos) ids.push_back(*s.v.eos);
  return ids;
}

std::string Tokenizer::Decode(std::span<const std::int32_t> ids, bool special) const {
  std::string out;
  for (const std::int32_t id : ids) state_->AppendText(id, special, out);
  return out;
}

bool Tokenizer::IsControl(std::int32_t id) const {
  return id >= 0 && id < size() &&
         state_->v.types[static_cast<std::size_t>(id)] == TokenType::kControl;
}

bool Tokenizer::IsEndOfGeneration(std::int32_t id) const {
  return id >= 0 && id < size() && state_->ends[static_cast<std::size_t>(id)];
}

// --- streaming ------------------------------------------------------------------------------

std::string StreamDecoder::Push(std::int32_t id) {
  pending_ += tokenizer_.Decode({&id, 1}, false);
  std::string out;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8Piece piece = NextUtf8(rest);
    if (piece.unfinished) break;
    out.append(piece.well_formed ? rest.substr(0, piece.bytes) : kReplacement);
    rest.remove_prefix(piece.bytes);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return out;
}

std::string StreamDecoder::Finish() {
  std::string out;
  AppendWellFormed(pending_, out);
  pending_.clear();
  return out;
}

}  // namespace cairn::model
