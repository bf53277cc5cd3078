// SPDX-License-Identifier: Apache-2.0
#include "apps/key_queue.h"

#include <bit>
#include <cstdint>

namespace cairn::apps {
namespace {

constexpr std::string_view kPasteBegins = "\033[200~";
constexpr std::string_view kPasteEnds = "\033[201~";
constexpr wchar_t kReplacement = L'\uFFFD';

// Bytes of the character that this byte begins; 0: it begins none.
int LengthOf(unsigned char lead) {
  const int ones = std::countl_one(lead);
  return ones == 0 ? 1 : ones >= 2 && ones <= 4 ? ones : 0;
}

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  while (true) {
    const std::size_t at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

}  // namespace

// Takes `mark` away where the queue begins with it. `wait`: it may, once more bytes are here.
bool KeyQueue::SkipMark(std::string_view mark, bool complete, bool& wait) {
  const std::string_view start = std::string_view(bytes_).substr(0, mark.size());
  if (start == mark) {
    bytes_.erase(0, mark.size());
    return true;
  }
  wait = !complete && start.size() < mark.size() && mark.starts_with(start);
  return false;
}

std::optional<wchar_t> KeyQueue::PopCharacter(bool complete) {
  const int length = LengthOf(static_cast<unsigned char>(bytes_[0]));
  if (length == 1) {
    const wchar_t c = static_cast<unsigned char>(bytes_[0]);
    bytes_.erase(0, 1);
    return c;
  }
  const auto have = static_cast<int>(bytes_.size());
  if (length > have && !complete) return std::nullopt;
  std::uint32_t code = static_cast<unsigned char>(bytes_[0]) & (0x7Fu >> length);
  int read = 1;
  while (read < length && read < have && (bytes_[static_cast<std::size_t>(read)] & 0xC0) == 0x80) {
    code = code << 6 | (static_cast<unsigned char>(bytes_[static_cast<std::size_t>(read)]) & 0x3Fu);
    ++read;
  }
  bytes_.erase(0, static_cast<std::size_t>(read));
  const bool whole =
      length != 0 && read == length && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
  return whole ? static_cast<wchar_t>(code) : kReplacement;
}

std::optional<wchar_t> KeyQueue::Pop(bool complete) {
  while (!bytes_.empty()) {
    bool wait = false;
    if (SkipMark(pasting_ ? kPasteEnds : kPasteBegins, complete, wait)) {
      pasting_ = !pasting_;
      pasted_ = true;
      continue;
    }
    if (wait) return std::nullopt;
    if (!pasting_) return PopCharacter(complete);
    if (bytes_.starts_with("\r\n")) bytes_.erase(0, 1);
    const auto c = PopCharacter(complete);
    if (!c) return c;
    if (*c == L'\n' || *c == L'\r') return kPastedBreak;
    if (*c == L'\t') return kPastedTab;
    if (*c >= L' ' && *c != 0x7F) return c;
  }
  return std::nullopt;
}

bool KeyQueue::TakePasted() {
  const bool pasted = pasted_;
  pasted_ = pasting_;
  return pasted;
}

std::string WithoutPasteSigns(std::string_view line) {
  return ReplaceAll(ReplaceAll(line, "\u21B5", "\n"), "\u21E5", "\t");
}

}  // namespace cairn::apps
