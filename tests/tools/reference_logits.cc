// SPDX-License-Identifier: Apache-2.0
// reference_logits MODEL.gguf TOKENS.txt LAST OUT.npy [--losses]: the reference executor's logits
// of the last LAST positions, as a NumPy file of f32; with --losses those of the canonical formats
// (ReferenceOptions). TOKENS.txt holds ids, separated by commas or white space; LAST 0 means all. A
// tool of the proofs (docs/correctness.md), no part of cairn.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "model/architectures.h"
#include "model/gguf.h"
#include "testing/reference.h"

namespace {

using cairn::Result;

std::vector<std::int32_t> ReadTokens(const char* path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::int32_t> tokens;
  for (const char* at = text.c_str(); *at != 0;) {
    char* end = nullptr;
    const long token = std::strtol(at, &end, 10);
    if (end == at) {
      ++at;
      continue;
    }
    tokens.push_back(static_cast<std::int32_t>(token));
    at = end;
  }
  return tokens;
}

void WriteHeader(std::ofstream& out, int rows, int columns) {
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  header.append(63 - (10 + header.size()) % 64, ' ').push_back('\n');
  out << "\x93NUMPY" << '\x01' << '\0' << static_cast<char>(header.size() & 255)
      << static_cast<char>(header.size() >> 8) << header;
}

Result<void> Run(char** arguments, bool losses) {
  const cairn::MappedFile file = OR_RETURN(cairn::MappedFile::Open(arguments[1]));
  const cairn::model::Gguf gguf = OR_RETURN(cairn::model::Gguf::Parse(file.bytes()));
  const cairn::program::Program program = OR_RETURN(cairn::model::BuildProgram(gguf));
  const std::vector<std::int32_t> tokens = ReadTokens(arguments[2]);
  const int last = std::atoi(arguments[3]);
  const int sampled = last == 0 ? static_cast<int>(tokens.size()) : last;
  std::ofstream out(arguments[4], std::ios::binary);
  WriteHeader(out, sampled, program.vocabulary);
  std::vector<float> row;
  OR_RETURN(cairn::testing::RunReference(
      program, gguf, tokens, sampled, {.canonical_losses = losses},
      [&](int, std::span<const double> logits) {
        row.assign(logits.begin(), logits.end());
        out.write(reinterpret_cast<const char*>(row.data()),
                  static_cast<std::streamsize>(row.size() * sizeof(float)));
      }));
  if (!out.flush()) return cairn::Fail(cairn::ErrorCode::kIo, "the output cannot be written");
  return {};
}

}  // namespace

int main(int count, char** arguments) {
  const bool losses = count == 6 && std::string_view(arguments[5]) == "--losses";
  if (count != 5 && !losses) {
    fmt::print(stderr, "usage: reference_logits MODEL.gguf TOKENS.txt LAST OUT.npy [--losses]\n");
    return 2;
  }
  const Result<void> done = Run(arguments, losses);
  if (!done) fmt::print(stderr, "reference_logits: {}\n", done.error().message);
  return done ? 0 : 1;
}
