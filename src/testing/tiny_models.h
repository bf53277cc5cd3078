// SPDX-License-Identifier: Apache-2.0
// Tiny random models as GGUF files: every architecture, every format, both kinds of tokenizer.
//
// Small enough for hundreds of runs in a test, and wide enough for the traps: more than one group
// of outputs with a rest, grouped heads, a window that slides, an embedding with rows past the
// vocabulary. Logits spread with a standard deviation of at least 1, so that the largest means
// something. Equal specs give equal bytes on every machine.
// Threads: pure functions; a TinyModel is immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"
#include "tensor/format.h"
#include "testing/temp_folder.h"

namespace cairn::testing {

struct TinySpec {
  // Or "gemma3", "granitehybrid" (every other layer has a state in place of attention), "mamba2".
  std::string architecture = "llama";
  tensor::Format format = tensor::Format::kF32;  // of the layers' matrices
  std::optional<tensor::Format> embedding;       // of embedding and output; absent: format
  bool tied = true;                              // output = embedding
  bool sentence_piece = false;                   // the tokenizer's kind
  bool chat_template = true;
  int spare_rows = 3;  // of the embedding, which no token of the vocabulary has
  int layers = 2;
  int heads = 4;
  int kv_heads = 2;
  int window = 24;  // gemma3: of five layers in six
  int experts = 0;  // llama: in place of the feed-forward; 0: none
  int experts_used = 0;
  int context = 4096;
  float softcap = 0;           // gemma3: of the logits
  std::string further_tensor;  // one of 32 values that no builder knows
  std::uint64_t seed = 1;
  std::optional<std::int32_t> nan_token;  // its embedding is not a number, and where that is
                                          // tied, its logit neither; the embedding is F32
};

std::vector<std::byte> MakeTinyModel(const TinySpec& spec);

// Writes the file and loads it. CAIRN_CHECK that this works: a test of loading makes its own file.
class TinyModel {
 public:
  explicit TinyModel(const TinySpec& spec);
  const std::shared_ptr<const model::Model>& model() const { return model_; }
  std::string path() const { return folder_.File("tiny.gguf"); }

 private:
  TempFolder folder_;
  std::shared_ptr<const model::Model> model_;
};

// "llama Q4_K tied", for messages.
std::string NameOf(const TinySpec& spec);

// Every format with a matmul, those up to Q6_K for both architectures: llama tied and gemma3 not
// for one half of the formats, the other way round for the rest. Two whose output matrix is
// more than a third of the model, so that logits are made in one term (canonical.md, section 2).
// Two with states.
// And one layer of experts of every format, all of them used: which one comes first may hang on a
// rounding, what comes out does not.
std::vector<TinySpec> AllTinySpecs();

// `count` tokens of the vocabulary, chosen by `seed`.
std::vector<std::int32_t> RandomTokens(const model::Model& model, int count, std::uint64_t seed);

}  // namespace cairn::testing
