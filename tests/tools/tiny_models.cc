// SPDX-License-Identifier: Apache-2.0
// Writes the tiny random models of the tests, one of each architecture and format, as files into a
// folder, for scripts/prove-aarch64. Usage: cairn_tiny_models FOLDER
#include "testing/tiny_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: cairn_tiny_models FOLDER\n");
    return 2;
  }
  for (const cairn::testing::TinySpec& spec : cairn::testing::AllTinySpecs()) {
    std::string name = cairn::testing::NameOf(spec);
    std::ranges::replace(name, ' ', '-');
    const std::vector<std::byte> bytes = cairn::testing::MakeTinyModel(spec);
    std::ofstream file(fmt::format("{}/{}.gguf", argv[1], name), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) {
      fmt::print(stderr, "cairn_tiny_models: cannot write {}/{}.gguf\n", argv[1], name);
      return 1;
    }
  }
  return 0;
}
