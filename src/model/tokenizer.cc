// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <limits>
#include <optional>
#include <unordered_map>

#include "model/merger.h"
#include "model/pre_tokenizer.h"
#include "model/token_table.h"
#include "model/utf8.h"

namespace cairn::model {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Control tokens that end an answer in the models that have them.
constexpr std::string_view kEndNames[] = {
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>",
    "<|end_of_text|>", "</s>", "<eos>", "<|return|>", "<|call|>", "<EOT>", "<|END_OF_TURN_TOKEN|>",
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

// Ranked merges: the pair of ids decides.
class RankedRules : public MergeRules {
 public:
  RankedRules(const Vocabulary& v, const TokenTable& table) {
    rules_.reserve(v.merges.size());
    std::string joined;
    for (std::size_t rank = 0; rank < v.merges.size(); ++rank) {
      const std::string_view merge = v.merges[rank];
      const std::size_t space = merge.find(' ', 1);
      if (space == std::string_view::npos) continue;
      const std::int32_t left = table.Find(merge.substr(0, space));
      const std::int32_t right = table.Find(merge.substr(space + 1));
      joined.assign(merge.substr(0, space)).append(merge.substr(space + 1));
      const std::int32_t token = table.Find(joined);
      // A merge of what the vocabulary lacks can never apply.
      if (left < 0 || right < 0 || token < 0) continue;
      rules_.try_emplace(Key(left, right), Merge{static_cast<std::int64_t>(rank), token});
    }
  }
  Merge Find(std::int32_t left, std::int32_t right) const override {
    const auto it = rules_.find(Key(left, right));
    return it == rules_.end() ? Merge{} : it->second;
  }

 private:
  static std::uint64_t Key(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  struct Hash {
    std::size_t operator()(std::uint64_t key) const {
      key *= 0x9e3779b97f4a7c15u;
      return key ^ key >> 32;
    }
  };
  std::unordered_map<std::uint64_t, Merge, Hash> rules_;
};

// Scored merges: a pair merges where the vocabulary has its text; higher scores first. Characters
// that the vocabulary lacks get ids past its end for the time of one text.
class ScoredRules : public MergeRules {
 public:
  ScoredRules(const Vocabulary& v, const TokenTable& table) : v_(v), table_(table) {}

  std::int32_t Symbol(std::string_view character) {
    const std::int32_t id = table_.Find(character);
    if (id >= 0) return id;
    unknown_.push_back(character);
    return static_cast<std::int32_t>(v_.tokens.size() + unknown_.size() - 1);
  }
  std::string_view TextOf(std::int32_t id) const {
    const auto index = static_cast<std::size_t>(id);
    return index < v_.tokens.size() ? v_.tokens[index] : unknown_[index - v_.tokens.size()];
  }
  Merge Find(std::int32_t left, std::int32_t right) const override {
    joined_.assign(TextOf(left)).append(TextOf(right));
    const std::int32_t token = table_.Find(joined_);
    if (token < 0 || v_.types[static_cast<std::size_t>(token)] == TokenType::kUnused) return {};
    // The order of floats as integers, reversed.
    const auto bits = std::bit_cast<std::int32_t>(v_.scores[static_cast<std::size_t>(token)]);
    const std::int64_t order = bits >= 0 ? bits : std::numeric_limits<std::int32_t>::min() -
                                                      static_cast<std::int64_t>(bits);
    return {-order, token};
  }

 private:
  const Vocabulary& v_;
  const TokenTable& table_;
  std::vector<std::string_view> unknown_;
  mutable std::string joined_;
};

// True where no token has a space mark after another character: then no merge crosses the border
// before a space mark, and words can be merged one by one.
bool WordsAreSeparate(const Vocabulary& v) {
  for (const std::string_view token : v.tokens) {
    const std::size_t last = token.rfind(kSpaceMark);
    if (last == std::string_view::npos) continue;
    for (std::size_t at = 0; at < last; at += kSpaceMark.size()) {
      if (token.substr(at, kSpaceMark.size()) != kSpaceMark) return false;
    }
  }
  return true;
}

}  // namespace

struct Tokenizer::State {
  explicit State(Vocabulary vocabulary) : v(std::move(vocabulary)), table(v.tokens) {}

  Vocabulary v;
  TokenTable table;
  SpecialMatcher always;    // user-defined tokens
  SpecialMatcher special;   // those and control tokens
  std::vector<bool> ends;   // by id
  std::array<std::int32_t, 256> byte_tokens{};  // -1: none
  std::optional<PreTokenizer> pre;              // kByteBpe
  std::optional<RankedRules> ranked;            // kByteBpe
  std::array<std::int16_t, 512> byte_of_character{};  // kByteBpe; -1: none
  bool separate_words = false;                  // kSentencePiece

  void PutByte(unsigned char byte, std::vector<std::int32_t>& out) const {
    const std::int32_t id = byte_tokens[byte];
    if (id >= 0) {
      out.push_back(id);
    } else if (v.unknown) {
      out.push_back(*v.unknown);
    }
  }
  void EncodeBytes(std::string_view text, std::vector<std::int32_t>& out) const;
  void EncodePieces(std::string_view text, bool prefix, std::vector<std::int32_t>& out) const;
  void EncodeStretch(std::string_view text, bool prefix, std::vector<std::int32_t>& out) const {
    if (text.empty()) return;
    if (v.kind == TokenizerKind::kByteBpe) {
      EncodeBytes(text, out);
    } else {
      EncodePieces(text, prefix, out);
    }
  }
  void AppendText(std::int32_t id, bool with_special, std::string& out) const;
};

void Tokenizer::State::EncodeBytes(std::string_view text, std::vector<std::int32_t>& out) const {
  Merger merger(*ranked);
  std::vector<std::int32_t> symbols;
  pre->Split(text, [&](std::string_view word) {
    symbols.clear();
    for (const char c : word) PutByte(static_cast<unsigned char>(c), symbols);
    merger.Run(symbols, out);
  });
}

void Tokenizer::State::EncodePieces(std::string_view text, bool prefix,
                                    std::vector<std::int32_t>& out) const {
  std::string marked;
  marked.reserve(text.size() + text.size() / 2);
  if (prefix) marked += kSpaceMark;
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpaceMark;
    } else {
      marked += c;
    }
  }
  ScoredRules rules(v, table);
  Merger merger(rules);
  std::vector<std::int32_t> symbols, pieces;
  const auto flush = [&] {
    pieces.clear();
    merger.Run(symbols, pieces);
    symbols.clear();
    for (const std::int32_t id : pieces) {
      if (static_cast<std::size_t>(id) < v.tokens.size()) {
        out.push_back(id);
      } else {
        for (const char c : rules.TextOf(id)) PutByte(static_cast<unsigned char>(c), out);
      }
    }
  };
  bool after_mark = true;
  for (std::size_t at = 0; at < marked.size();) {
    const std::size_t bytes = Utf8Bytes(static_cast<unsigned char>(marked[at]));
    const std::string_view character = std::string_view(marked).substr(at, bytes);
    const bool mark = character == kSpaceMark;
    if (mark && !after_mark && separate_words) flush();
    after_mark = mark;
    symbols.push_back(rules.Symbol(character));
    at += bytes;
  }
  flush();
}

