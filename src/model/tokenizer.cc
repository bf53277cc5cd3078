// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/tokenizer_state.h"

namespace cairn::model {
namespace {

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
    "<|calls|>",
    "<|flush|>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<end_of_utterance>",
    "<turn|>",
    "<|tool_response>",
    "<\xEF\xBD\x9C"
    "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",
    "[e~[",
};

// Control tokens around calls of tools, in models where others of the kind are plain tokens. An
// answer is read by them, so they are written where other control tokens are not.
constexpr std::string_view kToolMarks[] = {
    "[TOOL_CALLS]",
    "[ARGS]",
    "<tool_call>",
    "</tool_call>",
    "<\uff5ctool\u2581calls\u2581begin\uff5c>",
    "<\uff5ctool\u2581calls\u2581end\uff5c>",
    "<\uff5ctool\u2581call\u2581begin\uff5c>",
    "<\uff5ctool\u2581call\u2581end\uff5c>",
    "<\uff5ctool\u2581sep\uff5c>",
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

// The characters that stand before a space mark inside some token, sorted. Before any other
// character's mark no merge can cross, so that words can be merged one by one.
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
      found.push_back(token.substr(start, at - start));
    }
  }
  std::ranges::sort(found);
  const auto twice = std::ranges::unique(found);
  found.erase(twice.begin(), twice.end());
  return found;
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;
const Vocabulary& Tokenizer::vocabulary() const { return state_->v; }

Result<void> Tokenizer::State::AddSpecials() {
  ends.resize(v.tokens.size());
  std::size_t with_spaces = 0;
  const auto special = [&](std::size_t id) {
    return v.types[id] == TokenType::kUserDefined || v.types[id] == TokenType::kControl ||
           v.types[id] == TokenType::kUnknown;
  };
  const auto marked = [&](std::size_t id) {
    return (v.kind == TokenizerKind::kSentencePiece || v.kind == TokenizerKind::kPieceBpe) &&
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
    if (v.types[id] == TokenType::kUnknown) {
      control.Add(text, static_cast<std::int32_t>(id));
      continue;
    }
    if (v.types[id] == TokenType::kControl) {
      ends[id] = std::ranges::find(kEndNames, text) != std::end(kEndNames);
      control.Add(text, static_cast<std::int32_t>(id));
      if (std::ranges::find(kToolMarks, text) != std::end(kToolMarks)) {
        tool_marks.push_back(static_cast<std::int32_t>(id));
      }
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
  // Where answers end with tokens of their own, <|end|> only ends a message inside one.
  const auto ends_with = [&](std::string_view name) {
    const auto found = std::ranges::find(v.tokens, name);
    return found != v.tokens.end() && ends[static_cast<std::size_t>(found - v.tokens.begin())];
  };
  if ((ends_with("<|return|>") && ends_with("<|call|>")) ||
      (ends_with("<|calls|>") && ends_with("<|flush|>"))) {
    const auto end = std::ranges::find(v.tokens, "<|end|>");
    if (end != v.tokens.end()) ends[static_cast<std::size_t>(end - v.tokens.begin())] = false;
  }
  for (const auto& id : {v.eos, v.eot, v.eom}) {
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
      byte_spelling[b] = Utf8Of(characters[b]);
      byte_tokens[b] = table.Find(byte_spelling[b]);
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
  const bool merges_pieces =
      v.kind == TokenizerKind::kSentencePiece || v.kind == TokenizerKind::kPieceBpe;
  if (merges_pieces && !byte_fallback && !v.unknown) {
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
    if (vocabulary.kind == TokenizerKind::kWordPiece) {
      mergeable[id] = type == TokenType::kNormal;
    } else if (vocabulary.kind != TokenizerKind::kByteBpe) {
      mergeable[id] = type == TokenType::kNormal || type == TokenType::kUserDefined ||
                      type == TokenType::kUnused;
    }
    longest = std::max(longest, vocabulary.tokens[id].size());
  }
  auto state = std::make_unique<State>(std::move(vocabulary), mergeable);
  state->longest = longest;
  OR_RETURN(state->AddSpecials());
  if (state->v.kind == TokenizerKind::kWordPiece) {
    state->words.emplace(state->v, state->table, longest);
    return Tokenizer(std::move(state));
  }
  OR_RETURN(state->AddBytes());
  if (HasSpaceMarks(state->v.kind)) {
    state->before_marks = CharactersBeforeMarks(state->v, mergeable);
  }
  switch (state->v.kind) {
    case TokenizerKind::kByteBpe:
      state->pre = OR_RETURN(PreTokenizer::Create(state->v.pre));
      state->ranked = OR_RETURN(RankedRules::Create(state->v, state->table));
      break;
    case TokenizerKind::kPieceBpe:
      state->ranked = OR_RETURN(RankedRules::Create(state->v, state->table));
      break;
    case TokenizerKind::kSentencePiece: break;
    case TokenizerKind::kUnigram:
      state->unigram =
          OR_RETURN(Unigram::Create(state->v, state->byte_tokens, state->before_marks));
      break;
    case TokenizerKind::kWordPiece: break;  // done above
    case TokenizerKind::kRwkv: state->rwkv = OR_RETURN(RwkvWords::Create(state->v)); break;
    case TokenizerKind::kPlamo2:
      state->plamo = OR_RETURN(PlamoPieces::Create(state->v, state->byte_tokens));
      break;
  }
  return Tokenizer(std::move(state));
}

bool Tokenizer::IsControl(std::int32_t id) const {
  return id >= 0 && id < size() &&
         state_->v.types[static_cast<std::size_t>(id)] == TokenType::kControl;
}

bool Tokenizer::IsEndOfGeneration(std::int32_t id) const {
  return id >= 0 && id < size() && state_->ends[static_cast<std::size_t>(id)];
}

}  // namespace cairn::model
