// SPDX-License-Identifier: Apache-2.0
#include "engine/embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/checked.h"
#include "kv/layout.h"
#include "kv/pool.h"

namespace cairn::engine {
namespace {

// Rows of a step at least: enough that weights are read once for many texts.
constexpr int kStepRows = 512;
constexpr int kStepTexts = 256;
// Keys and values of a step, where no single text needs more.
constexpr std::size_t kKvBytes = std::size_t{256} << 20;

std::size_t TilesOf(std::size_t tokens) {
  return DivideUp<std::size_t>(tokens, kernels::kTilePositions);
}

}  // namespace

Embedder::Embedder(std::unique_ptr<Engine> engine, std::int64_t most_tokens, std::size_t most_tiles)
    : engine_(std::move(engine)), most_tokens_(most_tokens), most_tiles_(most_tiles) {}
Embedder::~Embedder() = default;

Result<std::unique_ptr<Embedder>> Embedder::Create(std::shared_ptr<const model::Model> model,
                                                   const EmbedderOptions& options) {
  const std::int64_t trained = model->context_length();
  if (options.most_tokens < 0 || options.most_tokens > trained) {
    return Fail(ErrorCode::kLimit, fmt::format("texts of {} tokens were asked for, the model has 1 "
                                               "to {}",
                                               options.most_tokens, trained));
  }
  const std::int64_t most =
      options.most_tokens > 0 ? options.most_tokens : std::min(trained, kMostDefaultTokens);
  const kv::KvLayout layout = kv::LayOutOf(model->program(), kernels::KvFormat::kF32);
  const std::size_t tile = std::max<std::size_t>(1, kv::KvPool::LeastBudget(layout));
  const std::size_t tiles = std::max(TilesOf(static_cast<std::size_t>(most)), kKvBytes / tile);
  auto engine = OR_RETURN(Engine::Create(
      std::move(model), {.threads = options.threads,
                         .isa = options.isa,
                         .kv = kernels::KvFormat::kF32,
                         .context = most,
                         .kv_memory_bytes = tiles * tile,
                         .step_rows = std::max(kStepRows, static_cast<int>(std::min<std::int64_t>(
                                                              most, kMostStepRows))),
                         .step_sequences = kStepTexts,
                         .pinned = options.pinned,
                         .embeds = true}));
  const std::int64_t fitting = std::min<std::int64_t>(most, engine->step_rows());
  return std::unique_ptr<Embedder>(new Embedder(std::move(engine), fitting, tiles));
}

// --- tokens ---------------------------------------------------------------------------------

namespace {

std::unexpected<Error> TooLong(std::size_t tokens, std::int64_t most) {
  return Fail(ErrorCode::kLimit,
              fmt::format("a text has {} tokens, at most {} fit this model", tokens, most));
}

}  // namespace

Result<EmbedInput> Embedder::Encode(std::string_view text, bool truncate) const {
  const model::Tokenizer& tokenizer = model().tokenizer();
  const model::Vocabulary& v = tokenizer.vocabulary();
  EmbedInput input{.tokens = OR_RETURN(tokenizer.Encode(text, true))};
  const auto most = static_cast<std::size_t>(most_tokens_);
  if (input.tokens.size() > most) {
    if (!truncate) return TooLong(input.tokens.size(), most_tokens_);
    input.tokens.resize(most);
    if (v.add_eos && v.eos) input.tokens.back() = *v.eos;
  }
  if (input.tokens.empty()) return Fail(ErrorCode::kInvalidArgument, "a text is empty");
  return input;
}

Result<EmbedInput> Embedder::EncodePair(std::string_view query, std::string_view document,
                                        bool truncate) const {
  const model::Tokenizer& tokenizer = model().tokenizer();
  const model::Vocabulary& v = tokenizer.vocabulary();
  EmbedInput input;
  const auto put = [&](const std::optional<std::int32_t>& id) {
    if (id) input.tokens.push_back(*id);
  };
  const auto append = [&](const std::vector<std::int32_t>& ids) {
    input.tokens.insert(input.tokens.end(), ids.begin(), ids.end());
  };
  if (v.add_bos) put(v.bos);
  append(OR_RETURN(tokenizer.Encode(query, false)));
  put(v.eos);
  // RoBERTa and those after it have two ends between the texts, BERT one.
  if (v.kind != model::TokenizerKind::kWordPiece) put(v.eos);
  input.second = static_cast<int>(input.tokens.size());
  append(OR_RETURN(tokenizer.Encode(document, false)));
  put(v.eos);
  const auto most = static_cast<std::size_t>(most_tokens_);
  if (input.tokens.size() <= most) return input;
  if (!truncate || static_cast<std::size_t>(input.second) + 1 >= most) {
    return TooLong(input.tokens.size(), most_tokens_);
  }
  input.tokens.resize(most);
  if (v.eos) input.tokens.back() = *v.eos;
  return input;
}

// --- steps ----------------------------------------------------------------------------------

Result<void> Embedder::Check(const EmbedInput& input) const {
  const int vocabulary = engine_->vocabulary();
  if (input.tokens.empty()) return Fail(ErrorCode::kInvalidArgument, "a text is empty");
  if (input.tokens.size() > static_cast<std::size_t>(most_tokens_)) {
    return TooLong(input.tokens.size(), most_tokens_);
  }
  for (const std::int32_t token : input.tokens) {
    if (token >= 0 && token < vocabulary) continue;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("token {} is not in the vocabulary of {}", token, vocabulary));
  }
  return {};
}

