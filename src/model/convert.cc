// SPDX-License-Identifier: Apache-2.0
#include "model/convert.h"

#include "model/architectures.h"
#include "model/folder.h"
#include "model/folder_kinds.h"
#include "model/vocabulary.h"

namespace cairn::model {

namespace {

// No file is written that nothing here could run.
Result<void> CheckThatItRuns(const Gguf& gguf) {
  OR_RETURN(BuildProgram(gguf));
  OR_RETURN(ReadVocabulary(gguf));
  return {};
}

}  // namespace

std::string ConvertibleTypes() { return FolderTypes(); }

Result<void> ConvertFolder(const std::string& folder, const FolderOptions& options,
                           const ByteSink& sink) {
  const GgufFile from = OR_RETURN(OpenFolder(folder, options));
  if (auto runs = CheckThatItRuns(from.gguf); !runs) {
    return std::unexpected(std::move(runs).error().Within("'" + folder + "'"));
  }
  GgufOutput out;
  for (const auto& [key, value] : from.gguf.metadata()) out.Copy(key, value);
  for (const GgufTensor& tensor : from.gguf.tensors()) {
    out.AddTensor(std::string(tensor.name), tensor.format, tensor.shape,
                  [&from, &tensor](const ByteSink& bytes) -> Result<void> {
                    OR_RETURN(WriteRows(tensor, bytes));
                    if (tensor.places == nullptr) {
                      from.file.Release(tensor.offset, tensor.bytes.size());
                    }
                    return {};
                  });
  }
  return out.Write(sink);
}

}  // namespace cairn::model
