// SPDX-License-Identifier: Apache-2.0
#include "model/bert_characters.h"

#include <algorithm>
#include <span>

#include "model/bert_characters_table.h"

namespace cairn::model {
namespace {

using bert::Range;
using bert::Run;
using bert::Several;

// Hangul syllables are composed of a leading consonant, a vowel and perhaps a trailing consonant.
constexpr std::uint32_t kHangul = 0xAC00, kHangulEnd = 0xD7A4;
constexpr std::uint32_t kLeading = 0x1100, kVowel = 0x1161, kTrailing = 0x11A7;
constexpr std::uint32_t kVowels = 21, kTrailings = 28;

bool IsIn(std::span<const Range> ranges, std::uint32_t character) {
  const auto it = std::ranges::lower_bound(ranges, character, {}, &Range::last);
  return it != ranges.end() && it->first <= character;
}

BertCharacter SlowClassOf(std::uint32_t character) {
  if (IsIn({bert::kRemoved, bert::kRemovedSize}, character)) return BertCharacter::kRemoved;
  if (IsIn({bert::kSpaces, bert::kSpacesSize}, character)) return BertCharacter::kSpace;
  if (IsIn({bert::kIdeographs, bert::kIdeographsSize}, character)) return BertCharacter::kIdeograph;
  if (IsIn({bert::kPunctuation, bert::kPunctuationSize}, character)) {
    return BertCharacter::kPunctuation;
  }
  return BertCharacter::kText;
}

using AsciiClasses = std::array<BertCharacter, 128>;
AsciiClasses ClassesOfAscii() {
  AsciiClasses classes{};
  for (std::uint32_t c = 0; c < classes.size(); ++c) classes[c] = SlowClassOf(c);
  return classes;
}

Folded FoldHangul(std::uint32_t character) {
  const std::uint32_t index = character - kHangul;
  const std::uint32_t trailing = index % kTrailings;
  Folded folded{{kLeading + index / (kVowels * kTrailings),
                 kVowel + index % (kVowels * kTrailings) / kTrailings, kTrailing + trailing},
                trailing == 0 ? 2 : 3};
  return folded;
}

// The run that holds a character.
const Run* RunOf(std::uint32_t character) {
  const std::span<const Run> runs(bert::kFolded, bert::kFoldedSize);
  auto it = std::ranges::upper_bound(runs, character, {}, &Run::first);
  for (int tries = 0; tries < bert::kMostInterlocking && it != runs.begin(); ++tries) {
    --it;
    const std::uint32_t distance = character - it->first;
    if (distance % it->stride == 0 && distance / it->stride < it->count) return &*it;
  }
  return nullptr;
}

}  // namespace

BertCharacter ClassOf(std::uint32_t character) {
  static const AsciiClasses kAscii = ClassesOfAscii();
  return character < kAscii.size() ? kAscii[character] : SlowClassOf(character);
}

Folded FoldForBert(std::uint32_t character) {
  if (character < 0x80) {
    return {{character >= 'A' && character <= 'Z' ? character + 32 : character}, 1};
  }
  if (character >= kHangul && character < kHangulEnd) return FoldHangul(character);
  if (const Run* run = RunOf(character)) {
    return {{static_cast<std::uint32_t>(static_cast<std::int32_t>(character) + run->delta)}, 1};
  }
  if (IsIn({bert::kMarks, bert::kMarksSize}, character)) return {};
  const std::span<const Several> several(bert::kFoldedToSeveral, bert::kFoldedToSeveralSize);
  const auto it = std::ranges::lower_bound(several, character, {}, &Several::character);
  if (it == several.end() || it->character != character) return {{character}, 1};
  Folded folded;
  for (const std::uint32_t c : it->folded) {
    if (c != 0) folded.characters[static_cast<std::size_t>(folded.count++)] = c;
  }
  return folded;
}

}  // namespace cairn::model
