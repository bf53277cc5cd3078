// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/checked.h"
#include "engine/engine_state.h"
#include "engine/machine.h"
#include "program/cost.h"

namespace cairn::engine {
namespace {

// Logits of so many rows are made at once: a multiple of a tile, 48 MB for 262,144 tokens at most.
constexpr int kLogitRows = 4 * kernels::kTileRows;
// Tokens of context where next to no memory is free: enough to say what is wrong in a chat.
constexpr std::int64_t kLeastContext = 256;

Result<int> ChooseThreads(int threads) {
  if (threads < 0 || threads > parallel::kMostWorkers) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} threads were asked for, 1 to {} are possible", threads,
                            parallel::kMostWorkers));
  }
  return threads == 0 ? parallel::UsableCores() : threads;
}

struct Room {
  std::int64_t context = 0;
  std::size_t kv_bytes = 0;
};

// The context: what the model has, cut to what the KV memory holds. The KV memory: what is asked
// for, or half of what is free (other programs live here too).
Result<Room> ChooseRoom(const model::Model& model, const EngineOptions& options,
                        const kv::KvLayout& layout) {
  const std::int64_t most = model.context_length();
  if (options.context < 0 || options.context > most) {
    return Fail(ErrorCode::kLimit,
                fmt::format("a context of {} tokens was asked for, the model has 1 to {}",
                            options.context, most));
  }
  // States take the same however long a text is.
  const kv::RoomOfText text = kv::RoomOf(layout);
  const std::size_t given =
      options.kv_memory_bytes > 0 ? options.kv_memory_bytes : AvailableMemoryBytes() / 2;
  const std::size_t for_tiles = given - std::min(given, text.states);
  const auto fitting = static_cast<std::int64_t>(std::min<std::size_t>(
      text.tile == 0 ? SIZE_MAX : for_tiles / text.tile, INT64_MAX / kernels::kTilePositions));
  Room room{.context = options.context, .kv_bytes = given};
  if (room.context == 0) {
    const std::int64_t least = options.kv_memory_bytes > 0 ? 1 : kLeastContext;
    room.context = std::min(std::max(fitting * kernels::kTilePositions, least), most);
  }
  if (options.kv_memory_bytes > 0) return room;
  const auto tiles =
      static_cast<std::size_t>(DivideUp<std::int64_t>(room.context, kernels::kTilePositions));
  const auto needed = CheckedMul(tiles, text.tile);
  const auto all = needed ? CheckedAdd(*needed, text.states) : std::nullopt;
  room.kv_bytes = std::max(given, all.value_or(given));
  return room;
}

}  // namespace

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::Create(std::shared_ptr<const model::Model> model,
                                               const EngineOptions& options) {
  if (options.step_rows < 1 || options.step_rows > 65536 || options.step_sequences < 1 ||
      options.step_sequences > 65536) {
    return Fail(ErrorCode::kInvalidArgument, "rows and sequences of a step must be 1 to 65536");
  }
  const bool embeds = model->program().output != program::Output::kLogits;
  if (embeds != options.embeds) {
    return Fail(ErrorCode::kUnsupported,
                embeds ? fmt::format("'{}' makes embeddings and no text: `cairn embed` and `cairn "
                                     "rerank` are for it",
                                     model->path())
                       : fmt::format("'{}' was loaded for text", model->path()));
  }
  const kernels::Isa isa = options.isa.value_or(kernels::AvailableIsas().back());
  const std::vector<kernels::Isa> available = kernels::AvailableIsas();
  if (std::ranges::find(available, isa) == available.end()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("this machine does not have {}", kernels::IsaName(isa)));
  }
  const int threads = OR_RETURN(ChooseThreads(options.threads));
  kv::KvLayout layout = kv::LayOutOf(model->program(), options.kv);
  const Room room = OR_RETURN(ChooseRoom(*model, options, layout));
  auto pool = OR_RETURN(kv::KvPool::Create(std::move(layout), {.budget_bytes = room.kv_bytes,
                                                               .backend = options.kv_backend,
                                                               .most_positions = room.context}));
  const kernels::Kernels& kernels =
      options.kernels != nullptr ? *options.kernels : kernels::KernelsFor(isa);
  auto state = std::make_unique<State>(std::move(model), options, room.context, threads, kernels,
                                       std::move(pool));
  const int logit_rows = std::min(kLogitRows, RoundUp(options.step_rows, kernels::kTileRows));
  const program::StepShape shape{
      .tokens = options.step_rows, .sampled = options.step_rows, .logit_rows = logit_rows};
  state->executor =
      OR_RETURN(Executor::Create(state->model->program(), state->model->weights(), state->kernels,
                                 state->pool->layout(), state->team, shape, room.context));
  if (options.observer != nullptr) state->executor->Observe(options.observer);
  if (options.inputs != nullptr) state->executor->Watch(*options.inputs);
  return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

