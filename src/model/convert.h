// SPDX-License-Identifier: Apache-2.0
// A folder of Hugging Face's libraries (folder.h) becomes a GGUF file.
//
// The same folder gives the same bytes.
// Threads: free functions without shared state. Cost: a pass over the weights.
#pragma once

#include <string>

#include "base/error.h"
#include "model/folder.h"
#include "model/gguf_output.h"

namespace cairn::model {

// Errors: as OpenFolder, BuildProgram and ReadVocabulary (a pre-tokenizer that is not known); those
// of `sink`.
[[nodiscard]] Result<void> ConvertFolder(const std::string& folder, const FolderOptions& options,
                                         const ByteSink& sink);

// Names of 'model_type' in config.json that can be converted, separated by commas.
std::string ConvertibleTypes();

}  // namespace cairn::model
