// SPDX-License-Identifier: Apache-2.0
#include "server/json_members.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <limits>
#include <new>

namespace cairn::server {
namespace {

// Numbers are told, other values only by their kind: they may be long.
std::string Got(const boost::json::value& value) {
  if (const double* number = value.if_double()) return fmt::format("{}", *number);
  if (value.is_number()) return boost::json::serialize(value);
  return std::string(KindOf(value));
}

std::optional<double> NumberOf(const boost::json::value& value) {
  if (const double* number = value.if_double()) return *number;
  if (const auto* number = value.if_int64()) return static_cast<double>(*number);
  if (const auto* number = value.if_uint64()) return static_cast<double>(*number);
  return std::nullopt;
}

}  // namespace

Result<boost::json::value> ParseJson(std::string_view text, std::size_t most) {
  if (text.size() > most) {
    return Fail(ErrorCode::kLimit,
                fmt::format("it has {} bytes, at most {} are taken", text.size(), most));
  }
  boost::json::parse_options options;
  options.max_depth = kMostJsonDepth;
  boost::system::error_code error;
  try {
    auto value =
        boost::json::parse(boost::json::string_view(text.data(), text.size()), error, {}, options);
    if (!error) return value;
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kOutOfMemory, "no memory to read the JSON");
  }
  return Fail(ErrorCode::kInvalidArgument, fmt::format("it is no JSON: {}", error.message()));
}

std::string_view KindOf(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return "null";
    case boost::json::kind::bool_: return "a boolean";
    case boost::json::kind::string: return "a string";
    case boost::json::kind::array: return "an array";
    case boost::json::kind::object: return "an object";
    default: return "a number";
  }
}

std::optional<std::int64_t> WholeOf(const boost::json::value& value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53: whole doubles up to here are exact
  if (const auto* number = value.if_int64()) return *number;
  const double* number = value.if_double();
  if (number == nullptr || std::abs(*number) > kExact || std::trunc(*number) != *number) {
    return std::nullopt;  // an unsigned number that reaches here is past the signed ones
  }
  return static_cast<std::int64_t>(*number);
}

Result<const boost::json::object*> BodyObject(const boost::json::value& body) {
  if (const auto* object = body.if_object()) return object;
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("the body must be an object, got {}", KindOf(body)));
}

std::unexpected<Error> FailAt(ErrorCode code, const std::string& place, std::string_view what) {
  return Fail(code, fmt::format("{} {}", place, what), place);
}

const boost::json::value* Members::Find(std::string_view name) const {
  const auto* value = object_.if_contains(boost::json::string_view(name.data(), name.size()));
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::unexpected<Error> Members::Wrong(std::string_view name, std::string_view what,
                                      const boost::json::value& value) const {
  return FailAt(ErrorCode::kInvalidArgument, fmt::format("{}{}", place_, name),
                fmt::format("must be {}, got {}", what, Got(value)));
}

Result<void> Members::Read(std::string_view name, bool& out) const {
  const auto* value = Find(name);
  if (value == nullptr) return {};
  if (!value->is_bool()) return Wrong(name, "true or false", *value);
  out = value->get_bool();
  return {};
}

Result<void> Members::Read(std::string_view name, std::size_t most, std::string& out) const {
  const auto* value = Find(name);
  if (value == nullptr) return {};
  const auto* text = value->if_string();
  if (text == nullptr) return Wrong(name, "a string", *value);
  if (text->size() > most) {
    return FailAt(ErrorCode::kInvalidArgument, fmt::format("{}{}", place_, name),
                  fmt::format("must have at most {} bytes, got {}", most, text->size()));
  }
  out.assign(text->data(), text->size());
  return {};
}

Result<void> Members::Read(std::string_view name, std::int64_t least, std::int64_t most,
                           std::int64_t& out) const {
  const auto* value = Find(name);
  if (value == nullptr) return {};
  const auto whole = WholeOf(*value);
  if (!whole || *whole < least || *whole > most) {
    return Wrong(name, fmt::format("a whole number from {} to {}", least, most), *value);
  }
  out = *whole;
  return {};
}

Result<void> Members::Read(std::string_view name, double least, double most, bool positive,
                           float& out) const {
  const auto* value = Find(name);
  if (value == nullptr) return {};
  // Compared as the float that is used: a number may be above 0 and its float not.
  const auto number =
      static_cast<float>(NumberOf(*value).value_or(std::numeric_limits<double>::quiet_NaN()));
  if (!(number >= least && number <= most) || (positive && number == 0)) {
    return Wrong(name,
                 positive ? fmt::format("a number above 0 and up to {}", most)
                          : fmt::format("a number from {} to {}", least, most),
                 *value);
  }
  out = number;
  return {};
}

}  // namespace cairn::server
