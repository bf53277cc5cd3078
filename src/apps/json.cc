// SPDX-License-Identifier: Apache-2.0
#include "apps/json.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <cmath>

namespace cairn::apps {
namespace {

void Append(const boost::json::value& value, std::string& out) {
  if (const auto* object = value.if_object()) {
    out += '{';
    bool first = true;
    for (const auto& member : *object) {
      if (!first) out += ", ";
      first = false;
      out += boost::json::serialize(member.key());
      out += ": ";
      Append(member.value(), out);
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    for (std::size_t i = 0; i < array->size(); ++i) {
      if (i > 0) out += ", ";
      Append((*array)[i], out);
    }
    out += ']';
  } else if (const double* number = value.if_double()) {
    out += std::isfinite(*number) ? fmt::format("{}", *number) : "null";
  } else {
    out += boost::json::serialize(value);
  }
}

}  // namespace

std::string ToJson(const boost::json::value& value) {
  std::string out;
  Append(value, out);
  return out;
}

}  // namespace cairn::apps
