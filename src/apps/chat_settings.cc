// SPDX-License-Identifier: Apache-2.0
#include "apps/chat_settings.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "apps/options.h"

namespace cairn::apps {
namespace {

// Parsing cannot fail: the validator has read the text already.
template <typename T>
T Value(const std::string& text) {
  T value{};
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  std::from_chars(begin, text.data() + text.size(), value);
  return value;
}

struct Setting {
  const char* name;
  const char* help;
  CLI::Validator check;
  void (*set)(ChatSettings&, const std::string&);
  std::string (*get)(const ChatSettings&);
};

#define CAIRN_SETTING(name, help, check, type, member)                                           \
  Setting {                                                                                      \
    name, help, check, [](ChatSettings& s, const std::string& v) { s.member = Value<type>(v); }, \
        [](const ChatSettings& s) { return fmt::format("{}", s.member); }                        \
  }

#define CAIRN_SWITCH(name, help, member)                                                      \
  Setting {                                                                                   \
    name, help, OnOff(), [](ChatSettings& s, const std::string& v) { s.member = v == "on"; }, \
        [](const ChatSettings& s) { return std::string(s.member ? "on" : "off"); }            \
  }

CLI::Validator OnOff() {
  return CLI::Validator(
      [](std::string& text) {
        return text == "on" || text == "off" ? std::string()
                                             : fmt::format("expected on or off, got '{}'", text);
      },
      "");
}

std::vector<Setting> Settings() {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  return {
      CAIRN_SETTING("temp", "temperature; 0 takes the likeliest token", Number(0, 100), float,
                    sampling.temperature),
      CAIRN_SETTING("top-k", "only the K likeliest tokens; 0: all", WholeNumber(0, 1 << 30), int,
                    sampling.top_k),
      CAIRN_SETTING("top-p", "only the likeliest that reach this share", NumberAbove(0, 1), float,
                    sampling.top_p),
      CAIRN_SETTING("min-p", "only tokens this likely beside the likeliest", Number(0, 1), float,
                    sampling.min_p),
      CAIRN_SETTING("seed", "another seed, another answer", WholeNumber(0, kMost), std::uint64_t,
                    sampling.seed),
      CAIRN_SETTING("repeat-penalty", "divides what was said already; 1: off", NumberAbove(0, 10),
                    float, sampling.repeat_penalty),
      CAIRN_SETTING("presence-penalty", "subtracted once from what was said", Number(-10, 10),
                    float, sampling.presence_penalty),
      CAIRN_SETTING("frequency-penalty", "subtracted each time it was said", Number(-10, 10), float,
                    sampling.frequency_penalty),
      CAIRN_SETTING("max-tokens", "most tokens of an answer; 0: no limit",
                    WholeNumber(0, kMostContextTokens), std::int64_t, max_tokens),
      CAIRN_SWITCH("stats", "statistics after every answer", stats),
      CAIRN_SWITCH("wrap", "break lines between words", wrap),
  };
}
#undef CAIRN_SETTING
#undef CAIRN_SWITCH

}  // namespace

Result<void> ChatSettings::Set(std::string_view name, const std::string& value) {
  std::string names;
  for (const Setting& setting : Settings()) {
    if (name == setting.name) {
      std::string text = value;
      const std::string problem = setting.check(text);
      if (!problem.empty()) {
        return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", name, problem));
      }
      setting.set(*this, text);
      return {};
    }
    names += fmt::format("{}{}", names.empty() ? "" : ", ", setting.name);
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("there is no setting '{}', only {}", name, names));
}

std::vector<std::string> ChatSettings::Names() {
  std::vector<std::string> names;
  for (const Setting& setting : Settings()) names.emplace_back(setting.name);
  return names;
}

std::string ChatSettings::Describe() const {
  std::string text;
  for (const Setting& setting : Settings()) {
    text += fmt::format("  {:18} {:6} {}\n", setting.name, setting.get(*this), setting.help);
  }
  return text;
}

}  // namespace cairn::apps
