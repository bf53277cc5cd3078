// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "base/check.h"

namespace cairn::kernels {

#if defined(__x86_64__)
namespace avx512 {
extern const Kernels kTable;
}
namespace avx2 {
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
    case Isa::kAvx2: return avx2::kTable;
#else
    case Isa::kAvx512:
    case Isa::kAvx2: break;
#endif
    case Isa::kPortable: return portable::kTable;
  }
  CAIRN_CHECK(false && "an instruction set that this program does not have");
  return portable::kTable;
}

int AttendScratchFloats(int head_dim, int group) {
  const int queries = kAttendRows * group;
  // Scaled queries, two states each, scores of up to 8 queries, a widened tile (isa/attend.cc).
  return queries * (head_dim + 2 * (32 + head_dim)) + 8 * kTilePositions +
         2 * head_dim * kTilePositions;
}

PartRange VisibleParts(std::int64_t position, int window) {
  const std::int64_t begin = window > 0 && position >= window ? position - window + 1 : 0;
  return {static_cast<int>(begin / kPartPositions), static_cast<int>(position / kPartPositions)};
}

#if defined(__x86_64__)
namespace {
// Round to nearest, denormals kept, exceptions masked: the processor's state after reset.
constexpr unsigned kDefaultControl = 0x1f80;
}  // namespace
FloatEnvironment::FloatEnvironment() : saved_(_mm_getcsr()) { _mm_setcsr(kDefaultControl); }
FloatEnvironment::~FloatEnvironment() { _mm_setcsr(saved_); }
#else
FloatEnvironment::FloatEnvironment() : saved_(0) {}
FloatEnvironment::~FloatEnvironment() = default;
#endif

}  // namespace cairn::kernels
