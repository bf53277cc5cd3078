// SPDX-License-Identifier: Apache-2.0
#include "server/answer_reader.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "server/json_members.h"
#include "server/openai_request.h"

namespace cairn::server {

AnswerReader::AnswerReader(const AnswerParts& parts) {
  if (parts.reasoning) splitter_.emplace(*parts.reasoning, parts.thinking);
  if (parts.tools != nullptr) tools_.emplace(*parts.tools);
}

void AnswerReader::Tell(const ReasoningSplitter::Parts& parts, std::vector<AnswerEvent>& events) {
  if (!parts.reasoning.empty()) {
    events.push_back({.kind = AnswerEvent::Kind::kThought, .text = parts.reasoning});
  }
  if (parts.content.empty()) return;
  if (!tools_) {
    events.push_back({.kind = AnswerEvent::Kind::kText, .text = parts.content});
    return;
  }
  for (AnswerEvent& event : tools_->Push(parts.content)) events.push_back(std::move(event));
}

std::vector<AnswerEvent> AnswerReader::Push(std::string_view text) {
  std::vector<AnswerEvent> events;
  Tell(splitter_ ? splitter_->Push(text)
                 : ReasoningSplitter::Parts{.reasoning = {}, .content = std::string(text)},
       events);
  return events;
}

std::vector<AnswerEvent> AnswerReader::Finish() {
  std::vector<AnswerEvent> events;
  if (splitter_) Tell(splitter_->Finish(), events);
  if (tools_) {
    for (AnswerEvent& event : tools_->Finish()) events.push_back(std::move(event));
  }
  return events;
}

std::optional<boost::json::object> ArgumentsOf(const ToolCall& call) {
  auto arguments = ParseJson(call.arguments, kMostBodyBytes);
  if (!arguments || !arguments->is_object()) return std::nullopt;
  return std::move(arguments->get_object());
}

ReadAnswer ReadWhole(const AnswerParts& parts, std::string_view text) {
  AnswerReader reader(parts);
  ReadAnswer answer;
  const auto take = [&](const std::vector<AnswerEvent>& events) {
    for (const AnswerEvent& event : events) {
      switch (event.kind) {
        case AnswerEvent::Kind::kThought: answer.reasoning += event.text; break;
        case AnswerEvent::Kind::kText: answer.content += event.text; break;
        case AnswerEvent::Kind::kCall:
          answer.calls.push_back({.name = event.text, .arguments = {}});
          break;
        case AnswerEvent::Kind::kArguments: answer.calls.back().arguments += event.text; break;
      }
    }
  };
  take(reader.Push(text));
  take(reader.Finish());
  return answer;
}

std::string ToolCallId(std::string_view request, int choice, int call) {
  constexpr std::string_view kLetters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  // FNV-1a: ids need to differ, not to be secret.
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : fmt::format("{} {} {}", request, choice, call)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  }
  std::string id;
  for (int i = 0; i < 9; ++i, hash /= kLetters.size()) id += kLetters[hash % kLetters.size()];
  return id;
}

}  // namespace cairn::server
