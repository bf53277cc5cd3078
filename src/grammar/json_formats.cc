// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_formats.h"

#include <array>

namespace cairn::grammar {
namespace {

struct Format {
  std::string_view name, pattern;
};

// Each takes a part of what its format allows: February has 28 days, minutes have 60 seconds.
#define CAIRN_DATE                                                   \
  "[1-9][0-9]{3}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1" \
  "[0-2])-(29|30)|(0[13578]|1[02])-31)"
#define CAIRN_TIME \
  "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define CAIRN_OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define CAIRN_HOST "[A-Za-z0-9]([A-Za-z0-9-]{0,40}[A-Za-z0-9])?"

constexpr std::array<Format, 8> kFormats{{
    {"date", "^" CAIRN_DATE "$"},
    {"time", "^" CAIRN_TIME "$"},
    {"date-time", "^" CAIRN_DATE "T" CAIRN_TIME "$"},
    {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    {"ipv4", "^" CAIRN_OCTET "(\\." CAIRN_OCTET "){3}$"},
    {"ipv6", "^([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$"},
    {"hostname", "^" CAIRN_HOST "(\\." CAIRN_HOST "){0,3}$"},
    {"email",
     "^[A-Za-z0-9_]([A-Za-z0-9_+-]{0,30}[A-Za-z0-9_])?@" CAIRN_HOST "(\\." CAIRN_HOST "){1,3}$"},
}};

}  // namespace

std::optional<std::string_view> PatternOfFormat(std::string_view format) {
  for (const Format& known : kFormats) {
    if (known.name == format) return known.pattern;
  }
  return std::nullopt;
}

}  // namespace cairn::grammar
