// SPDX-License-Identifier: Apache-2.0
// A folder of Hugging Face's libraries (checkpoint.h) read as if it were a GGUF file: the same
// names, keys and tokens that llama.cpp's converter would write, so that everything that takes a
// model takes a folder.
//
// Matrices stay where they lie and keep their type: experts that the folder has one by one, halves
// of one tensor, and rows of queries and keys in another order are found in place
// (TensorPlaces of gguf.h). Vectors and routers become f32 in memory.
// Threads: free functions without shared state. Cost: reading config.json and tokenizer.json (a
// tenth of a second for a vocabulary of 150,000); no pass over the weights.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "model/gguf_file.h"

namespace cairn::model {

struct FolderOptions {
  std::string name;  // what the model calls itself; empty: the folder's name
  std::string pre;   // pre-tokenizer in place of the one that tokenizer.json describes
};

// `path` is a folder with a config.json, or else a GGUF file (any of its parts). Errors: as
// GgufFile::Open and OpenFolder; kInvalidArgument for another folder.
[[nodiscard]] Result<GgufFile> OpenModelFile(const std::string& path);

// Errors: as Checkpoint::Open; kUnsupported, naming what of the model is not known; kCorrupt where
// its parts contradict each other; all within the folder's path. A pre-tokenizer that is not known
// is no error here but in ReadVocabulary, which may be told another.
[[nodiscard]] Result<GgufFile> OpenFolder(const std::string& folder,
                                          const FolderOptions& options = {});

}  // namespace cairn::model
