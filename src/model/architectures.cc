// SPDX-License-Identifier: Apache-2.0
#include "model/architectures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "model/hyper_parameters.h"
#include "program/pool.h"

namespace cairn::model {
namespace {

constexpr Architecture kArchitectures[] = {
    {"bert", "BERT, MiniLM, BGE, E5; cross-encoders like them", BuildBert},
    {"bloom", "BLOOM", BuildBloom},
    {"cohere2", "Command R7B, Command A", BuildCohere2},
    {"command-r", "Command R, Command R+", BuildCommandR},
    {"dbrx", "DBRX", BuildDbrx},
    {"deepseek2", "DeepSeek V2, V3, R1", BuildDeepSeek2},
    {"exaone", "EXAONE 3", BuildExaone},
    {"falcon", "Falcon 7B, 40B", BuildFalcon},
    {"falcon-h1", "Falcon H1", BuildFalconH1},
    {"gemma", "Gemma", BuildGemma},
    {"gemma2", "Gemma 2", BuildGemma2},
    {"gemma3", "Gemma 3 (text)", BuildGemma3},
    {"gemma3n", "Gemma 3n (text)", BuildGemma3n},
    {"gemma4", "Gemma 4 (text)", BuildGemma4},
    {"glm4", "GLM-4-0414", BuildGlm4},
    {"glm4moe", "GLM-4.5, GLM-4.6", BuildGlm4Moe},
    {"gpt-oss", "gpt-oss", BuildGptOss},
    {"gpt2", "GPT-2", BuildGpt2},
    {"gptneox", "GPT-NeoX, Pythia", BuildGptNeoX},
    {"granite", "Granite 3 (dense)", BuildGranite},
    {"granitehybrid", "Granite 4 (hybrid)", BuildGraniteHybrid},
    {"granitemoe", "Granite 3 MoE", BuildGraniteMoe},
    {"internlm2", "InternLM2, InternLM2.5", BuildInternLm2},
    {"jamba", "Jamba", BuildJamba},
    {"jina-bert-v2", "jina-embeddings-v2 (texts)", BuildJinaBertV2},
    {"jina-bert-v3", "jina-embeddings-v3", BuildJinaBertV3},
    {"lfm2", "LFM2", BuildLfm2},
    {"llama", "Llama 1 to 3, Mistral, Mixtral, SmolLM2 and others like them", BuildLlama},
    {"llama4", "Llama 4 (text)", BuildLlama4},
    {"mamba", "Mamba, Falcon Mamba", BuildMamba},
    {"mamba2", "Mamba 2, Codestral Mamba", BuildMamba2},
    {"minicpm", "MiniCPM", BuildMiniCpm},
    {"modern-bert", "ModernBERT", BuildModernBert},
    {"mpt", "MPT", BuildMpt},
    {"nemotron", "Nemotron, Minitron", BuildNemotron},
    {"nomic-bert", "nomic-embed-text v1, v1.5", BuildNomicBert},
    {"olmo", "OLMo", BuildOlmo},
    {"olmo2", "OLMo 2, OLMo 3", BuildOlmo2},
    {"olmoe", "OLMoE", BuildOlmoe},
    {"phi2", "Phi-1, Phi-2", BuildPhi2},
    {"phi3", "Phi-3, Phi-3.5, Phi-4", BuildPhi3},
    {"phimoe", "Phi-3.5-MoE", BuildPhiMoe},
    {"qwen2", "Qwen2, Qwen2.5", BuildQwen2},
    {"qwen2moe", "Qwen1.5-MoE, Qwen2-MoE", BuildQwen2Moe},
    {"qwen3", "Qwen3 (dense)", BuildQwen3},
    {"qwen35", "Qwen3.5, Qwen3.6 (dense, text)", BuildQwen35},
    {"qwen35moe", "Qwen3.5-MoE, Qwen3.6-MoE (text)", BuildQwen35Moe},
    {"qwen3moe", "Qwen3-MoE", BuildQwen3Moe},
    {"qwen3next", "Qwen3-Next", BuildQwen3Next},
    {"smollm3", "SmolLM3", BuildSmolLm3},
    {"stablelm", "StableLM, StableLM 2", BuildStableLm},
    {"starcoder2", "StarCoder2", BuildStarCoder2},
    {"t5encoder", "encoders of T5, FLAN-T5 and others like them", BuildT5Encoder},
};

bool HasFrequencyFactors(const program::Program& program) {
  return std::ranges::any_of(program.operations, [](const program::Operation& op) {
    return op.kind == program::OpKind::kRotate &&
           !op.as<program::RotateAttributes>().factors.empty();
  });
}

// Whether a tensor is of a layer that only predicts tokens further on.
bool PredictsFurther(std::string_view name, int first_layer) {
  int layer = -1;
  constexpr std::string_view kPrefix = "blk.";
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  }
  return layer >= first_layer;
}

Result<void> RefuseUnusedTensors(const Gguf& gguf, std::string_view architecture,
                                 const program::Program& program) {
  const HyperParameters h(gguf, architecture);
  const bool further = h.Has("nextn_predict_layers");
  const int own_layers = further ? OR_RETURN(h.Int("block_count", 1, kMostLayers)) -
                                       OR_RETURN(LayersThatPredictFurther(gguf, architecture))
                                 : 0;
  std::set<std::string, std::less<>> used;
  for (const program::Weight& weight : program.weights) {
    for (int e = 0; e < (weight.apart ? weight.experts : 1); ++e) {
      used.insert(weight.TensorOf(e * weight.expert_rows()));
    }
  }
  used.insert(program.spare.begin(), program.spare.end());
  const bool factors = HasFrequencyFactors(program);
  for (const GgufTensor& tensor : gguf.tensors()) {
    if (used.contains(tensor.name)) continue;
    if (factors && tensor.name.starts_with("rope_f")) continue;  // read when the program was built
    if (further && PredictsFurther(tensor.name, own_layers)) continue;
    return Fail(ErrorCode::kUnsupported,
                fmt::format("tensor '{}' belongs to a feature that is not supported yet",
                            Printable(tensor.name)));
  }
  return {};
}

}  // namespace

