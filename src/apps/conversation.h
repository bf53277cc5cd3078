// SPDX-License-Identifier: Apache-2.0
// The messages of a chat, and their form on disk: a JSON array of {"role", "content"}, the same
// that `cairn template --messages` reads. Threads: a plain value, one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/prompt.h"
#include "base/error.h"

namespace cairn::apps {

class Conversation {
 public:
  // System instructions; empty: none. They stand first and survive Clear.
  void SetSystem(std::string system) { system_ = std::move(system); }
  const std::string& system() const { return system_; }

  void Add(std::string role, std::string content);
  // Everything that the model is to read, system instructions included.
  std::vector<Message> messages() const;
  bool empty() const { return turns_.empty(); }
  std::size_t turns() const { return turns_.size(); }  // questions and answers
  void Clear() { turns_.clear(); }

  // Takes the last question and what followed it away and returns the question. Empty: none there.
  std::string TakeLastQuestion();

  std::string ToJsonText() const;
  // An array of messages or {"messages": [...]}; roles "system" (first only), "user", "assistant".
  // Errors: kCorrupt, naming the message.
  [[nodiscard]] static Result<Conversation> FromJsonText(std::string_view text);

 private:
  std::string system_;
  std::vector<Message> turns_;
};

}  // namespace cairn::apps
