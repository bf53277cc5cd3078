// SPDX-License-Identifier: Apache-2.0
// Any bytes as the three files of a folder (config.json, tokenizer.json, model.safetensors, each
// but the last ended by a byte 0xFF, which no JSON has): an Error, or a model whose every tensor
// can be read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "model/architectures.h"
#include "model/folder.h"
#include "model/vocabulary.h"

namespace {

// One for the process: files are written anew for every input.
const std::string& Folder() {
  static const std::string folder = [] {
    std::string made = (std::filesystem::temp_directory_path() / "cairn-fuzz-XXXXXX").string();
    if (mkdtemp(made.data()) == nullptr) std::abort();
    return made;
  }();
  return folder;
}

void Put(const char* name, std::string_view bytes) {
  std::ofstream(Folder() + "/" + name, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string_view Cut(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\xFF'), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

void CheckMessage(const cairn::Error& error) {
  if (error.message.empty() || error.message.size() > 4000) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Put("config.json", Cut(rest));
  Put("tokenizer.json", Cut(rest));
  Put("model.safetensors", rest);
  const auto opened = cairn::model::OpenFolder(Folder());
  if (!opened) {
    CheckMessage(opened.error());
    return 0;
  }
  unsigned sum = 0;
  for (const cairn::model::GgufTensor& tensor : opened->gguf.tensors()) {
    for (std::int64_t row = 0; row < tensor.rows(); ++row) {
      for (const std::byte b : tensor.Row(row)) sum += static_cast<unsigned>(b);
    }
  }
  volatile unsigned keep = sum;
  (void)keep;
  if (const auto program = cairn::model::BuildProgram(opened->gguf); !program) {
    CheckMessage(program.error());
  }
  if (const auto vocabulary = cairn::model::ReadVocabulary(opened->gguf); !vocabulary) {
    CheckMessage(vocabulary.error());
  }
  return 0;
}
