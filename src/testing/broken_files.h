// SPDX-License-Identifier: Apache-2.0
// GGUF files that lie, one for each class of lie, with the error that a reader must give. Used by
// model/gguf_test.cc, by tests of whatever opens models, and as seeds for the fuzz target.
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "base/error.h"

namespace cairn::testing {

struct BrokenFile {
  std::string name;  // CamelCase, unique: the class of lie
  std::vector<std::byte> bytes;
  ErrorCode expected;
  std::string mentions;  // part of the message: the field or the value that is wrong
};

// For test output.
inline std::ostream& operator<<(std::ostream& out, const BrokenFile& file) {
  return out << file.name;
}

// About eighty files, each below 2 MB, most below 200 bytes.
std::vector<BrokenFile> BrokenGgufFiles();

// The valid file from which the others differ by one lie each: metadata of a few types, two
// tensors. About 400 bytes.
std::vector<std::byte> SmallValidGguf();

}  // namespace cairn::testing
