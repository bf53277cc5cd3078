// SPDX-License-Identifier: Apache-2.0
// Names of tensors by the patterns of folder_kinds.h.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/printable.h"
#include "model/folder_kinds.h"

namespace cairn::model {
namespace {

struct Matched {
  std::string_view layer;
  std::optional<std::uint32_t> expert;
  std::string_view rest;  // after a pattern that ends with a dot
};

std::optional<Matched> Match(std::string_view name, std::string_view pattern) {
  Matched matched;
  for (const char c : pattern) {
    if (c != '*' && c != '#') {
      if (!name.starts_with(c)) return std::nullopt;
      name.remove_prefix(1);
      continue;
    }
    constexpr std::size_t kMostDigits = 6;
    const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    if (digits == 0 || digits > kMostDigits) return std::nullopt;
    const std::string_view number = name.substr(0, digits);
    if (c == '*') {
      matched.layer = number;
    } else {
      std::uint32_t expert = 0;
      std::from_chars(number.data(), number.data() + number.size(), expert);
      matched.expert = expert;
    }
    name.remove_prefix(digits);
  }
  if (!name.empty() && !pattern.ends_with('.')) return std::nullopt;
  matched.rest = name;
  return matched;
}

std::string Filled(std::string_view to, const Matched& matched) {
  std::string name(to);
  if (const std::size_t at = name.find('*'); at != std::string::npos) {
    name.replace(at, 1, matched.layer);
  }
  // As the first BERT files called them.
  const std::string_view rest = matched.rest == "gamma"  ? "weight"
                                : matched.rest == "beta" ? "bias"
                                                         : matched.rest;
  return name.ends_with('.') ? name.append(rest) : name;
}

bool IsPart(std::string_view rest) {
  return rest.empty() || rest == "weight" || rest == "bias" || rest == "gamma" || rest == "beta";
}

}  // namespace

Result<PlacedName> PlaceName(const FolderKind& kind, std::string_view name) {
  std::string_view bare = name;
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view prefix : kind.prefixes) {
      if (!bare.starts_with(prefix)) continue;
      bare.remove_prefix(prefix.size());
      again = true;
    }
  }
  for (const std::span<const NamePair> names : {kind.names, kind.more_names}) {
    for (const NamePair& pair : names) {
      const auto matched = Match(bare, pair.from);
      if (!matched) continue;
      if (pair.to.empty()) return PlacedName{};
      if (!IsPart(matched->rest)) continue;
      const std::size_t bar = pair.to.find('|');
      PlacedName placed{.name = Filled(pair.to.substr(0, bar), *matched),
                        .second = {},
                        .expert = matched->expert};
      if (bar != std::string_view::npos) placed.second = Filled(pair.to.substr(bar + 1), *matched);
      return placed;
    }
  }
  return Fail(ErrorCode::kUnsupported,
              fmt::format("tensor '{}' belongs to a feature that is not known", Printable(name)));
}

}  // namespace cairn::model
