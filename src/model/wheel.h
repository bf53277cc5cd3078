// SPDX-License-Identifier: Apache-2.0
// Reads one member of a wheel (a zip file) without trusting it.
// Threads: free functions without shared state.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::model {

// Hands the member's bytes to `sink` in pieces of at most 1 MiB, in order; the sink's Error ends
// it. Errors: kCorrupt (a file that cannot be opened or is no zip file, no such member, damaged,
// more than `most_bytes` unpacked).
[[nodiscard]] Result<void> ReadWheelMember(
    const std::string& wheel, std::string_view member, std::uint64_t most_bytes,
    const std::function<Result<void>(std::span<const std::byte>)>& sink);

}  // namespace cairn::model
