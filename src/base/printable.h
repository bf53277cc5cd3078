// SPDX-License-Identifier: Apache-2.0
// Text from a file, fit for a message or a terminal.
// Threads: pure function.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cairn {

// The first `most` bytes; every byte that is not printable ASCII becomes '?', so that a file can
// neither steer a terminal nor break a line.
std::string Printable(std::string_view text, std::size_t most = 80);

}  // namespace cairn
