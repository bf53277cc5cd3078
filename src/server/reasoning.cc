// SPDX-License-Identifier: Apache-2.0
#include "server/reasoning.h"

#include <algorithm>

namespace cairn::server {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

// What models write, by how common it is.
const ReasoningMarks kKnown[] = {{"<think>", "</think>"},
                                 {"<thinking>", "</thinking>"},
                                 {"<reasoning>", "</reasoning>"},
                                 {"[THINK]", "[/THINK]"}};

// Without the white space at its end.
std::size_t SizeWithoutSpace(std::string_view text) {
  const std::size_t last = text.find_last_not_of(kSpace);
  return last == std::string_view::npos ? 0 : last + 1;
}

// Bytes at the end of `text` with which `mark` may begin, and the white space before them.
std::size_t MayBeginWith(std::string_view text, std::string_view mark) {
  std::size_t size = std::min(text.size(), mark.size() - 1);
  while (size > 0 && text.substr(text.size() - size) != mark.substr(0, size)) --size;
  return text.size() - SizeWithoutSpace(text.substr(0, text.size() - size));
}

}  // namespace

std::optional<ReasoningMarks> ReasoningMarksOf(std::string_view chat_template) {
  for (const ReasoningMarks& marks : kKnown) {
    if (chat_template.find(marks.end) != std::string_view::npos) return marks;
  }
  return std::nullopt;
}

bool BeginsThoughts(std::string_view prompt, const ReasoningMarks& marks) {
  return prompt.substr(0, SizeWithoutSpace(prompt)).ends_with(marks.begin);
}

// One state further; false: more text is needed.
bool ReasoningSplitter::Advance(bool ended, Parts& parts) {
  const std::string_view held = held_;
  const std::size_t first = std::min(held.find_first_not_of(kSpace), held.size());
  switch (state_) {
    case State::kStart: {
      const std::string_view text = held.substr(first);
      if (text.starts_with(marks_.begin)) {
        held_.erase(0, first + marks_.begin.size());
        state_ = State::kBeforeThoughts;
        return true;
      }
      if (!ended && marks_.begin.starts_with(text)) return false;
      state_ = State::kContent;
      return true;
    }
    case State::kBeforeThoughts:
    case State::kBeforeContent:
      held_.erase(0, first);
      if (held_.empty()) return false;
      state_ = state_ == State::kBeforeThoughts ? State::kThoughts : State::kContent;
      return true;
    case State::kThoughts: {
      const std::size_t end = held.find(marks_.end);
      const bool found = end != std::string_view::npos;
      std::size_t size = found ? end : held.size();
      if (found) {
        size = SizeWithoutSpace(held.substr(0, end));
      } else if (ended) {
        size = SizeWithoutSpace(held);
      } else {
        size -= MayBeginWith(held, marks_.end);
      }
      parts.reasoning += held.substr(0, size);
      held_.erase(0, found ? end + marks_.end.size() : ended ? held.size() : size);
      if (found) state_ = State::kBeforeContent;
      return found;
    }
    case State::kContent:
      parts.content += held;
      held_.clear();
      return false;
  }
  return false;
}

ReasoningSplitter::Parts ReasoningSplitter::Push(std::string_view text) {
  held_ += text;
  Parts parts;
  while (Advance(false, parts)) {
  }
  return parts;
}

ReasoningSplitter::Parts ReasoningSplitter::Finish() {
  Parts parts;
  while (Advance(true, parts)) {
  }
  return parts;
}

}  // namespace cairn::server
