// SPDX-License-Identifier: Apache-2.0
// Engines and logits (cairn.h).
#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "capi/handles.h"
#include "capi/structs.h"

namespace cairn::capi {
namespace {

constexpr std::size_t kEngineOptionsV0 = 64;
constexpr std::size_t kEngineInfoV0 = 64;
constexpr int kMostSequences = 256;
constexpr int kMostWaiting = 1'000'000;

cairn_engine_options Defaults() {
  return {.size = sizeof(cairn_engine_options),
          .sequences = 32,
          .step_rows = 512,
          .waiting = 4096,
          .propose = 1};
}

Result<kernels::KvFormat> KvOf(std::int32_t kv) {
  switch (kv) {
    case CAIRN_KV_F16: return kernels::KvFormat::kF16;
    case CAIRN_KV_F32: return kernels::KvFormat::kF32;
    case CAIRN_KV_Q8: return kernels::KvFormat::kQ8;
    default:
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("kv is {}, expected a CAIRN_KV_ constant", kv));
  }
}

Result<void> CheckRange(const char* name, std::int64_t value, std::int64_t most) {
  if (value >= 1 && value <= most) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is {}, expected 1 to {}", name, value, most));
}

Result<std::shared_ptr<SharedEngine>> Open(const cairn_model& model,
                                           const cairn_engine_options& o) {
  OR_RETURN(CheckRange("sequences", o.sequences, kMostSequences));
  OR_RETURN(CheckRange("waiting", o.waiting, kMostWaiting));
  if (o.context < 0) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("context is {}", o.context));
  }
  auto engine = OR_RETURN(
      engine::Engine::Create(model.model, {.threads = o.threads,
                                           .isa = OR_RETURN(IsaOf(o.isa)),
                                           .kv = OR_RETURN(KvOf(o.kv)),
                                           .context = o.context,
                                           .kv_memory_bytes = static_cast<std::size_t>(o.kv_memory),
                                           .step_rows = o.step_rows,
                                           .step_sequences = o.sequences,
                                           .pinned = o.pinned != 0}));
  return std::make_shared<SharedEngine>(
      std::move(engine),
      engine::SchedulerOptions{
          .sequences = o.sequences, .waiting = o.waiting, .propose = o.propose != 0});
}

// Drops what is behind the first `length` tokens; with a turn held.
void Truncate(cairn_sequence& sequence, std::int64_t length) {
  sequence.tokens.resize(static_cast<std::size_t>(length));
  if (sequence.sequence->size() <= length) return;
  sequence.sequence->Truncate(sequence.sequence->tiles().UsableSize(length));
}

// Appends `tokens` to what the engine has of the sequence, a step per turn, so that others get
// theirs in between.
Result<void> Compute(cairn_sequence& sequence, std::span<const std::int32_t> tokens, float* logits,
                     std::size_t rows, const cairn_cancel* cancel) {
  const auto chunk = static_cast<std::size_t>(sequence.shared->engine().step_rows());
  const std::size_t first = tokens.size() - rows;  // whose logits are wanted
  for (std::size_t at = 0; at < tokens.size();) {
    if (cancel != nullptr && cancel->requested->load())
      return Fail(ErrorCode::kCancelled, "cancelled");
    const std::size_t take = std::min(chunk, tokens.size() - at);
    const std::size_t end = at + take;
    const std::size_t sampled = end > first ? end - std::max(at, first) : 0;
    OR_RETURN(sequence.shared->Alone([&](engine::Engine& engine) {
      return engine.Prefill(*sequence.sequence, tokens.subspan(at, take),
                            static_cast<std::int64_t>(sampled),
                            [&](int, int, std::span<const float> row) {
                              logits = std::copy(row.begin(), row.end(), logits);
                            });
    }));
    at = end;
  }
  return {};
}

Result<void> Append(cairn_sequence& sequence, std::span<const std::int32_t> tokens, float* logits,
                    std::size_t rows, const cairn_cancel* cancel) {
  const std::size_t before = sequence.tokens.size();
  const auto computed = static_cast<std::size_t>(sequence.sequence->size());
  sequence.tokens.insert(sequence.tokens.end(), tokens.begin(), tokens.end());
  auto done = Compute(sequence, std::span(sequence.tokens).subspan(computed), logits, rows, cancel);
  if (!done) {
    sequence.shared->Alone(
        [&](engine::Engine&) { Truncate(sequence, static_cast<std::int64_t>(before)); });
  }
  return done;
}

}  // namespace

