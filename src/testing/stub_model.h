// SPDX-License-Identifier: Apache-2.0
// A model that computes nothing and checks everything: it writes into the KV tiles what stands for
// keys and values, reads back what an attention would read, and says where that is not what the
// sequence's tokens ask for.
//
// A position's slot holds a hash of all tokens up to it. So the hash of the last position before a
// step's rows is read from memory, not remembered: whatever was shared, copied, cached, rolled back
// or released wrongly shows. Logits follow from the hash, so a wrong byte changes the answer too.
// It can also make the mistakes that such a check must find.
// Threads: one at a time. Time: a step takes virtual time by its rows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/step_model.h"
#include "testing/virtual_clock.h"

namespace cairn::testing {

inline constexpr int kStubVocabulary = 24;
inline constexpr std::int32_t kStubEnd = 0;  // ends an answer
inline constexpr int kStubWindow = 100;      // of the second group

// Mistakes of a scheduler or a pool, made on purpose.
enum class Plant {
  kNothing,
  kForgottenRelease,    // a tile stays held after its sequence is gone
  kBudgetOffByOne,      // the pool may take one tile more than the budget says
  kWindowTooEarly,      // a windowed tile is given back while a row still sees it
  kWriteIntoPublished,  // a published tile is written
  // Made by the simulation (simulation.cc):
  kUpdateKeepsOneTooMany,  // a revised prompt keeps the position where it parts from the old one
  kChangeDuringStep        // a message about a prompt takes effect while a step computes it
};

struct StubOptions {
  std::size_t budget_tiles = 64;  // of both groups together
  std::int64_t context = 2048;
  int step_rows = 128;
  int step_sequences = 16;
  bool states = false;  // a third group: states, which hold the hash of the last position
  int errs_in = 0;  // one token in so many is not StubNext's: what a draft model would say; 0: none
  Plant plant = Plant::kNothing;
};

// The hash of a text: of the one before its last token, and that token.
std::uint64_t StubHash(std::uint64_t before, std::int32_t token);
// What the model says after a text whose last tokens are `previous` and `last`: repetitive, so that
// guesses are sometimes right, and sometimes the end.
std::int32_t StubNext(std::uint64_t hash, std::int32_t previous, std::int32_t last);

class StubModel final : public engine::StepModel {
 public:
  StubModel(const StubOptions& options, VirtualClock& clock);

  kv::KvPool& pool() override { return *pool_; }
  std::int64_t context() const override { return options_.context; }
  int vocabulary() const override { return kStubVocabulary; }
  int step_rows() const override { return options_.step_rows; }
  int step_sequences() const override { return options_.step_sequences; }
  [[nodiscard]] Result<void> Step(std::span<engine::StepEntry> entries,
                                  const engine::LogitsSink& sink, std::stop_token stop) override;

  // Bytes that the pool may use, whatever it was told.
  std::size_t budget_bytes() const { return budget_bytes_; }
  // The first thing that was wrong; empty: nothing.
  const std::string& complaint() const { return complaint_; }
  std::int64_t steps() const { return steps_; }
  // Whether the step that comes fails as a whole, as one that ran out of memory does.
  void FailNextStep(bool fail = true) { fail_next_ = fail; }
  // Called inside every step, before its rows are computed: what others do meanwhile.
  void SetDuringStep(std::function<void()> during) { during_step_ = std::move(during); }

 private:
  void Complain(const std::string& what);
  void Read(engine::Sequence& sequence, std::int64_t before);
  void ReadStates(engine::Sequence& sequence, std::int64_t before, std::uint64_t hash);
  void Append(engine::StepEntry& entry, std::size_t index, const engine::LogitsSink& sink);
  void MakeMistake(engine::Sequence& sequence);

  StubOptions options_;
  VirtualClock& clock_;
  std::unique_ptr<kv::KvPool> pool_;
  std::size_t budget_bytes_ = 0;
  std::string complaint_;
  std::int64_t steps_ = 0;
  bool fail_next_ = false;
  std::function<void()> during_step_;
  bool planted_ = false;
  kv::TileRef forgotten_;
};

}  // namespace cairn::testing
