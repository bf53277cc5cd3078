// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most, measured in the run that reports it.
// Threads: uses the team handed in; one caller.
#pragma once

#include "base/error.h"
#include "kernels/kernels.h"
#include "parallel/team.h"

namespace cairn::apps {

struct Peaks {
  double bandwidth_gb_s = 0;  // 10^9 bytes read per second by all workers over 1 GiB, best of five
  double int8_tops = 0;       // 10^12 int8 multiplies and adds per second, best of five
};

// Errors: kOutOfMemory where 1 GiB cannot be had.
[[nodiscard]] Result<Peaks> MeasurePeaks(const kernels::Kernels& kernels,
                                         parallel::WorkerTeam& team);

}  // namespace cairn::apps
