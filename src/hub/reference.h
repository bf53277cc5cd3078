// SPDX-License-Identifier: Apache-2.0
// How a model of a hub is named, and which of a repository's files is meant.
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::hub {

inline constexpr std::string_view kScheme = "hf:";

// "hf:OWNER/REPO[@REVISION][:FILE]"
struct Reference {
  std::string repository;         // "OWNER/REPO"
  std::string revision = "main";  // a branch, a tag or a commit
  std::string file;               // a path, a file's name, or what tells it apart ("Q4_K_M")

  std::string Text() const;  // as it was written
};

// Errors: kInvalidArgument, with the form that was expected.
[[nodiscard]] Result<Reference> ParseReference(std::string_view text);

struct RemoteFile {
  std::string path;  // in the repository
  std::uint64_t bytes = 0;
  std::string sha256;  // lower-case hexadecimal; empty: the hub does not say
};

struct Repository {
  std::string commit;  // that the revision stands for
  std::vector<RemoteFile> files;
};

// What the hub's API says of a repository (models/OWNER/REPO/revision/REVISION?blobs=true). Errors:
// kCorrupt.
[[nodiscard]] Result<Repository> ReadRepository(std::string_view json);

// The GGUF file that is meant, or all parts of one that is split, in their order. Without a name:
// the only one, else the one of Q4_K_M. Errors: kNotFound, kInvalidArgument (several fit), both
// naming the files that there are; kCorrupt (a part is missing).
[[nodiscard]] Result<std::vector<RemoteFile>> ChooseFiles(const Repository& repository,
                                                          const Reference& reference);

}  // namespace cairn::hub