Result<kernels::Isa> IsaOf(const char* isa) {
  const char* forced = isa != nullptr ? isa : std::getenv("CAIRN_ISA");
  return kernels::ChooseIsa(forced == nullptr ? std::nullopt
                                              : std::optional<std::string_view>(forced));
}

}  // namespace cairn::capi

using namespace cairn;        // NOLINT(google-build-using-namespace): definitions of cairn.h
using namespace cairn::capi;  // NOLINT(google-build-using-namespace)

void cairn_engine_options_init(cairn_engine_options* options, size_t size) {
  InitStruct(options, size, kEngineOptionsV0, Defaults());
}

cairn_status cairn_engine_open(const cairn_model* model, const cairn_engine_options* options,
                               cairn_engine** engine, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(model, "model"));
    OR_RETURN(NeedPointer(engine, "place for the engine"));
    const cairn_engine_options o =
        OR_RETURN(ReadStruct("cairn_engine_options", options, kEngineOptionsV0, Defaults()));
    *engine = new cairn_engine{OR_RETURN(Open(*model, o))};
    return {};
  });
}

void cairn_engine_free(cairn_engine* engine) { delete engine; }

cairn_status cairn_engine_describe(cairn_engine* engine, cairn_engine_info* info,
                                   cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(engine, "engine"));
    SharedEngine& shared = *engine->shared;
    const auto counters = shared.counters();
    const kv::KvUse use = shared.Alone([](engine::Engine& e) { return e.kv_use(); });
    const cairn_engine_info filled{
        .size = sizeof(cairn_engine_info),
        .isa = kernels::IsaName(shared.engine().isa()).data(),
        .context = shared.engine().context(),
        .kv_budget = use.budget,
        .kv_used = use.used,
        .running = counters.running,
        .waiting = counters.waiting,
        .threads = shared.engine().threads(),
    };
    return WriteStruct("cairn_engine_info", info, kEngineInfoV0, filled);
  });
}

cairn_status cairn_engine_step(cairn_engine* engine, int32_t* worked, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(engine, "engine"));
    const bool did = engine->shared->Step();
    if (worked != nullptr) *worked = did ? 1 : 0;
    return {};
  });
}

cairn_status cairn_sequence_open(cairn_engine* engine, cairn_sequence** sequence,
                                 cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(engine, "engine"));
    OR_RETURN(NeedPointer(sequence, "place for the sequence"));
    auto made = std::make_unique<cairn_sequence>(engine->shared);
    made->shared->Alone([&](engine::Engine& e) { made->sequence.emplace(e.NewSequence()); });
    *sequence = made.release();
    return {};
  });
}

cairn_sequence::~cairn_sequence() {
  // Its tiles go back to the pool, which is the engine's thread's.
  if (sequence) shared->Alone([this](engine::Engine&) { sequence.reset(); });
}

void cairn_sequence_free(cairn_sequence* sequence) { delete sequence; }

int64_t cairn_sequence_length(const cairn_sequence* sequence) {
  return sequence == nullptr ? 0 : static_cast<int64_t>(sequence->tokens.size());
}

cairn_status cairn_sequence_append(cairn_sequence* sequence, const int32_t* tokens, size_t count,
                                   float* logits, size_t rows, const cairn_cancel* cancel,
                                   cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(sequence, "sequence"));
    if (count > 0) OR_RETURN(NeedPointer(tokens, "list of tokens"));
    if (rows > 0) OR_RETURN(NeedPointer(logits, "place for the logits"));
    if (rows > count) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("logits of {} tokens are wanted, but only {} are appended", rows, count));
    }
    const auto most = static_cast<std::size_t>(sequence->shared->engine().context());
    if (count > most || sequence->tokens.size() + count > most) {
      return Fail(ErrorCode::kLimit, fmt::format("{} and {} tokens are more than the context of {}",
                                                 sequence->tokens.size(), count, most));
    }
    if (count == 0) return {};
    return Append(*sequence, {tokens, count}, logits, rows, cancel);
  });
}

cairn_status cairn_sequence_truncate(cairn_sequence* sequence, int64_t length,
                                     cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(sequence, "sequence"));
    if (length < 0 || length > cairn_sequence_length(sequence)) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("length is {}, expected 0 to {}", length,
                                                           cairn_sequence_length(sequence)));
    }
    sequence->shared->Alone([&](engine::Engine&) { Truncate(*sequence, length); });
    return {};
  });
}
