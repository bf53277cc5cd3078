// SPDX-License-Identifier: Apache-2.0
#include "testing/tiny_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "base/check.h"
#include "base/random.h"
#include "testing/gguf_writer.h"
#include "testing/tiny_vocabulary.h"

namespace cairn::testing {
namespace {

using tensor::Format;

// Sizes by the block of the formats: rows of a matrix are whole blocks.
struct Shape {
  std::int64_t width, head_dim, forward;
};
Shape ShapeOf(const TinySpec& spec) {
  const auto block = [](Format format) { return tensor::Traits(format).block_values; };
  const int most = std::max(block(spec.format), block(spec.embedding.value_or(spec.format)));
  if (most == 256) return {256, 64, 512};
  return {64, 16, most == 64 ? 192 : 160};
}

// The spread that keeps the mean square of a product at `gain` squared for inputs around 1.
double Spread(std::int64_t inputs, double gain) {
  return gain / std::sqrt(static_cast<double>(inputs));
}

class Maker {
 public:
  explicit Maker(const TinySpec& spec) : spec_(spec), shape_(ShapeOf(spec)) {}

  std::vector<std::byte> Make() {
    WriteHyperParameters();
    const int tokens = spec_.sentence_piece ? WriteSentencePiece(writer_, spec_.chat_template)
                                            : WriteByteBpe(writer_, spec_.chat_template);
    WriteEnds(tokens + spec_.spare_rows);
    for (int layer = 0; layer < spec_.layers; ++layer) WriteLayer(layer);
    if (!spec_.further_tensor.empty()) {
      writer_.AddRandomTensor(spec_.further_tensor, Format::kF32, {32}, spec_.seed);
    }
    return writer_.Build();
  }

 private:
  bool gemma() const { return spec_.architecture == "gemma3"; }
  bool pure_states() const { return spec_.architecture == "mamba2"; }
  bool states() const { return pure_states() || spec_.architecture == "granitehybrid"; }
  bool has_state(int layer) const { return states() && (pure_states() || layer % 2 == 0); }
  std::int64_t attention() const { return spec_.heads * shape_.head_dim; }

  void WriteHyperParameters() {
    const auto key = [&](const char* name) { return spec_.architecture + "." + name; };
    const auto number = [&](const char* name, std::int64_t value) {
      writer_.Set(key(name), static_cast<std::uint32_t>(value));
    };
    writer_.Set("general.architecture", spec_.architecture);
    writer_.Set("general.name", NameOf(spec_));
    number("block_count", spec_.layers);
    number("context_length", spec_.context);
    number("embedding_length", shape_.width);
    number("feed_forward_length", shape_.forward);
    number("attention.head_count", spec_.heads);
    number("attention.head_count_kv", spec_.kv_heads);
    number("attention.key_length", shape_.head_dim);
    number("attention.value_length", shape_.head_dim);
    writer_.Set(key("attention.layer_norm_rms_epsilon"), 1e-5f);
    writer_.Set(key("rope.freq_base"), gemma() ? 1000000.0f : 10000.0f);
    if (spec_.experts > 0) {
      number("expert_count", spec_.experts);
      number("expert_used_count", spec_.experts_used);
    }
    if (states()) {
      number("ssm.conv_kernel", kTaps);
      number("ssm.inner_size", inner());
      number("ssm.state_size", kStateSize);
      number("ssm.time_step_rank", kStateHeads);
      number("ssm.group_count", kStateGroups);
    }
    if (!gemma()) {
      number("rope.dimension_count", shape_.head_dim);
      return;
    }
    number("attention.sliding_window", spec_.window);
    if (spec_.softcap > 0) writer_.Set(key("final_logit_softcapping"), spec_.softcap);
  }

