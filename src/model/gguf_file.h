// SPDX-License-Identifier: Apache-2.0
// A GGUF model on disk: one file, or all parts of one that was split ("NAME-00001-of-00003.gguf").
// Threads: immutable after Open. Owns: the mappings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/gguf.h"

namespace cairn::model {

inline constexpr int kMostParts = 10'000;

struct GgufFile {
  MappedFile file;
  Gguf gguf;

  // `path` may be any of the parts. Errors: as MappedFile::Open and Gguf::Parse, naming the path;
  // kNotFound where a part is missing.
  [[nodiscard]] static Result<GgufFile> Open(const std::string& path);
};

// The paths of all parts of which `path` is one, in their order; `path` alone where its name is not
// that of a part.
std::vector<std::string> PartsOf(const std::string& path);
// Whether a file's name is that of a part other than the first.
bool IsLaterPart(std::string_view file);

}  // namespace cairn::model
