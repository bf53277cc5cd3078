// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>

#include "base/check.h"

namespace cairn::kernels {

#if defined(__x86_64__)
namespace avx512 {
extern const Kernels kTable;
}
namespace avx_vnni {
extern const Kernels kTable;
}
namespace avx2 {
extern const Kernels kTable;
}
#elif defined(__aarch64__)
namespace neon {
extern const Kernels kTable;
}
#endif
namespace portable {
extern const Kernels kTable;
}

const Kernels& KernelsFor(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx512: return avx512::kTable;
    case Isa::kAvxVnni: return avx_vnni::kTable;
    case Isa::kAvx2: return avx2::kTable;
#elif defined(__aarch64__)
    case Isa::kNeon: return neon::kTable;
#endif
    case Isa::kPortable: return portable::kTable;
    default: break;
  }
  CAIRN_CHECK(false && "an instruction set that this program does not have");
  return portable::kTable;
}

int AttendScratchFloats(int head_dim, int group) {
  const int queries = kAttendRows * std::min(group, kMostGroup);
  // Two states each and scores of up to 8 queries (isa/attend-inl.h), then what a format needs:
  // scaled queries and a widened tile (isa/attend_float.cc), which is more than q8 does.
  return queries * (head_dim + 2 * (32 + head_dim)) + 8 * kTilePositions +
         2 * head_dim * kTilePositions;
}

PartRange VisibleParts(std::int64_t position, int window, std::int64_t end, bool chunked) {
  const std::int64_t begin = FirstVisible(position, window, chunked);
  std::int64_t last = end > 0 ? end - 1 : position;
  if (window > 0) last = std::min(last, position + window - 1);
  return {static_cast<int>(begin / kPartPositions), static_cast<int>(last / kPartPositions)};
}

#if defined(__x86_64__)
namespace {
// Round to nearest, denormals kept, exceptions masked: the processor's state after reset.
constexpr unsigned kDefaultControl = 0x1f80;
}  // namespace
FloatEnvironment::FloatEnvironment() : saved_(_mm_getcsr()) { _mm_setcsr(kDefaultControl); }
FloatEnvironment::~FloatEnvironment() { _mm_setcsr(saved_); }
#elif defined(__aarch64__)
// All bits off: round to nearest, denormals kept, NaNs handed on, no traps, IEEE halves.
FloatEnvironment::FloatEnvironment() : saved_(__builtin_aarch64_get_fpcr()) {
  __builtin_aarch64_set_fpcr(0);
}
FloatEnvironment::~FloatEnvironment() { __builtin_aarch64_set_fpcr(saved_); }
#else
FloatEnvironment::FloatEnvironment() : saved_(0) {}
FloatEnvironment::~FloatEnvironment() = default;
#endif

}  // namespace cairn::kernels
