// SPDX-License-Identifier: Apache-2.0
// The values of the keyword `format` that are taken, as regular expressions.
// Threads: pure function.
#pragma once

#include <optional>
#include <string_view>

namespace cairn::grammar {

std::optional<std::string_view> PatternOfFormat(std::string_view format);

}  // namespace cairn::grammar
