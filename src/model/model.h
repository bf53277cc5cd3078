// SPDX-License-Identifier: Apache-2.0
// A model ready to run: its program, its packed weights, its tokenizer and its chat template.
//
// Loading maps the file (or the files of a folder of safetensors, folder.h), checks everything in
// it, repacks the weights slice by slice and gives the file's pages back as it goes; afterwards the
// file is needed only for the vocabulary's text.
// Threads: immutable after Load; shared by engines and any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "model/architectures.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "model/weights.h"
#include "program/program.h"

namespace cairn::model {

struct LoadOptions {
  int threads = 0;  // workers for the repacking, at most 256; 0: the cores this process may use
  std::string pre;  // pre-tokenizer in place of the file's; empty: the file's
  ProgramUse use;   // text, or embeddings
};

class Model {
 public:
  // Errors, each naming the path: as OpenModelFile, BuildProgram, ReadVocabulary,
  // Tokenizer::Create and Weights::Load; kCorrupt where these parts contradict each other.
  // Cost: a pass over the file; at most 1.3 times its size in memory on the way.
  [[nodiscard]] static Result<std::shared_ptr<const Model>> Load(const std::string& path,
                                                                 const LoadOptions& options);
  ~Model();

  const std::string& path() const;
  const std::string& architecture() const;
  std::int64_t context_length() const;  // tokens the model was trained for
  std::int64_t parameters() const;      // values of all tensors in the file
  std::size_t file_bytes() const;
  const Gguf& gguf() const;
  const program::Program& program() const;
  const Weights& weights() const;
  const Tokenizer& tokenizer() const;
  // The template in the file; absent for base models.
  const std::optional<std::string>& chat_template() const;

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::model
