// SPDX-License-Identifier: Apache-2.0
#include "apps/conversation.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "apps/json.h"

namespace cairn::apps {
namespace {

const boost::json::string* TextMember(const boost::json::value& value, std::string_view key) {
  const boost::json::object* object = value.if_object();
  if (object == nullptr) return nullptr;
  const boost::json::value* member = object->if_contains(key);
  return member == nullptr ? nullptr : member->if_string();
}

const boost::json::array* MessagesOf(const boost::json::value& value) {
  if (const auto* array = value.if_array()) return array;
  const auto* object = value.if_object();
  if (object == nullptr) return nullptr;
  const auto* member = object->if_contains("messages");
  return member == nullptr ? nullptr : member->if_array();
}

}  // namespace

void Conversation::Add(std::string role, std::string content) {
  turns_.push_back({std::move(role), std::move(content)});
}

std::vector<Message> Conversation::messages() const {
  std::vector<Message> all;
  if (!system_.empty()) all.push_back({"system", system_});
  all.insert(all.end(), turns_.begin(), turns_.end());
  return all;
}

std::string Conversation::TakeLastQuestion() {
  for (std::size_t i = turns_.size(); i-- > 0;) {
    if (turns_[i].role != "user") continue;
    std::string question = std::move(turns_[i].content);
    turns_.resize(i);
    return question;
  }
  return {};
}

std::string Conversation::ToJsonText() const {
  std::string text = "[";
  for (const Message& message : messages()) {
    text += text.size() == 1 ? "\n  " : ",\n  ";
    text += ToJson(boost::json::object{{"role", message.role}, {"content", message.content}});
  }
  return text + "\n]\n";
}

Result<Conversation> Conversation::FromJsonText(std::string_view text) {
  boost::system::error_code error;
  const boost::json::value value =
      boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  if (error) return Fail(ErrorCode::kCorrupt, fmt::format("it is no JSON: {}", error.message()));
  const boost::json::array* array = MessagesOf(value);
  if (array == nullptr) {
    return Fail(ErrorCode::kCorrupt, "expected a JSON array of messages with 'role' and 'content'");
  }
  Conversation conversation;
  for (std::size_t i = 0; i < array->size(); ++i) {
    const auto* role = TextMember((*array)[i], "role");
    const auto* content = TextMember((*array)[i], "content");
    if (role == nullptr || content == nullptr) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("message {} lacks a text 'role' or 'content'", i + 1));
    }
    if (*role == "system" && i == 0) {
      conversation.SetSystem(std::string(*content));
    } else if (*role == "user" || *role == "assistant") {
      conversation.Add(std::string(*role), std::string(*content));
    } else {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("message {} has the role '{}', expected user, assistant or a first "
                              "system",
                              i + 1, std::string_view(*role)));
    }
  }
  return conversation;
}

}  // namespace cairn::apps