  void WriteEnds(int rows) {
    const Format format = spec_.embedding.value_or(spec_.format);
    // The last norm hands over values around 1: logits with a standard deviation of 2.
    const double spread = Spread(shape_.width, 2);
    if (spec_.nan_token) {
      WriteWithNan(rows);
    } else {
      writer_.AddRandomTensor("token_embd.weight", format, {shape_.width, rows}, spec_.seed,
                              spread);
    }
    if (!spec_.tied) {
      writer_.AddRandomTensor("output.weight", format, {shape_.width, rows}, spec_.seed, spread);
    }
    Norm("output_norm.weight", shape_.width);
  }

  void WriteWithNan(int rows) {
    std::vector<float> values(static_cast<std::size_t>(shape_.width * rows));
    const CounterRandom random(spec_.seed);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(random.Uniform(i, 1) - 0.5);
    }
    // One value of the row is enough.
    values[static_cast<std::size_t>(*spec_.nan_token * shape_.width + shape_.width / 3)] =
        std::numeric_limits<float>::quiet_NaN();
    writer_.AddFloats("token_embd.weight", {shape_.width, rows}, values);
  }

  void WriteLayer(int layer) {
    const auto name = [&](const char* part) {
      return fmt::format("blk.{}.{}.weight", layer, part);
    };
    const auto matrix = [&](const char* part, std::int64_t inputs, std::int64_t outputs,
                            double gain) {
      writer_.AddRandomTensor(name(part), spec_.format, {inputs, outputs}, spec_.seed,
                              Spread(inputs, gain));
    };
    const std::int64_t kv = spec_.kv_heads * shape_.head_dim;
    Norm(name("attn_norm"), shape_.width);
    if (has_state(layer)) {
      WriteState(layer, matrix);
      if (pure_states()) return;
    } else {
      matrix("attn_q", shape_.width, attention(), 1);
      matrix("attn_k", shape_.width, kv, 1);
      matrix("attn_v", shape_.width, kv, 1);
      matrix("attn_output", attention(), shape_.width, 0.7);
    }
    Norm(name("ffn_norm"), shape_.width);
    if (spec_.experts > 0) {
      WriteExperts(name);
      return;
    }
    matrix("ffn_gate", shape_.width, shape_.forward, 1);
    matrix("ffn_up", shape_.width, shape_.forward, 1);
    matrix("ffn_down", shape_.forward, shape_.width, 0.7);
    if (!gemma()) return;
    Norm(name("attn_q_norm"), shape_.head_dim);
    Norm(name("attn_k_norm"), shape_.head_dim);
    Norm(name("post_attention_norm"), shape_.width);
    Norm(name("post_ffw_norm"), shape_.width);
  }

  static constexpr int kTaps = 4, kStateSize = 16, kStateHeads = 4, kStateGroups = 2;
  std::int64_t inner() const { return 2 * shape_.width; }

  // Time steps around 0.7 and rates of -0.2 to -1.8: a state forgets in some ten rows.
  void WriteState(int layer, const auto& matrix) {
    const std::int64_t convolved = inner() + 2 * kStateGroups * kStateSize;
    matrix("ssm_in", shape_.width, inner() + convolved + kStateHeads, 1);
    matrix("ssm_out", inner(), shape_.width, 0.7);
    const auto floats = [&](const char* part, std::vector<std::int64_t> shape, double center,
                            double spread) {
      std::int64_t count = 1;
      for (const std::int64_t size : shape) count *= size;
      std::vector<float> values(static_cast<std::size_t>(count));
      const CounterRandom random(spec_.seed);
      ++norms_;
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(center + spread * (2 * random.Uniform(i, norms_) - 1));
      }
      writer_.AddFloats(fmt::format("blk.{}.{}", layer, part), std::move(shape), values);
    };
    floats("ssm_conv1d.weight", {kTaps, convolved}, 0, 1);
    floats("ssm_conv1d.bias", {convolved}, 0, 0.3);
    floats("ssm_dt.bias", {kStateHeads}, 0, 0.3);
    floats("ssm_a", {1, kStateHeads}, -1, 0.8);
    floats("ssm_d", {1, kStateHeads}, 1, 0.4);
    floats("ssm_norm.weight", {inner() / kStateGroups, kStateGroups}, 1, 0.4);
  }

