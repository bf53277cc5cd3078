// SPDX-License-Identifier: Apache-2.0
// Models that other programs keep on this machine: found and named, never copied or changed.
// Threads: free functions without shared state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::model {

// Where they are looked for; empty: nowhere.
struct OtherFolders {
  std::string ollama;        // with manifests/ and blobs/
  std::string llama_cpp;     // GGUF files, also in folders below
  std::string hugging_face;  // with models--OWNER--NAME/snapshots/COMMIT/
};

// As those programs find them: OLLAMA_MODELS, LLAMA_CACHE, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME,
// HOME. `variable` is getenv or a test's.
OtherFolders OtherFoldersOf(const char* (*variable)(const char* name));

struct FoundModel {
  // "ollama:NAME:TAG", "llama.cpp:FILE", "hf:OWNER/NAME:FILE", or "hf:OWNER/NAME" for a folder of
  // safetensors of a type that is supported; a MODEL on every command line.
  std::string name;
  std::string path;
  std::uint64_t bytes = 0;
};

// All of them, by name, of split ones the first part. What cannot be read is left out; at most
// 10,000 entries of a folder are looked at.
std::vector<FoundModel> FindModels(const OtherFolders& folders);

// Whether a MODEL names one of another program.
bool IsOthersModel(std::string_view model);
// The one of that name; also "ollama:NAME" for its tag latest, and "hf:OWNER/NAME" where there is
// one file of it and no folder. Errors: kNotFound, kInvalidArgument (several fit), with their
// names.
[[nodiscard]] Result<FoundModel> FindOthersModel(const OtherFolders& folders,
                                                 std::string_view model);

}  // namespace cairn::model
