// SPDX-License-Identifier: Apache-2.0
// A folder as transformers saves one (config.json, tokenizer.json, model.safetensors), made from a
// GGUF file of BERT: so a test knows what a conversion must give back.
// Threads: one thread. Owns: the folder, which goes with it.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "model/gguf.h"
#include "testing/temp_folder.h"

namespace cairn::testing {

class CheckpointFolder {
 public:
  // CAIRN_CHECK that the file is one.
  explicit CheckpointFolder(const std::string& gguf_path);

  // Writes everything and returns the folder's path; tests change the members before.
  const std::string& Write();
  void WriteText(const std::string& name, const std::string& text);

  boost::json::object config, tokenizer, header;
  std::vector<std::byte> data;  // of the tensors

 private:
  void TakeVocabulary(const model::Gguf& gguf);
  void TakeTensors(const model::Gguf& gguf);

  TempFolder temp_;
};

}  // namespace cairn::testing
