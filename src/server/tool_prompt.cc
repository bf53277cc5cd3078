// SPDX-License-Identifier: Apache-2.0
#include "server/tool_prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <utility>

#include "server/answer_reader.h"

namespace cairn::server {
namespace {

namespace json = boost::json;
using grammar::ToolFormat;

constexpr std::size_t kIdBytes = 9;  // of a call's id, where a template counts them

std::string_view ViewOf(const json::string& text) { return {text.data(), text.size()}; }
std::string TextOf(const json::value& value) { return json::serialize(value); }

bool Has(const json::object& message, std::string_view role) {
  return ViewOf(message.at("role").get_string()) == role;
}

void Append(json::value& content, std::string_view text) {
  json::string& before = content.get_string();
  if (!before.empty()) before += "\n";
  before += json::string_view(text.data(), text.size());
}

// --- what is told in words of ours --------------------------------------------------------------

std::string CallText(std::string_view name, std::string_view arguments,
                     const ToolFormat& format = grammar::GenericToolFormat()) {
  std::string call = fmt::format("{}{}{}", name, format.middle, arguments);
  if (format.middle.empty()) {
    call = fmt::format(R"({{"name": "{}", "{}": {}}})", name, format.arguments, arguments);
    if (!format.open.empty()) call = "\n" + call + "\n";
  }
  if (format.list) call = "[" + call + "]";
  return fmt::format("{}{}{}{}{}", format.begin, format.open, call, format.close, format.end);
}

std::string Introduction(const ToolUse& use, const ToolTemplate& how) {
  std::string text = fmt::format(
      "You can call tools. A call is written as\n{}\n{}{}\nThe tools:",
      CallText("NAME", "{...}", *how.format),
      how.writes_calls ? "" : "and its result comes back in <tool_response>. ",
      use.choice == ToolChoice::kRequired ? "Answer with a call."
                                          : "Call a tool only where the question needs it.");
  for (const json::value& tool : use.tools.get_array()) {
    const json::object& function = tool.at("function").get_object();
    json::object shown{{"name", function.at("name")}};
    for (const char* name : {"description", "parameters"}) {
      if (const auto* value = function.if_contains(name)) shown[name] = *value;
    }
    text += "\n" + TextOf(shown);
  }
  return text;
}

void Introduce(json::array& messages, const ToolUse& use, const ToolTemplate& how) {
  const std::string text = Introduction(use, how);
  if (how.takes_system) {
    if (!messages.empty() && Has(messages.front().get_object(), "system")) {
      return Append(messages.front().get_object().at("content"), text);
    }
    messages.insert(messages.begin(), json::object{{"role", "system"}, {"content", text}});
    return;
  }
  for (json::value& message : messages) {
    if (!Has(message.get_object(), "user")) continue;
    json::value& content = message.get_object().at("content");
    content = fmt::format("{}\n\n{}", text, ViewOf(content.get_string()));
    return;
  }
  messages.insert(messages.begin(), json::object{{"role", "user"}, {"content", text}});
}

// Calls become text of the assistant, results text of the user: those that follow one another and
// what the user says then are one message, as templates want roles to alternate.
json::array AsPlainMessages(json::array messages) {
  json::array out;
  bool after_result = false;
  for (json::value& value : messages) {
    json::object& message = value.get_object();
    const bool result = Has(message, "tool");
    if (result) {
      message = {{"role", "user"},
                 {"content", fmt::format("<tool_response>\n{}\n</tool_response>",
                                         ViewOf(message.at("content").get_string()))}};
    }
    if (after_result && Has(message, "user")) {
      Append(out.back().get_object().at("content"), ViewOf(message.at("content").get_string()));
      continue;
    }
    after_result = result;
    if (const auto* calls = message.if_contains("tool_calls")) {
      for (const json::value& call : calls->get_array()) {
        const json::object& function = call.at("function").get_object();
        Append(message.at("content"), CallText(ViewOf(function.at("name").get_string()),
                                               TextOf(function.at("arguments"))));
      }
      message.erase("tool_calls");
    }
    out.push_back(std::move(value));
  }
  return out;
}

// --- what the template writes -------------------------------------------------------------------

// Every call has an id and every result that of its call and the tool's name: what a client left
// out is found by their order. Ids that a template would refuse are replaced.
void CompleteCalls(json::array& messages, const ToolFormat& format) {
  const bool short_ids = format.name.starts_with("mistral");
  std::map<std::string, std::string, std::less<>> ids;  // of calls, as given and as they are now
  struct Waiting {
    std::string id;
    json::string name;
  };
  std::vector<Waiting> waiting;  // calls without a result
  int made = 0;
  for (json::value& value : messages) {
    json::object& message = value.get_object();
    if (auto* calls = message.if_contains("tool_calls")) {
      for (json::value& call : calls->get_array()) {
        json::object& object = call.get_object();
        const auto* given = object.if_contains("id");
        std::string id(given == nullptr ? std::string_view() : ViewOf(given->get_string()));
        const std::string before = id;
        if (id.empty() || (short_ids && id.size() != kIdBytes)) id = ToolCallId(before, 0, made);
        ++made;
        if (!before.empty()) ids[before] = id;
        object["id"] = id;
        waiting.push_back({.id = id, .name = object.at("function").at("name").get_string()});
      }
    }
    if (!Has(message, "tool") || waiting.empty()) continue;
    auto which = waiting.begin();
    if (const auto* given = message.if_contains("tool_call_id")) {
      const auto known = ids.find(ViewOf(given->get_string()));
      which = known == ids.end() ? waiting.end()
                                 : std::ranges::find(waiting, known->second, &Waiting::id);
    } else if (const auto* name = message.if_contains("name")) {
      which = std::ranges::find(waiting, name->get_string(), &Waiting::name);
    }
    if (which == waiting.end()) continue;
    message["tool_call_id"] = which->id;
    if (!message.contains("name")) message["name"] = which->name;
    waiting.erase(which);
  }
}

void WriteCalls(json::array& messages, const ToolTemplate& how) {
  for (json::value& value : messages) {
    json::object& message = value.get_object();
    auto* calls = message.if_contains("tool_calls");
    if (calls == nullptr) continue;
    if (how.null_content && message.at("content").get_string().empty()) {
      message["content"] = nullptr;
    }
    for (json::value& call : calls->get_array()) {
      json::value& arguments = call.at("function").at("arguments");
      if (how.text_arguments && !arguments.is_string()) arguments = TextOf(arguments);
    }
  }
}

// --- finding out --------------------------------------------------------------------------------

constexpr const char* kProbe = "cairn_probe";
constexpr const char* kProbeWord = "cairn probes";

json::object UserMessage() { return {{"role", "user"}, {"content", "x"}}; }

// Whether `answer` is a call of the probe, as this format reads it.
bool IsProbeCall(const ToolFormat& format, std::string_view answer) {
  const ReadAnswer read = ReadWhole({.tools = &format}, answer);
  if (read.calls.size() != 1 || read.calls[0].name != kProbe) return false;
  const auto arguments = ArgumentsOf(read.calls[0]);
  return arguments && *arguments == json::object{{"word", kProbeWord}};
}

std::string Rendered(const model::ChatPrompt& chat, const json::array& messages,
                     const json::value* tools = nullptr) {
  const auto rendered = chat.Render(json::value(messages), tools);
  return rendered ? rendered->Text() : std::string();
}

// The format in which the template writes the probe; null: in none.
const ToolFormat* FormatOfCalls(const model::ChatPrompt& chat, const ToolTemplate& how) {
  json::array messages{UserMessage()};
  const std::string before = Rendered(chat, messages);
  const json::object function{{"name", kProbe}, {"arguments", json::object{{"word", kProbeWord}}}};
  messages.push_back({{"role", "assistant"},
                      {"content", ""},
                      {"tool_calls", json::array{json::object{{"id", std::string(kIdBytes, '0')},
                                                              {"type", "function"},
                                                              {"function", function}}}}});
  WriteCalls(messages, how);
  const std::string after = Rendered(chat, messages);
  // Both begin alike, up to where the answer stands.
  const auto differ = std::ranges::mismatch(before, after).in2;
  const std::string_view answer(differ, after.end());
  for (const ToolFormat& format : grammar::ToolFormats()) {
    if (IsProbeCall(format, answer)) return &format;
  }
  return nullptr;
}

bool ShowsTools(const model::ChatPrompt& chat) {
  const json::object parameters{
      {"type", "object"}, {"properties", json::object{{"word", json::object{{"type", "string"}}}}}};
  const json::value tools = json::array{json::object{
      {"type", "function"},
      {"function",
       json::object{{"name", kProbe}, {"description", kProbeWord}, {"parameters", parameters}}}}};
  return Rendered(chat, {UserMessage()}, &tools).find(kProbe) != std::string::npos;
}

}  // namespace

ToolTemplate ToolTemplateOf(const model::ChatPrompt& chat) {
  ToolTemplate how;
  const json::array with_system{json::object{{"role", "system"}, {"content", kProbeWord}},
                                UserMessage()};
  how.takes_system = Rendered(chat, with_system).find(kProbeWord) != std::string::npos;
  for (const bool null_content : {false, true}) {
    for (const bool text_arguments : {false, true}) {
      if (how.writes_calls) continue;
      ToolTemplate tried = how;
      tried.null_content = null_content;
      tried.text_arguments = text_arguments;
      const ToolFormat* format = FormatOfCalls(chat, tried);
      if (format == nullptr) continue;
      how = tried;
      how.format = format;
      how.writes_calls = true;
    }
  }
  how.shows_tools = how.writes_calls && ShowsTools(chat);
  return how;
}

ToolConversation WriteTools(json::value messages, const ToolUse& use, const ToolTemplate& how) {
  json::array list = std::move(messages.get_array());
  if (how.writes_calls) {
    CompleteCalls(list, *how.format);
    WriteCalls(list, how);
  } else {
    list = AsPlainMessages(std::move(list));
  }
  const bool by_template = use.shown() && how.shows_tools;
  if (use.shown() && !by_template) Introduce(list, use, how);
  return {.messages = std::move(list), .tools = by_template ? use.tools : json::value()};
}

}  // namespace cairn::server
