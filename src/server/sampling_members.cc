// SPDX-License-Identifier: Apache-2.0
#include "server/sampling_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <charconv>
#include <limits>
#include <map>
#include <optional>

#include "base/printable.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

Result<void> ReadSeed(const Members& members, std::uint64_t& seed) {
  const json::value* value = members.Find("seed");
  if (value == nullptr) return {};
  const auto whole = WholeOf(*value);
  if (!whole && !value->is_uint64()) return members.Wrong("seed", "a whole number", *value);
  seed = whole ? static_cast<std::uint64_t>(*whole) : value->get_uint64();
  return {};
}

Result<std::string> ReadStop(const json::value& value, const std::string& place) {
  const auto* text = value.if_string();
  if (text == nullptr || text->empty() || text->size() > kMostStopBytes) {
    return FailAt(ErrorCode::kInvalidArgument, place,
                  fmt::format("must be a string of 1 to {} bytes", kMostStopBytes));
  }
  return std::string(text->data(), text->size());
}

// The id of a token and what is added to its logit; false: it never comes.
Result<engine::TokenBias> ReadBias(const std::optional<std::int64_t>& id, const json::value& bias,
                                   const std::string& place) {
  if (!id || *id < 0 || *id > std::numeric_limits<std::int32_t>::max()) {
    return FailAt(ErrorCode::kInvalidArgument, place, "must name a token by its id");
  }
  const auto token = static_cast<std::int32_t>(*id);
  if (bias == json::value(false)) return engine::TokenBias{token, -engine::kBan};
  const json::object entry{{"bias", bias}};
  float number = 0;
  const auto read = Members(entry, place + ".").Read("bias", -100, 100, false, number);
  if (!read || bias.is_null()) {
    return FailAt(ErrorCode::kInvalidArgument, place, "must be a number from -100 to 100");
  }
  return engine::TokenBias{token, number};
}

std::optional<std::int64_t> IdOf(std::string_view text) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

}  // namespace

Result<void> ReadLimit(const Members& members, const char* name, std::int64_t& tokens) {
  std::int64_t given = tokens;
  OR_RETURN(members.Read(name, -1, kMostAnswerTokens, given));
  if (given == 0) {
    return FailAt(ErrorCode::kInvalidArgument, name,
                  "must be at least 1, or -1 for an answer without limit");
  }
  tokens = given;
  return {};
}

Result<void> ReadSampling(const Members& members, engine::SamplingOptions& s) {
  OR_RETURN(members.Read("temperature", 0, 100, false, s.temperature));
  // 0 is in the API's range: the likeliest token alone.
  OR_RETURN(members.Read("top_p", 0, 1, false, s.top_p));
  if (s.top_p == 0) s.top_p = std::numeric_limits<float>::min();
  OR_RETURN(members.Read("min_p", 0, 1, false, s.min_p));
  std::int64_t top_k = s.top_k, window = s.repeat_window;
  OR_RETURN(members.Read("top_k", -1, 1 << 30, top_k));  // -1: off, to other servers
  s.top_k = static_cast<int>(std::max<std::int64_t>(top_k, 0));
  OR_RETURN(members.Read("repeat_last_n", 0, 1 << 20, window));
  s.repeat_window = static_cast<int>(window);
  for (const char* name : {"repeat_penalty", "repetition_penalty"}) {
    OR_RETURN(members.Read(name, 0, 10, true, s.repeat_penalty));
  }
  OR_RETURN(members.Read("presence_penalty", -10, 10, false, s.presence_penalty));
  OR_RETURN(members.Read("frequency_penalty", -10, 10, false, s.frequency_penalty));
  return ReadSeed(members, s.seed);
}

Result<void> ReadStops(const Members& members, const std::string& name,
                       std::vector<std::string>& stops) {
  const json::value* given = members.Find(name);
  if (given == nullptr) return {};
  const auto* list = given->if_array();
  if (list == nullptr) {
    stops.push_back(OR_RETURN(ReadStop(*given, name)));
    return {};
  }
  if (list->size() > kMostStops) {
    return FailAt(ErrorCode::kLimit, name,
                  fmt::format("has {} entries, at most {} are taken", list->size(), kMostStops));
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    stops.push_back(OR_RETURN(ReadStop((*list)[i], fmt::format("{}[{}]", name, i))));
  }
  return {};
}

// {"5": -1} as OpenAI has it, [[5, -1], [6, false]] as llama-server has it.
Result<void> ReadBiases(const Members& members, std::vector<engine::TokenBias>& biases) {
  const json::value* given = members.Find("logit_bias");
  if (given == nullptr) return {};
  const auto* object = given->if_object();
  const auto* list = given->if_array();
  if (object == nullptr && list == nullptr) return members.Wrong("logit_bias", "an object", *given);
  const std::size_t size = object != nullptr ? object->size() : list->size();
  if (size > engine::kMostBiases) {
    return FailAt(ErrorCode::kLimit, "logit_bias",
                  fmt::format("has {} entries, at most {} are taken", size, engine::kMostBiases));
  }
  std::map<std::int32_t, float> by_token;  // one that is named twice counts once
  for (std::size_t i = 0; list != nullptr && i < size; ++i) {
    const std::string place = fmt::format("logit_bias[{}]", i);
    const auto* pair = (*list)[i].if_array();
    if (pair == nullptr || pair->size() != 2) {
      return FailAt(ErrorCode::kInvalidArgument, place, "must be [token, bias]");
    }
    const auto bias = OR_RETURN(ReadBias(WholeOf((*pair)[0]), (*pair)[1], place));
    by_token[bias.token] = bias.bias;
  }
  if (object != nullptr) {
    for (const auto& [key, value] : *object) {
      const std::string_view name(key.data(), key.size());
      const std::string place = fmt::format("logit_bias.{}", Printable(name, 20));
      const auto bias = OR_RETURN(ReadBias(IdOf(name), value, place));
      by_token[bias.token] = bias.bias;
    }
  }
  for (const auto& [token, bias] : by_token) biases.push_back({token, bias});
  return {};
}

}  // namespace cairn::server
