// SPDX-License-Identifier: Apache-2.0
// Names for something new.
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace cairn::server {

// `prefix` and 24 hexadecimal digits that nobody can guess.
std::string NewId(std::string_view prefix);

}  // namespace cairn::server