const model::Model& Engine::model() const { return *state_->model; }
std::int64_t Engine::context() const { return state_->context; }
int Engine::threads() const { return state_->team.size(); }
kernels::Isa Engine::isa() const { return state_->kernels.isa; }
const kernels::Kernels& Engine::kernels() const { return state_->kernels; }
const Clock& Engine::clock() const { return *state_->options.clock; }
int Engine::vocabulary() const { return state_->model->program().vocabulary; }
int Engine::step_rows() const { return state_->options.step_rows; }
int Engine::step_sequences() const { return state_->options.step_sequences; }
std::size_t Engine::step_buffer_bytes() const { return state_->executor->buffer_bytes(); }
std::size_t Engine::kv_bytes_per_token() const { return state_->pool->layout().bytes_per_token(); }
kernels::KvFormat Engine::kv_format() const { return state_->options.kv; }
kv::KvUse Engine::kv_use() const { return state_->pool->use(); }
kv::KvPool& Engine::pool() { return *state_->pool; }

std::size_t Engine::weight_bytes_per_step(std::int64_t rows) const {
  const program::Program& program = state_->model->program();
  std::vector<double> used(program.weights.size());  // the part of each that is read
  for (const program::Operation& op : program.operations) {
    using program::OpKind;
    if (op.kind == OpKind::kMatmul || op.kind == OpKind::kHeadMatmul) {
      used[static_cast<std::size_t>(op.weight)] = 1;
    }
    if (op.kind == OpKind::kExperts) {
      used[static_cast<std::size_t>(op.weight)] =
          program::ExpertsMet(program, op, static_cast<double>(rows)) /
          program.weights[static_cast<std::size_t>(op.weight)].experts;
    }
  }
  double bytes = 0;
  for (std::size_t w = 0; w < used.size(); ++w) {
    if (used[w] == 0) continue;
    const kernels::PackedMatrix& m = state_->model->weights().matrix(static_cast<int>(w));
    bytes += used[w] * static_cast<double>(static_cast<std::size_t>(m.groups) * m.group_bytes);
  }
  return static_cast<std::size_t>(bytes);
}

// --- steps ----------------------------------------------------------------------------------

Result<void> Engine::State::CheckEntries(std::span<const StepEntry> entries) {
  std::size_t rows = 0;
  seen.clear();
  for (const StepEntry& entry : entries) {
    rows += entry.tokens.size();
    if (entry.sequence == nullptr || entry.tokens.empty() || entry.sampled < 0 ||
        static_cast<std::size_t>(entry.sampled) > entry.tokens.size()) {
      return Fail(ErrorCode::kInvalidArgument, "an entry of a step is empty or samples too much");
    }
    for (const std::int32_t token : entry.tokens) {
      if (token < 0 || token >= model->program().vocabulary) {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("token {} is not in the vocabulary of {}", token,
                                model->program().vocabulary));
      }
    }
    const std::int64_t size =
        entry.sequence->size() + static_cast<std::int64_t>(entry.tokens.size());
    if (size > context) {
      return Fail(ErrorCode::kLimit, fmt::format("the context of {} tokens is full", context));
    }
    const program::Program& program = model->program();
    if ((program.whole_sequences() && entry.sequence->size() > 0) ||
        (program.pools() && entry.sampled > 1)) {
      return Fail(ErrorCode::kInvalidArgument, "a text is embedded in one step, to one row");
    }
    seen.push_back(entry.sequence);
  }
  std::ranges::sort(seen);
  if (std::ranges::adjacent_find(seen) != seen.end()) {
    return Fail(ErrorCode::kInvalidArgument, "a sequence appears twice in a step");
  }
  if (rows > static_cast<std::size_t>(options.step_rows) ||
      entries.size() > static_cast<std::size_t>(options.step_sequences)) {
    return Fail(
        ErrorCode::kLimit,
        fmt::format("a step of {} rows and {} sequences was asked for, at most {} and {} fit", rows,
                    entries.size(), options.step_rows, options.step_sequences));
  }
  return {};
}

