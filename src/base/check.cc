// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace cairn::internal {

void CheckFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "cairn: internal error at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace cairn::internal
