// SPDX-License-Identifier: Apache-2.0
#include "model/word_piece.h"

#include <algorithm>

#include "model/bert_characters.h"
#include "model/utf8.h"

namespace cairn::model {
namespace {

constexpr std::size_t kMostCharacters = 100;            // of a word that is spelled
constexpr std::string_view kWordMark = "\xE2\x96\x81";  // U+2581

}  // namespace

// The word that is being collected, with its mark.
struct WordPiece::Word {
  std::string text{kWordMark};
  std::size_t characters = 0;
};

void WordPiece::Encode(std::string_view text, std::vector<std::int32_t>& out) const {
  Word word;
  while (!text.empty()) {
    const std::uint32_t character = CharacterAt(text);
    text.remove_prefix(Utf8Bytes(static_cast<unsigned char>(text[0])));
    switch (ClassOf(character)) {
      case BertCharacter::kRemoved: continue;
      case BertCharacter::kSpace: End(word, out); continue;
      case BertCharacter::kIdeograph:
        End(word, out);
        Add(character, word, out);
        End(word, out);
        continue;
      default: Add(character, word, out);
    }
  }
  End(word, out);
}

void WordPiece::Add(std::uint32_t character, Word& word, std::vector<std::int32_t>& out) const {
  Folded folded{{character}, 1};
  if (vocabulary_.lower_case) folded = FoldForBert(character);
  for (int i = 0; i < folded.count; ++i) {
    const std::uint32_t c = folded.characters[static_cast<std::size_t>(i)];
    const bool alone = ClassOf(c) == BertCharacter::kPunctuation;
    if (alone) End(word, out);
    // What is longer becomes one unknown token and need not be kept.
    if (word.characters <= kMostCharacters) AppendUtf8(c, word.text);
    ++word.characters;
    if (alone) End(word, out);
  }
}

void WordPiece::End(Word& word, std::vector<std::int32_t>& out) const {
  if (word.characters == 0) return;
  const std::string_view text = word.text;
  const std::size_t before = out.size();
  bool spelled = word.characters <= kMostCharacters;
  for (std::size_t at = 0; spelled && at < text.size();) {
    std::int32_t id = -1;
    std::size_t end = std::min(text.size(), at + longest_);
    // Only the first piece has the mark; a mark inside the word is a character that no token of a
    // word's inside begins with.
    const std::size_t least = at == 0 ? kWordMark.size() : at;
    const bool mark = at > 0 && text.substr(at).starts_with(kWordMark);
    for (; id < 0 && !mark && end > least; --end) {
      const bool border =
          end == text.size() || (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
      if (border) id = table_.Find(text.substr(at, end - at));
      if (id >= 0) break;
    }
    spelled = id >= 0;
    if (spelled) out.push_back(id);
    at = end;
  }
  if (!spelled) {
    out.resize(before);
    out.push_back(*vocabulary_.unknown);
  }
  word.text.resize(kWordMark.size());
  word.characters = 0;
}

}  // namespace cairn::model
