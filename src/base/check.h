// SPDX-License-Identifier: Apache-2.0
// CAIRN_CHECK: aborts when an invariant of our own is broken. Never reachable from a user's input,
// a file or a client; those return an Error (base/error.h).
// Threads: from any thread.
#pragma once

namespace cairn::internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace cairn::internal

#define CAIRN_CHECK(condition)                       \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::cairn::internal::CheckFailed(__FILE__, __LINE__, #condition))
