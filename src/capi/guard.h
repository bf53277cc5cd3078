// SPDX-License-Identifier: Apache-2.0
// The border to C: what leaves as a code and a text, and what never leaves.
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "cairn/cairn.h"

struct cairn_error {
  cairn_status code = CAIRN_OK;
  std::string message;
};

namespace cairn::capi {

cairn_status StatusOf(ErrorCode code);

// Hands `error` out where the caller wants it. Out of memory: the code alone.
cairn_status Report(Error error, cairn_error** to) noexcept;
cairn_status Report(cairn_status code, const char* message, cairn_error** to) noexcept;

// Runs `body`, which returns Result<void>. Nothing it throws gets out.
template <typename Body>
cairn_status Guard(cairn_error** error, Body body) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    Result<void> done = body();
    return done ? CAIRN_OK : Report(std::move(done).error(), error);
  } catch (const std::bad_alloc&) {
    return Report(CAIRN_OUT_OF_MEMORY, "out of memory", error);
  } catch (const std::exception& failure) {
    return Report(CAIRN_INTERNAL, failure.what(), error);
  } catch (...) {
    return Report(CAIRN_INTERNAL, "something that is no exception was thrown", error);
  }
}

// Errors: kInvalidArgument, naming the parameter.
[[nodiscard]] Result<void> NeedPointer(const void* pointer, const char* name);

// A text given by pointer and length; null only where it is empty. Errors: kInvalidArgument.
[[nodiscard]] Result<std::string_view> NeedText(const char* text, std::size_t length,
                                                const char* name);

}  // namespace cairn::capi
