// SPDX-License-Identifier: Apache-2.0
#include "server/tool_reader.h"

#include <algorithm>
#include <utility>

namespace cairn::server {
namespace {

constexpr std::size_t kMostHeadBytes = 4'096;  // a name and what stands around it
constexpr std::string_view kSpace = " \t\r\n";

bool IsSpace(char c) { return kSpace.find(c) != std::string_view::npos; }

// Takes `word` and the white space before it off the beginning of `text`.
bool Take(std::string_view& text, std::string_view word) {
  const std::string_view rest = text.substr(std::min(text.find_first_not_of(kSpace), text.size()));
  if (!rest.starts_with(word)) return false;
  text = rest.substr(word.size());
  return true;
}

// The name in `{ "name" : "NAME" , "KEY" :`; empty: that is not what stands there.
std::string_view NameInObject(std::string_view text, std::string_view key) {
  for (const std::string_view word : {"{", "\"", "name", "\"", ":", "\""}) {
    if (!Take(text, word)) return {};
  }
  const std::size_t size = text.find_first_of("\"\\");
  if (size == std::string_view::npos || text[size] != '"') return {};
  const std::string_view name = text.substr(0, size);
  text.remove_prefix(size + 1);
  for (const std::string_view word : {std::string_view(","), std::string_view("\""), key,
                                      std::string_view("\""), std::string_view(":")}) {
    if (!Take(text, word)) return {};
  }
  return text.find_first_not_of(kSpace) == std::string_view::npos ? name : std::string_view();
}

}  // namespace

std::vector<AnswerEvent> ToolReader::Push(std::string_view piece) {
  for (const char c : piece) Take(c);
  return std::exchange(events_, {});
}

void ToolReader::Tell(AnswerEvent::Kind kind, std::string_view text) {
  if (text.empty()) return;
  const bool of_call = kind == AnswerEvent::Kind::kCall || kind == AnswerEvent::Kind::kArguments;
  const int call = of_call ? calls_ - 1 : 0;
  if (events_.empty() || events_.back().kind != kind || events_.back().call != call) {
    events_.push_back({.kind = kind, .text = {}, .call = call});
  }
  events_.back().text += text;
}

void ToolReader::Take(char c) {
  if (state_ == State::kStart) {
    state_ = format_->marker().empty() && c == '{' ? State::kHead : State::kText;
  }
  switch (state_) {
    case State::kStart:
    case State::kText: return TakeText(c);
    case State::kHead: return TakeHead(c);
    case State::kArguments: return TakeArguments(c);
    case State::kTail: return TakeTail(c);
  }
}

// White space goes with what comes behind it: before a marker it is no text.
void ToolReader::TakeText(char c) {
  held_ += c;
  const std::string_view marker = format_->marker();
  while (true) {
    const std::string_view held = held_;
    const std::size_t space = std::min(held.find_first_not_of(kSpace), held.size());
    const std::string_view rest = held.substr(space);
    if (!marker.empty() && rest == marker) {
      held_.clear();
      state_ = State::kHead;
      return;
    }
    if (rest.empty() || marker.starts_with(rest)) return;
    Tell(AnswerEvent::Kind::kText, held.substr(0, space + 1));
    held_.erase(0, space + 1);
  }
}

// The name in what stands before the brace of the arguments; empty: these do not begin here.
std::string ToolReader::NameBeforeArguments() const {
  std::string_view head = held_;
  head.remove_suffix(1);
  if (!format_->begin.empty() && !server::Take(head, format_->open)) return {};
  if (format_->middle.empty()) return std::string(NameInObject(head, format_->arguments));
  if (!head.ends_with(format_->middle)) return {};
  head.remove_suffix(format_->middle.size());
  server::Take(head, "");
  return std::string(head);
}

void ToolReader::TakeHead(char c) {
  if (held_.empty()) {
    if (IsSpace(c) || (format_->list && (c == '[' || c == ','))) return;
    if (format_->list && c == ']') {
      state_ = State::kText;
      return;
    }
  }
  held_ += c;
  if (held_ == format_->end) {
    held_.clear();
    state_ = State::kText;
    return;
  }
  if (c == '{') {
    const std::string name = NameBeforeArguments();
    if (!name.empty()) {
      ++calls_;
      Tell(AnswerEvent::Kind::kCall, name);
      held_.clear();
      state_ = State::kArguments;
      depth_ = 0;
      in_string_ = escaped_ = false;
      return TakeArguments(c);
    }
  }
  if (held_.size() < kMostHeadBytes) return;
  Tell(AnswerEvent::Kind::kText, std::exchange(held_, {}));  // no call after all
  state_ = State::kText;
}

void ToolReader::TakeArguments(char c) {
  Tell(AnswerEvent::Kind::kArguments, std::string_view(&c, 1));
  if (in_string_) {
    if (!std::exchange(escaped_, c == '\\' && !escaped_) && c == '"') in_string_ = false;
    return;
  }
  if (c == '"') in_string_ = true;
  if (c == '{' || c == '[') ++depth_;
  if (c == '}' || c == ']') --depth_;
  if (depth_ > 0) return;
  if (format_->middle.empty() || !format_->close.empty()) {
    state_ = State::kTail;
  } else {
    EndCall();
  }
}

// The call's own brace, and the marker behind it.
void ToolReader::TakeTail(char c) {
  held_ += c;
  if (format_->close.empty() ? c == '}' : held_.ends_with(format_->close)) EndCall();
}

void ToolReader::EndCall() {
  held_.clear();
  state_ = format_->begin.empty() ? State::kText : State::kHead;
}

// Behind a call only the beginning of another can have been held back.
std::vector<AnswerEvent> ToolReader::Finish() {
  if (state_ == State::kText && calls_ == 0) Tell(AnswerEvent::Kind::kText, held_);
  held_.clear();
  return std::exchange(events_, {});
}

}  // namespace cairn::server
