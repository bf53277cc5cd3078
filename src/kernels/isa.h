// SPDX-License-Identifier: Apache-2.0
// The instruction sets Cairn has kernels for, and the one place where one is chosen.
// Threads: free functions without state.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::kernels {

// Ascending preference. kAvx512 is F, BW, DQ, VL and VNNI; kAvx2 includes FMA and F16C; kAvxVnni is
// kAvx2 with dot products; kNeon is ARMv8 with the dot products of ARMv8.2 (SDOT).
enum class Isa { kPortable, kNeon, kAvx2, kAvxVnni, kAvx512 };
inline constexpr Isa kAllIsas[] = {Isa::kPortable, Isa::kNeon, Isa::kAvx2, Isa::kAvxVnni,
                                   Isa::kAvx512};

// "portable", "neon", "avx2", "avx_vnni", "avx512": the words of CAIRN_ISA and of every report.
std::string_view IsaName(Isa isa);

// Every instruction set that this program was built with and this machine (and its operating
// system) can run, in ascending preference. Never empty.
std::vector<Isa> AvailableIsas();

// The instruction set to use: `forced` (the value of CAIRN_ISA; empty or absent = the best one).
// Errors: kInvalidArgument for an unknown word, kUnsupported for one this machine lacks; both name
// the words that would work.
[[nodiscard]] Result<Isa> ChooseIsa(std::optional<std::string_view> forced);

}  // namespace cairn::kernels
