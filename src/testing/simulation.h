// SPDX-License-Identifier: Apache-2.0
// A day of the scheduler's life in virtual time, made from a seed: requests that share beginnings,
// arrive in bursts or in pieces, are revised, cancelled, abandoned, have deadlines, need more
// memory than there is; on some days a draft model, with too little memory too, proposes. The real
// scheduler, pool and prefix cache run over StubModel; every answer is compared with what the
// request must get alone. Equal seeds give equal days. Threads: a pure function.
#pragma once

#include <cstdint>
#include <string>

#include "testing/stub_model.h"

namespace cairn::testing {

struct DayReport {
  std::string complaint;  // what was wrong first, empty: nothing
  std::int64_t requests = 0;
  std::int64_t steps = 0;
  std::int64_t preempted = 0, reused_rows = 0, accepted = 0, cancelled = 0, failed = 0;
  std::int64_t accepted_of_draft = 0;
  std::int64_t streams = 0;  // opened
  std::int64_t pushed_out = 0, invalidated_rows = 0, lost_rows = 0, swapped_in = 0;
};

DayReport SimulateDay(std::uint64_t seed, Plant plant = Plant::kNothing);

}  // namespace cairn::testing
