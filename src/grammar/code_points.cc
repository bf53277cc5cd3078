// SPDX-License-Identifier: Apache-2.0
#include "grammar/code_points.h"

#include <algorithm>
#include <string_view>

namespace cairn::grammar {
namespace {

constexpr char32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

// Bytes 2 and up of a sequence that begins with the same bits have six bits each.
void AddUtf8(char32_t first, char32_t last, std::vector<ByteSequence>& out) {
  // Cut where the number of bytes changes.
  for (const char32_t end : {U'\x7f', U'\u07ff', U'\uffff'}) {
    if (first <= end && end < last) {
      AddUtf8(first, end, out);
      AddUtf8(end + 1, last, out);
      return;
    }
  }
  // Cut so that trailing bytes that differ take all of their values.
  const int bytes = first < 0x80 ? 1 : first < 0x800 ? 2 : first < 0x10000 ? 3 : 4;
  for (int trailing = 1; trailing < bytes; ++trailing) {
    const char32_t mask = (char32_t{1} << (6 * trailing)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      AddUtf8(first, first | mask, out);
      AddUtf8((first | mask) + 1, last, out);
      return;
    }
    if ((last & mask) != mask) {
      AddUtf8(first, (last & ~mask) - 1, out);
      AddUtf8(last & ~mask, last, out);
      return;
    }
  }
  std::string low, high;
  AppendUtf8(first, low);
  AppendUtf8(last, high);
  ByteSequence sequence;
  sequence.size = bytes;
  for (int i = 0; i < bytes; ++i) {
    const auto at = static_cast<std::size_t>(i);
    sequence.ranges[i] = {static_cast<unsigned char>(low[at]),
                          static_cast<unsigned char>(high[at])};
  }
  out.push_back(sequence);
}

}  // namespace

CodePoints::CodePoints(std::initializer_list<CodePointRange> ranges) {
  for (const CodePointRange& range : ranges) Add(range.first, range.last);
}

CodePoints CodePoints::All() { return {{0, kLastCodePoint}}; }

void CodePoints::Add(char32_t first, char32_t last) {
  last = std::min(last, kLastCodePoint);
  if (first < kFirstSurrogate) {
    ranges_.push_back({first, std::min<char32_t>(last, kFirstSurrogate - 1)});
  }
  if (last > kLastSurrogate)
    ranges_.push_back({std::max<char32_t>(first, kLastSurrogate + 1), last});
  Normalise();
}

void CodePoints::Add(const CodePoints& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  Normalise();
}

void CodePoints::Normalise() {
  std::ranges::sort(ranges_, {}, &CodePointRange::first);
  std::vector<CodePointRange> merged;
  for (const CodePointRange& range : ranges_) {
    if (range.first > range.last) continue;
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  ranges_ = std::move(merged);
}

CodePoints CodePoints::Without(const CodePoints& other) const {
  CodePoints out;
  std::size_t at = 0;
  for (const CodePointRange& range : ranges_) {
    char32_t first = range.first;
    while (at < other.ranges_.size() && other.ranges_[at].last < first) ++at;
    for (std::size_t i = at; i < other.ranges_.size() && other.ranges_[i].first <= range.last;
         ++i) {
      if (other.ranges_[i].first > first) {
        out.ranges_.push_back({first, other.ranges_[i].first - 1});
      }
      first = other.ranges_[i].last + 1;
    }
    if (first <= range.last) out.ranges_.push_back({first, range.last});
  }
  return out;
}

CodePoints CodePoints::WithBothCases() const {
  CodePoints out = *this;
  const CodePoints upper = Common({{'A', 'Z'}}), lower = Common({{'a', 'z'}});
  for (const auto& range : upper.ranges()) out.Add(range.first + 32, range.last + 32);
  for (const auto& range : lower.ranges()) out.Add(range.first - 32, range.last - 32);
  return out;
}

bool CodePoints::Has(char32_t c) const {
  const auto after = std::ranges::upper_bound(ranges_, c, {}, &CodePointRange::first);
  return after != ranges_.begin() && c <= std::prev(after)->last;
}

void AppendUtf8(char32_t c, std::string& out) {
  const auto trailing = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    trailing(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    trailing(6);
    trailing(0);
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    trailing(12);
    trailing(6);
    trailing(0);
  }
}

ReadCodePoint FirstCodePoint(std::string_view text) {
  if (text.empty()) return {};
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  char32_t value = lead & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    value = value << 6 | (next & 0x3fu);
  }
  const char32_t least = bytes == 2 ? 0x80 : bytes == 3 ? 0x800 : 0x10000;
  const bool surrogate = value >= kFirstSurrogate && value <= kLastSurrogate;
  if (value < least || value > kLastCodePoint || surrogate) return {};
  return {value, bytes};
}

std::vector<ByteSequence> Utf8Of(const CodePoints& set) {
  std::vector<ByteSequence> out;
  for (const CodePointRange& range : set.ranges()) AddUtf8(range.first, range.last, out);
  return out;
}

}  // namespace cairn::grammar
