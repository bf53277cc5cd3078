// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace cairn::kernels {

std::string_view IsaName(Isa isa) {
  switch (isa) {
    case Isa::kPortable: return "portable";
    case Isa::kNeon: return "neon";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvxVnni: return "avx_vnni";
    case Isa::kAvx512: return "avx512";
  }
  return "?";
}

// __builtin_cpu_supports asks the processor and whether the system saves the registers.
std::vector<Isa> AvailableIsas() {
  std::vector<Isa> isas{Isa::kPortable};
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  if (avx2) isas.push_back(Isa::kAvx2);
  if (avx2 && __builtin_cpu_supports("avxvnni")) isas.push_back(Isa::kAvxVnni);
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    isas.push_back(Isa::kAvx512);
  }
#elif defined(__aarch64__)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) isas.push_back(Isa::kNeon);
#endif
  return isas;
}

Result<Isa> ChooseIsa(std::optional<std::string_view> forced) {
  const std::vector<Isa> available = AvailableIsas();
  if (!forced || forced->empty()) return available.back();
  std::vector<std::string_view> names;
  for (const Isa isa : available) {
    if (IsaName(isa) == *forced) return isa;
    names.push_back(IsaName(isa));
  }
  for (const Isa isa : kAllIsas) {
    if (IsaName(isa) == *forced) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("CAIRN_ISA={}: this machine lacks it; it has {}", *forced,
                              fmt::join(names, ", ")));
    }
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("CAIRN_ISA={}: unknown instruction set; this machine has {}", *forced,
                          fmt::join(names, ", ")));
}

}  // namespace cairn::kernels