void Tokenizer::State::AppendText(std::int32_t id, bool with_special, std::string& out) const {
  if (id < 0 || static_cast<std::size_t>(id) >= v.tokens.size()) return;
  const std::string_view text = v.tokens[static_cast<std::size_t>(id)];
  const TokenType type = v.types[static_cast<std::size_t>(id)];
  if (type == TokenType::kControl || type == TokenType::kUnknown) {
    if (with_special) out += text;
    return;
  }
  if (type == TokenType::kUserDefined) {
    out += text;
    return;
  }
  if (v.kind == TokenizerKind::kSentencePiece) {
    unsigned byte = 0;
    if (type == TokenType::kByte && text.size() == 6 &&
        std::sscanf(std::string(text).c_str(), "<0x%2X>", &byte) == 1) {
      out += static_cast<char>(byte);
      return;
    }
    for (std::size_t at = 0; at < text.size();) {
      if (text.substr(at, kSpaceMark.size()) == kSpaceMark) {
        out += ' ';
        at += kSpaceMark.size();
      } else {
        out += text[at++];
      }
    }
    return;
  }
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    std::size_t bytes = 1;
    int character = first;
    if (first >= 0xc2 && first < 0xe0 && at + 1 < text.size()) {
      character = (first & 0x1f) << 6 | (static_cast<unsigned char>(text[at + 1]) & 0x3f);
      bytes = 2;
    }
    const int byte = character < 512 ? byte_of_character[static_cast<std::size_t>(character)] : -1;
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

Result<Tokenizer> Tokenizer::Create(Vocabulary vocabulary) {
  auto state = std::make_unique<State>(std::move(vocabulary));
  State& s = *state;
  s.ends.resize(s.v.tokens.size());
  for (std::size_t i = 0; i < s.v.tokens.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    const std::string_view text = s.v.tokens[i];
    if (text.empty()) continue;
    if (s.v.types[i] == TokenType::kUserDefined) {
      s.always.Add(text, id);
      s.special.Add(text, id);
    } else if (s.v.types[i] == TokenType::kControl) {
      s.special.Add(text, id);
      for (const std::string_view name : kEndNames) {
        if (text == name) s.ends[i] = true;
      }
    }
  }
  for (const auto& id : {s.v.eos, s.v.eot}) {
    if (id) s.ends[static_cast<std::size_t>(*id)] = true;
  }
  s.byte_of_character.fill(-1);
  const std::array<std::uint16_t, 256> characters = ByteCharacters();
  for (std::size_t b = 0; b < 256; ++b) {
    const std::string text = s.v.kind == TokenizerKind::kByteBpe ? Utf8Of(characters[b])
                                                                 : fmt::format("<0x{:02X}>", b);
    s.byte_tokens[b] = s.table.Find(text);
    s.byte_of_character[characters[b]] = static_cast<std::int16_t>(b);
    if (s.byte_tokens[b] < 0 && !s.v.unknown) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("the vocabulary cannot spell byte {} and has no unknown token", b));
    }
  }
  if (s.v.kind == TokenizerKind::kByteBpe) {
    s.pre = OR_RETURN(PreTokenizer::Create(s.v.pre));
    s.ranked.emplace(s.v, s.table);
  } else {
    s.separate_words = WordsAreSeparate(s.v);
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
  // Ill-formed bytes may grow threefold.
  if (total > std::numeric_limits<std::int32_t>::max() / 4) {
    return Fail(ErrorCode::kLimit, "the text is too long to be tokenized at once");
  }
  std::vector<std::int32_t> ids;
  if (add_special && s.v.add_bos && s.v.bos) ids.push_back(*s.v.bos);
  std::string stretch, text;
  bool prefix = s.v.add_space_prefix;  // before the first stretch, and after special tokens
  const auto flush = [&] {
    if (stretch.empty()) return;
    s.EncodeStretch(stretch, prefix, ids);
    prefix = false;
    stretch.clear();
  };
  for (const TextPart& part : parts) {
    text.clear();
    AppendWellFormed(part.text, text);
    const SpecialMatcher& matcher = part.parse_special ? s.special : s.always;
    std::size_t start = 0;
    for (std::size_t at = 0; at < text.size();) {
      if (matcher.Excludes(static_cast<unsigned char>(text[at]))) {
        ++at;
        continue;
      }
      const SpecialMatcher::Match match = matcher.At(std::string_view(text).substr(at));
      if (match.id < 0) {
        ++at;
        continue;
      }
      stretch.append(text, start, at - start);
      flush();
      ids.push_back(match.id);
      prefix = s.v.add_space_prefix && IsControl(match.id);
      at += match.bytes;
      start = at;
    }
    stretch.append(text, start, text.size() - start);
  }
  flush();
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