  void WriteExperts(const auto& name) {
    const auto tensor = [&](const char* part, Format format, std::vector<std::int64_t> shape,
                            double gain) {
      const double spread = Spread(shape[0], gain);
      writer_.AddRandomTensor(name(part), format, std::move(shape), spec_.seed, spread);
    };
    const std::int64_t size = shape_.width;  // whole blocks of every format
    tensor("ffn_gate_inp", Format::kF32, {shape_.width, spec_.experts}, 1);
    tensor("ffn_gate_exps", spec_.format, {shape_.width, size, spec_.experts}, 1);
    tensor("ffn_up_exps", spec_.format, {shape_.width, size, spec_.experts}, 1);
    tensor("ffn_down_exps", spec_.format, {size, shape_.width, spec_.experts}, 0.7);
  }

  // Weights between 0.6 and 1.4.
  void Norm(const std::string& name, std::int64_t size) {
    std::vector<float> values(static_cast<std::size_t>(size));
    const CounterRandom random(spec_.seed);
    ++norms_;
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(0.6 + 0.8 * random.Uniform(i, norms_));
    }
    writer_.AddFloats(name, {size}, values);
  }

  const TinySpec& spec_;
  Shape shape_;
  GgufWriter writer_;
  std::uint64_t norms_ = 100;  // their random numbers begin past those of the embedding
};

}  // namespace

std::string NameOf(const TinySpec& spec) {
  return fmt::format("{} {} {}{}{}", spec.architecture, tensor::Traits(spec.format).name,
                     spec.tied ? "tied" : "untied",
                     spec.spare_rows > 1000 ? " large vocabulary" : "",
                     spec.experts > 0 ? fmt::format(" {} experts", spec.experts) : "");
}

std::vector<std::byte> MakeTinyModel(const TinySpec& spec) { return Maker(spec).Make(); }

TinyModel::TinyModel(const TinySpec& spec) {
  const std::vector<std::byte> bytes = MakeTinyModel(spec);
  {
    std::ofstream file(path(), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    CAIRN_CHECK(file.good());
  }
  auto loaded = model::Model::Load(path(), {.threads = 1});
  if (!loaded) fmt::print(stderr, "{}\n", loaded.error().message);
  CAIRN_CHECK(loaded.has_value());
  model_ = *std::move(loaded);
}

std::vector<TinySpec> AllTinySpecs() {
  std::vector<TinySpec> specs;
  bool tied = true;
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (!traits.has_matmul) continue;
    // Of the formats after Q6_K each architecture has every other one: a matmul knows no
    // architecture, and the suites run over all specs.
    const bool both = traits.format <= Format::kQ6_K;
    if (both || tied) {
      specs.push_back({.architecture = "llama", .format = traits.format, .tied = both && tied});
    }
    if (both || !tied) {
      specs.push_back({.architecture = "gemma3",
                       .format = traits.format,
                       .tied = !tied,
                       .sentence_piece = true,
                       .layers = 6,
                       .kv_heads = 1});
    }
    tied = !tied;
  }
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (!traits.has_matmul) continue;
    specs.push_back(
        {.format = traits.format, .tied = false, .layers = 1, .experts = 3, .experts_used = 3});
  }
  for (const Format format : {Format::kQ8_0, Format::kQ4_K}) {
    specs.push_back({.format = format, .spare_rows = 1500, .layers = 1});
    specs.push_back({.architecture = "granitehybrid", .format = format, .tied = false});
  }
  return specs;
}

std::vector<std::int32_t> RandomTokens(const model::Model& model, int count, std::uint64_t seed) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  const CounterRandom random(seed);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<std::int32_t>(random.Uniform(i, 2) * model.tokenizer().size());
  }
  return tokens;
}

}  // namespace cairn::testing