Result<void> Engine::State::TakeRows(std::span<StepEntry> entries) {
  step_tokens.clear();
  slices.clear();
  sampled_entries.clear();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    StepEntry& entry = entries[i];
    entry.failure.reset();
    kv::SequenceTiles& tiles = entry.sequence->tiles();
    const std::int64_t size = entry.sequence->size();
    const auto rows = static_cast<int>(entry.tokens.size());
    OR_RETURN(tiles.Grow(size, size + rows));
    slices.push_back({.tiles = &tiles,
                      .position = size,
                      .first_row = static_cast<int>(step_tokens.size()),
                      .rows = rows,
                      .second = entry.second < 0 ? rows : std::min(entry.second, rows),
                      .first_sampled = static_cast<int>(sampled_entries.size()),
                      .sampled = entry.sampled});
    step_tokens.insert(step_tokens.end(), entry.tokens.begin(), entry.tokens.end());
    sampled_entries.insert(sampled_entries.end(), static_cast<std::size_t>(entry.sampled),
                           static_cast<int>(i));
  }
  return {};
}

Result<void> Engine::State::RunRows(const LogitsSink& sink, std::stop_token stop) {
  const StepInput input{
      .tokens = step_tokens, .slices = slices, .sampled = static_cast<int>(sampled_entries.size())};
  const auto width = static_cast<std::size_t>(model->program().width());
  return executor->Run(
      input,
      [&](int row, const float* logits) {
        const int entry = sampled_entries[static_cast<std::size_t>(row)];
        sink(entry, row - slices[static_cast<std::size_t>(entry)].first_sampled, {logits, width});
      },
      stop);
}

Result<void> Engine::Step(std::span<StepEntry> entries, const LogitsSink& sink,
                          std::stop_token stop) {
  if (entries.empty()) return {};
  State& s = *state_;
  OR_RETURN(s.CheckEntries(entries));
  auto done = s.TakeRows(entries);
  if (done) done = s.RunRows(sink, stop);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    StepEntry& entry = entries[i];
    const int failed = done ? s.slices[i].failed_layer : SequenceSlice::kNotFailed;
    if (failed != SequenceSlice::kNotFailed) {
      entry.failure = Error{ErrorCode::kNumeric,
                            failed < 0 ? std::string("a value outside the layers is not finite")
                                       : fmt::format("a value of layer {} is not finite", failed)};
    } else if (done) {
      entry.sequence->Append(entry.tokens);
    }
    // Where the sequence has not grown, neither have its tiles.
    entry.sequence->tiles().Shrink(entry.sequence->size());
  }
  return done;
}

Result<void> Engine::Prefill(Sequence& sequence, std::span<const std::int32_t> tokens,
                             std::int64_t sampled, const LogitsSink& sink, std::stop_token stop) {
  const auto total = static_cast<std::int64_t>(tokens.size());
  const std::int64_t first_sampled = total - std::clamp<std::int64_t>(sampled, 0, total);
  for (std::int64_t at = 0; at < total;) {
    const std::int64_t take = std::min<std::int64_t>(total - at, step_rows());
    StepEntry entry{
        .sequence = &sequence,
        .tokens = tokens.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(take)),
        .sampled = static_cast<int>(std::clamp<std::int64_t>(at + take - first_sampled, 0, take)),
        .failure = {}};
    const std::int64_t base = at + take - entry.sampled - first_sampled;
    OR_RETURN(Step(
        {&entry, 1},
        [&](int, int row, std::span<const float> logits) {
          sink(0, static_cast<int>(base) + row, logits);
        },
        stop));
    if (entry.failure) return std::unexpected(*std::move(entry.failure));
    at += take;
  }
  return {};
}

}  // namespace cairn::engine
