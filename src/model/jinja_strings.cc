// SPDX-License-Identifier: Apache-2.0
// Stripping, replacing and joining, which methods and filters share.
#include <algorithm>

#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {

Text Strip(const Text& text, const Text* characters, bool left, bool right) {
  std::vector<char32_t> set;
  if (characters != nullptr) {
    for (std::size_t i = 0; i < characters->size();) {
      set.push_back(NextCodePoint(characters->bytes(), &i));
    }
    std::sort(set.begin(), set.end());
  }
  std::size_t begin = text.size(), end = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = i;
    const char32_t c = NextCodePoint(text.bytes(), &i);
    const bool drop =
        characters == nullptr ? IsSpace(c) : std::binary_search(set.begin(), set.end(), c);
    if (drop) continue;
    begin = std::min(begin, at);
    end = i;
  }
  if (begin == text.size()) return {};
  return text.Slice(left ? begin : 0, right ? end : text.size());
}

Text Replace(Interpreter& interpreter, const Text& text, const Text& from, const Text& to,
             std::optional<Integer> count) {
  Integer left = count && *count >= 0 ? *count : Integer{1} << 62;
  Text out;
  std::size_t begin = 0;
  const std::string_view bytes = text.bytes();
  interpreter.budget().Spend(text.size() / 32);
  if (from.empty()) {  // between all characters
    for (std::size_t i = 0; left > 0; --left) {
      out.Append(to);
      interpreter.budget().Spend(1);
      if (i >= text.size()) return out;
      begin = i;
      NextCodePoint(bytes, &i);
      out.AppendSlice(text, begin, i);
      begin = i;
    }
    out.AppendSlice(text, begin, text.size());
    return out;
  }
  for (; left > 0; --left) {
    const auto at = FindFirst(bytes, from.bytes(), begin);
    if (at == std::string_view::npos) break;
    interpreter.budget().Spend(1);
    out.AppendSlice(text, begin, at);
    out.Append(to);
    begin = at + from.size();
  }
  out.AppendSlice(text, begin, text.size());
  return out;
}

Text Join(Interpreter& interpreter, const std::vector<Value>& items, const Text& separator) {
  Text out;
  bool first = true;
  for (const Value& item : items) {
    if (!first) out.Append(separator);
    first = false;
    const Text text = interpreter.TextOf(item);
    interpreter.budget().Spend(1 + text.size() / 64);
    out.Append(text);
  }
  return out;
}

}  // namespace cairn::model::jinja
