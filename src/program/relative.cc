// SPDX-License-Identifier: Apache-2.0
#include "program/relative.h"

#include <algorithm>
#include <cmath>

namespace cairn::program {

int RelativeBucket(int ahead, int buckets) {
  constexpr double kFarthest = 128;
  const int half = buckets / 2;
  const int single = half / 2;
  const int side = ahead > 0 ? half : 0;
  const int distance = std::abs(ahead);
  if (distance < single) return side + distance;
  // The first of the growing ranges whose end lies beyond the distance. Borders are compared and no
  // logarithm is taken, so that a distance on one falls to the same side everywhere.
  int bucket = single;
  while (bucket + 1 < half) {
    const double end =
        single * std::pow(kFarthest / single, double(bucket + 1 - single) / (half - single));
    // A border that is a whole number is one also where pow gives a little less or more.
    const double whole = std::round(end);
    if (distance < (std::abs(end - whole) < 1e-6 ? whole : end)) break;
    ++bucket;
  }
  return side + bucket;
}

}  // namespace cairn::program