std::span<const Architecture> Architectures() { return kArchitectures; }

Result<program::Pooling> DefaultPooling(const Gguf& gguf, bool encoder) {
  using program::Pooling;
  const HyperParameters h(gguf, OR_RETURN(gguf.GetString("general.architecture")));
  if (!h.Has("pooling_type")) return encoder ? Pooling::kMean : Pooling::kLast;
  switch (OR_RETURN(h.Int("pooling_type", 0, INT32_MAX))) {
    case 0: return Pooling::kNone;
    case 1: return Pooling::kMean;
    case 2: return Pooling::kFirst;
    case 3: return Pooling::kLast;
    default:
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("metadata '{}' is {}; 0 to 3 are supported", h.Name("pooling_type"),
                              OR_RETURN(gguf.GetInt(h.Name("pooling_type")))));
  }
}

bool IsForEmbeddings(const Gguf& gguf) {
  const auto program = BuildProgram(gguf);
  if (!program) return false;
  const auto name = gguf.GetString("general.architecture");
  return program->output != program::Output::kLogits ||
         HyperParameters(gguf, *name).Has("pooling_type");
}

Result<program::Program> BuildProgram(const Gguf& gguf, const ProgramUse& use) {
  const std::string_view name = OR_RETURN(gguf.GetString("general.architecture"));
  std::vector<std::string_view> known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) {
      program::Program program = OR_RETURN(architecture.build(gguf));
      OR_RETURN(RefuseUnusedTensors(gguf, name, program));
      const bool encoder = program.output == program::Output::kHidden;
      if (use.embed && program.output == program::Output::kLogits) {
        program = program::HiddenOfLogits(std::move(program));
      }
      if (program.output == program::Output::kHidden) {
        const program::Pooling pooling =
            use.pooling ? *use.pooling : OR_RETURN(DefaultPooling(gguf, encoder));
        program = program::PoolHidden(std::move(program), pooling);
      }
      return program::MoveSampledRowsUp(std::move(program));
    }
    known.push_back(architecture.name);
  }
  return Fail(ErrorCode::kUnsupported,
              fmt::format("architecture '{}' is not supported; supported are {}", Printable(name),
                          fmt::join(known, ", ")));
}

}  // namespace cairn::model
