// SPDX-License-Identifier: Apache-2.0
// Any bytes as a GGUF file: an Error or a model whose every view can be read; then as a model of
// the architecture that it names, for text and for embeddings: an Error or a program that can be
// fused and planned.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "model/architectures.h"
#include "model/gguf.h"
#include "program/stages.h"
#include "testing/gguf_walk.h"

namespace {

void Check(const cairn::Error& error) {
  // It must say something, and not repeat the file.
  if (error.message.empty() || error.message.size() > 4000) std::abort();
}

void BuildWholly(const cairn::model::Gguf& gguf, const cairn::model::ProgramUse& use) {
  const auto program = cairn::model::BuildProgram(gguf, use);
  if (!program) return Check(program.error());
  cairn::program::FusedProgram fused = cairn::program::Fuse(*program);
  const auto planned =
      cairn::program::PlanBuffers(*program, {.tokens = 64, .sampled = 64, .logit_rows = 48}, fused);
  if (!planned) Check(planned.error());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto gguf = cairn::model::Gguf::Parse(std::as_bytes(std::span(data, size)));
  if (gguf) {
    cairn::testing::WalkGguf(*gguf);
    BuildWholly(*gguf, {});
    BuildWholly(*gguf, {.embed = true, .pooling = cairn::program::Pooling::kMean});
  } else {
    Check(gguf.error());
  }
  return 0;
}
