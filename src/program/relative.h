// SPDX-License-Identifier: Apache-2.0
// Buckets of relative positions, as T5 has them: half for keys behind the query, half for those
// after it; in each half single distances, then ranges that grow by a constant factor up to a
// distance of 128, then all that is farther (docs/canonical.md, section 6). Threads: a pure
// function. Source: the paper of T5, section 2.1, and its released models.
#pragma once

namespace cairn::program {

// The bucket of a key `ahead` positions after the query (negative: before it). `buckets`: how many
// there are, a multiple of 4 and at most 1024.
int RelativeBucket(int ahead, int buckets);

}  // namespace cairn::program
