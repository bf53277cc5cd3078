// SPDX-License-Identifier: Apache-2.0
// A body of multipart/form-data (RFC 7578), as uploads of files come.
// Threads: pure functions. Cost: linear in the body; parts are views of it.
// Test: multipart_test.cc, tests/fuzz/openai_fuzz.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::server {

struct FormPart {
  std::string name;      // of the field
  std::string filename;  // empty: none
  std::string_view content;
};

inline constexpr std::size_t kMostFormParts = 64;

// `type` is the request's Content-Type. Errors: kInvalidArgument; kLimit (more than
// kMostFormParts).
[[nodiscard]] Result<std::vector<FormPart>> ParseMultipart(std::string_view type,
                                                           std::string_view body);

}  // namespace cairn::server
