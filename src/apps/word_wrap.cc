// SPDX-License-Identifier: Apache-2.0
#include "apps/word_wrap.h"

#include <langinfo.h>
#include <wchar.h>

#include <algorithm>
#include <clocale>
#include <cstring>

#include "model/utf8.h"

namespace cairn::apps {
namespace {

constexpr int kNarrowest = 20;     // columns; a narrower terminal is treated as this wide
constexpr int kRoomToShow = 24;    // columns that must be free for a word to be shown unfinished
constexpr std::size_t kFence = 3;  // marks of a code block
constexpr std::string_view kTab = "    ";

wchar_t Decode(std::string_view bytes) {
  std::uint32_t code = static_cast<unsigned char>(bytes[0]);
  if (bytes.size() > 1) code &= 0x7Fu >> bytes.size();
  for (const char c : bytes.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3Fu);
  return static_cast<wchar_t>(code);
}

// Scripts that are written without spaces: a line may be broken before and after each character.
bool IsIdeographic(wchar_t c) { return c >= 0x2E80 && ColumnsOf(c) == 2; }

}  // namespace

void UseUtf8Locale() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

int ColumnsOf(wchar_t character) {
  const auto code = static_cast<char32_t>(character);
  if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return -1;
  const int width = wcwidth(character);
  return width < 0 ? 1 : width;  // unassigned ones are shown as a box
}

std::string WordWrap::Push(std::string_view text, int columns) {
  columns_ = std::max(columns, kNarrowest);
  out_.clear();
  while (!text.empty()) {
    const model::Utf8Piece piece = model::NextUtf8(text);
    const std::string_view bytes =
        piece.well_formed ? text.substr(0, piece.bytes) : model::kReplacement;
    text.remove_prefix(piece.bytes);
    Add(Decode(bytes), bytes);
  }
  const int end = column_ + static_cast<int>(blanks_.size()) + word_columns_;
  if (!word_.empty() && end + kRoomToShow < columns_) {
    PlaceWord();
    open_ = true;
  }
  return std::move(out_);
}

std::string WordWrap::Flush(int columns) {
  columns_ = std::max(columns, kNarrowest);
  out_.clear();
  PlaceWord();
  return std::move(out_);
}

void WordWrap::Add(wchar_t character, std::string_view bytes) {
  if (character == L'\n') return EndLine();
  if (character == L'\r') return;
  const bool tab = character == L'\t';
  int width = tab ? static_cast<int>(kTab.size()) : ColumnsOf(character);
  if (tab) {
    bytes = kTab;
  } else if (width < 0) {
    bytes = model::kReplacement;
    width = 1;
  }
  const bool blank = tab || character == L' ';
  if (!blank && lead_.size() < kFence) lead_ += bytes;
  if (code_ || !break_lines_) return AddCode(bytes, width);
  if (blank) {
    PlaceWord();
    open_ = false;
    blanks_ += bytes;
    return;
  }
  const bool alone = IsIdeographic(character);
  if (alone) {
    PlaceWord();
    open_ = false;
  }
  word_ += bytes;
  word_columns_ += width;
  if (alone || open_ || word_columns_ >= columns_ - 1) {
    const bool open = !alone;
    PlaceWord();
    open_ = open;
  }
}

// The terminal breaks code itself: its selection joins such lines again.
void WordWrap::AddCode(std::string_view bytes, int width) {
  if (column_ + width > columns_) {
    column_ = 0;
    ++lines_;
  }
  out_ += bytes;
  column_ += width;
  if (column_ < columns_) return;
  out_ += " \r";  // leaves the last column, where terminals differ in what comes next
  column_ = 0;
  ++lines_;
}

void WordWrap::PlaceWord() {
  if (word_.empty()) return;
  if (column_ + static_cast<int>(blanks_.size()) + word_columns_ >= columns_) {
    if (column_ > 0) BreakLine();
    blanks_.clear();
  }
  out_ += blanks_;
  out_ += word_;
  column_ += static_cast<int>(blanks_.size()) + word_columns_;
  blanks_.clear();
  word_.clear();
  word_columns_ = 0;
}

void WordWrap::BreakLine() {
  out_ += '\n';
  column_ = 0;
  blanks_.clear();
  ++lines_;
}

void WordWrap::EndLine() {
  PlaceWord();
  if (lead_.starts_with("```")) code_ = !code_;
  lead_.clear();
  BreakLine();
  open_ = false;
}

std::string_view LastColumns(std::string_view text, int columns) {
  std::size_t begin = text.size();
  while (begin > 0) {
    std::size_t at = begin - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    columns -= std::max(0, ColumnsOf(Decode(text.substr(at, begin - at))));
    if (columns < 0) break;
    begin = at;
  }
  return text.substr(begin);
}

std::string Wrapped(std::string_view text, int columns) {
  WordWrap wrap;
  std::string out = wrap.Push(text, columns);
  return out + wrap.Flush(columns);
}

}  // namespace cairn::apps
