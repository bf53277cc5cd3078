// SPDX-License-Identifier: Apache-2.0
// Random weights as files store them: every bit pattern is a valid block, the values spread around
// zero with about the standard deviation asked for. For tests: equal arguments give equal bytes on
// every machine.
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "tensor/format.h"

namespace cairn::testing {

// Stored bytes of `values` random weights. Requires whole blocks and a format with a matmul
// (CAIRN_CHECK). `spread` is the standard deviation, 0 < spread < 1000; blocks differ in their
// scales by a factor of up to two, so that a scale taken from the wrong block shows.
std::vector<std::byte> RandomBlocks(tensor::Format format, std::size_t values, std::uint64_t seed,
                                    double spread = 1.0);

// Given values in a float format (kF32, kF16, kBF16; anything else is a CAIRN_CHECK), rounded to
// nearest even.
std::vector<std::byte> StoreFloats(tensor::Format format, std::span<const float> values);

}  // namespace cairn::testing