std::size_t Embedder::FillStep(std::span<const EmbedInput> inputs, std::span<const int> left) {
  sequences_.clear();
  entries_.clear();
  const bool pools = model().program().pools();
  std::size_t rows = 0;
  std::size_t tiles = 0;
  std::size_t taken = 0;
  const auto most_texts = static_cast<std::size_t>(engine_->step_sequences());
  sequences_.reserve(most_texts);  // entries point at them
  for (; taken < left.size() && taken < most_texts; ++taken) {
    const EmbedInput& input = inputs[static_cast<std::size_t>(left[taken])];
    rows += input.tokens.size();
    tiles += TilesOf(input.tokens.size());
    if (rows > static_cast<std::size_t>(engine_->step_rows()) || tiles > most_tiles_) break;
    sequences_.push_back(engine_->NewSequence());
    entries_.push_back({.sequence = &sequences_.back(),
                        .tokens = input.tokens,
                        .sampled = pools ? 1 : static_cast<int>(input.tokens.size()),
                        .second = input.second,
                        .failure = {}});
  }
  return taken;
}

Result<void> Embedder::RunStep(std::span<const int> chosen, const EmbeddingSink& sink,
                               std::stop_token stop) {
  OR_RETURN(engine_->Step(
      entries_,
      [&](int entry, int row, std::span<const float> values) {
        sink(chosen[static_cast<std::size_t>(entry)], row, values);
      },
      std::move(stop)));
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].failure) continue;
    return std::unexpected(
        std::move(*entries_[i].failure).Within(fmt::format("text {}", chosen[i] + 1)));
  }
  return {};
}

Result<void> Embedder::Run(std::span<const EmbedInput> inputs, const EmbeddingSink& sink,
                           std::stop_token stop, const EmbedProgress& progress) {
  for (const EmbedInput& input : inputs) OR_RETURN(Check(input));
  // Texts of like lengths together: units of attention are then of like size.
  std::vector<int> order(inputs.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{}, [&](int i) {
    return inputs[static_cast<std::size_t>(i)].tokens.size();
  });
  for (std::span<const int> left = order; !left.empty();) {
    const std::size_t taken = FillStep(inputs, left);
    const auto done = RunStep(left.first(taken), sink, stop);
    entries_.clear();
    sequences_.clear();
    OR_RETURN(done);
    left = left.subspan(taken);
    if (progress && !progress(inputs.size() - left.size()) && !left.empty()) {
      return Fail(ErrorCode::kCancelled, "cancelled");
    }
  }
  return {};
}

void Embedder::Normalise(std::span<float> values) const {
  constexpr float kSmallest = 0x1p-100f;  // of the mean square: zeros stay zeros
  const auto n = static_cast<int>(values.size());
  const kernels::Kernels& k = engine_->kernels();
  const kernels::FloatEnvironment environment;
  k.rms_norm(values.data(), nullptr, n, kSmallest, values.data());
  k.scale(values.data(), 1.0f / std::sqrt(static_cast<float>(n)), n, values.data());
}

}  // namespace cairn::engine
