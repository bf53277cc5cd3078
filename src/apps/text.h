// SPDX-License-Identifier: Apache-2.0
// Text that comes in (standard input, files) and numbers that go out.
// Threads: free functions without shared state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::apps {

inline constexpr std::size_t kMostTextBytes = std::size_t{1} << 30;  // of a prompt or a file

// Everything up to the end. Errors: kIo, kLimit (kMostTextBytes).
[[nodiscard]] Result<std::string> ReadStandardInput();
[[nodiscard]] Result<std::string> ReadTextFile(const std::string& path);
// A chat template: kCorrupt where the file is not UTF-8.
[[nodiscard]] Result<std::string> ReadTemplateFile(const std::string& path);
// The text that an argument stands for: "@FILE" is the file, "-" standard input, else itself.
[[nodiscard]] Result<std::string> ReadArgument(const std::string& argument);

// Without blanks and line breaks at both ends.
std::string_view Trim(std::string_view text);

// "98.4 MB": powers of 1000, three digits.
std::string HumanBytes(std::uint64_t bytes);
// "135 M", "1.24 B": how models are named.
std::string HumanCount(std::uint64_t count);

}  // namespace cairn::apps
