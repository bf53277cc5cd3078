// SPDX-License-Identifier: Apache-2.0
#include "apps/key_queue.h"

#include <algorithm>
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

void AppendUtf8(wchar_t character, std::string& out) {
  const auto code = static_cast<char32_t>(character);
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    tail(12), tail(6), tail(0);
  }
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

void KeyQueue::Push(std::string_view bytes) {
  bytes_.erase(0, at_);
  at_ = 0;
  bytes_ += bytes;
}

// Takes `mark` away where the queue begins with it. `wait`: it may, once more bytes are here.
bool KeyQueue::SkipMark(std::string_view mark, bool complete, bool& wait) {
  const std::string_view start = Rest().substr(0, mark.size());
  if (start == mark) {
    at_ += mark.size();
    return true;
  }
  wait = !complete && start.size() < mark.size() && mark.starts_with(start);
  return false;
}

std::optional<wchar_t> KeyQueue::PopCharacter(bool complete) {
  const std::string_view rest = Rest();
  const int length = LengthOf(static_cast<unsigned char>(rest[0]));
  if (length == 1) {
    ++at_;
    return static_cast<unsigned char>(rest[0]);
  }
  const auto have = static_cast<int>(rest.size());
  if (length > have && !complete) return std::nullopt;
  std::uint32_t code = static_cast<unsigned char>(rest[0]) & (0x7Fu >> length);
  int read = 1;
  while (read < length && read < have && (rest[static_cast<std::size_t>(read)] & 0xC0) == 0x80) {
    code = code << 6 | (static_cast<unsigned char>(rest[static_cast<std::size_t>(read)]) & 0x3Fu);
    ++read;
  }
  at_ += static_cast<std::size_t>(read);
  const bool whole =
      length != 0 && read == length && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
  return whole ? static_cast<wchar_t>(code) : kReplacement;
}

std::optional<wchar_t> KeyQueue::Pop(bool complete) {
  while (!empty()) {
    bool wait = false;
    if (SkipMark(pasting_ ? kPasteEnds : kPasteBegins, complete, wait)) {
      pasting_ = !pasting_;
      continue;
    }
    // The end of a paste whose beginning Ctrl-C threw away.
    if (!pasting_ && !wait && SkipMark(kPasteEnds, complete, wait)) continue;
    if (wait) return std::nullopt;
    if (!pasting_) return PopCharacter(complete);
    if (Rest().starts_with("\r\n")) ++at_;
    const auto c = PopCharacter(complete);
    if (!c) return c;
    if (*c == L'\n' || *c == L'\r') return kPastedBreak;
    if (*c == L'\t') return kPastedTab;
    if (*c >= L' ' && *c != 0x7F) return c;
  }
  return std::nullopt;
}

std::string KeyQueue::Preview() const {
  constexpr wchar_t kEscape = 0x1B, kDelete = 0x7F, kBackspace = 0x08, kKillLine = 0x15;
  KeyQueue keys = *this;
  std::wstring shown;
  while (const auto c = keys.Pop(true)) {
    if (*c == kEscape) {
      keys.SkipSequence();
    } else if (*c == kDelete || *c == kBackspace) {
      if (!shown.empty() && shown.back() != kPastedBreak) shown.pop_back();
    } else if (*c == kKillLine) {
      shown.erase(shown.rfind(kPastedBreak) + 1);  // npos + 1 is 0
    } else if (*c == L'\n' || *c == L'\r') {
      shown += kPastedBreak;
    } else if (*c >= L' ' && !(*c >= 0x80 && *c < 0xA0)) {
      shown += *c;
    }
  }
  std::string text;
  for (const wchar_t c : shown) AppendUtf8(c, text);
  return text;
}

// What follows ESC of a key that moves: "[" or "O", parameters, one final character.
void KeyQueue::SkipSequence() {
  const std::string_view rest = Rest();
  if (!rest.starts_with('[') && !rest.starts_with('O')) return;
  std::size_t end = 1;
  while (end < rest.size() && rest[end] >= ' ' && rest[end] < '@') ++end;
  at_ += std::min(rest.size(), end + 1);
}

std::string WithoutPasteSigns(std::string_view line) {
  return ReplaceAll(ReplaceAll(line, "\u21B5", "\n"), "\u21E5", "\t");
}

}  // namespace cairn::apps
