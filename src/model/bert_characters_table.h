// SPDX-License-Identifier: Apache-2.0
// The tables of bert_characters.cc, made by scripts/make_bert_characters.py. All are sorted.
// Threads: constants.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::model::bert {

struct Range {
  std::uint32_t first, last;
};
// Characters first, first + stride, ..., `count` of them, become themselves + delta. Runs may
// interlock.
struct Run {
  std::uint32_t first;
  std::uint16_t count, stride;
  std::int32_t delta;
};
struct Several {
  std::uint32_t character;
  std::uint32_t folded[3];  // 0: none
};

extern const Range kRemoved[], kSpaces[], kIdeographs[], kPunctuation[], kMarks[];
extern const std::size_t kRemovedSize, kSpacesSize, kIdeographsSize, kPunctuationSize, kMarksSize;
extern const Run kFolded[];
extern const std::size_t kFoldedSize;
extern const int kMostInterlocking;  // a character's run is among so many that begin before it
extern const Several kFoldedToSeveral[];
extern const std::size_t kFoldedToSeveralSize;

}  // namespace cairn::model::bert
