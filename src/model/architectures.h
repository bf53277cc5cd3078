// SPDX-License-Identifier: Apache-2.0
// Architectures as program builders: one file and one line in the table each.
// Threads: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "model/gguf.h"
#include "program/program.h"

namespace cairn::model {

struct Architecture {
  std::string_view name;   // 'general.architecture'
  std::string_view about;  // which models have it, for people
  // Reads and checks the hyper-parameters and writes the program. Errors: kCorrupt for metadata or
  // tensors that contradict each other, kUnsupported for features that the builder lacks.
  Result<program::Program> (*build)(const Gguf& gguf);
};

// In the order of their names.
std::span<const Architecture> Architectures();

// What a program is for. Encoders yield embeddings (or, with a head for it, scores of pairs)
// whatever is asked for; decoders yield logits, or embeddings.
struct ProgramUse {
  bool embed = false;
  std::optional<program::Pooling> pooling = {};  // of embeddings; absent: DefaultPooling
};

// What the file says ('pooling_type'), else the mean for encoders and the last row for decoders.
// Errors: kUnsupported for another kind, kCorrupt.
[[nodiscard]] Result<program::Pooling> DefaultPooling(const Gguf& gguf, bool encoder);

// Whether a file is of a model for embeddings or scores: an encoder, or a decoder that names a
// pooling. A file that cannot be run is not.
bool IsForEmbeddings(const Gguf& gguf);

// The program of a file, sampled rows already moved up. Errors: as above; kUnsupported for an
// unknown architecture, with the list of known ones, and for a tensor that the program does not
// use: an answer without it would be wrong and look right.
[[nodiscard]] Result<program::Program> BuildProgram(const Gguf& gguf, const ProgramUse& use = {});

// Each in the file of its name.
[[nodiscard]] Result<program::Program> BuildBert(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildBloom(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildCohere2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildCommandR(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildDbrx(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildDeepSeek2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildExaone(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildFalcon(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildFalconH1(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGemma(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGemma2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGemma3(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGemma3n(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGemma4(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGlm4(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGlm4Moe(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGptOss(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGpt2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGptNeoX(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGranite(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGraniteHybrid(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildGraniteMoe(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildInternLm2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildJamba(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildJinaBertV2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildJinaBertV3(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildLfm2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildLlama(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildLlama4(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildMamba(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildMamba2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildMiniCpm(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildModernBert(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildMpt(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildNemotron(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildNomicBert(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildOlmo(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildOlmo2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildOlmoe(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildPhi2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildPhi3(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildPhiMoe(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildQwen2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildQwen2Moe(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildQwen3(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildQwen3Moe(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildQwen35(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildQwen35Moe(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildQwen3Next(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildSmolLm3(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildStableLm(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildStarCoder2(const Gguf& gguf);
[[nodiscard]] Result<program::Program> BuildT5Encoder(const Gguf& gguf);

}  // namespace cairn::model
