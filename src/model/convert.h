// SPDX-License-Identifier: Apache-2.0
// A folder of Hugging Face's libraries (checkpoint.h) becomes a GGUF file.
//
// The same folder gives the same bytes. Names, keys and the spelling of tokens are those that
// llama.cpp's converter writes. Values keep their type; vectors become f32.
// Threads: free functions without shared state. Cost: a pass over the weights.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "model/gguf_output.h"

namespace cairn::model {

// `name`: what the model calls itself ('general.name'). Errors: as Checkpoint::Open;
// kUnsupported, naming what of the model is not known; those of `sink`.
[[nodiscard]] Result<void> ConvertFolder(const std::string& folder, std::string_view name,
                                         const ByteSink& sink);

// Names of 'model_type' in config.json that can be converted, separated by commas.
std::string ConvertibleTypes();

}  // namespace cairn::model
