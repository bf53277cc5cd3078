// SPDX-License-Identifier: Apache-2.0
// Result and Error: how every function of Cairn says that something did not work.
//
// Errors are values. A function that can fail for a reason outside this program (a file, a user,
// a client, the machine) returns Result<T> and is marked [[nodiscard]]. Broken invariants of our
// own abort through CAIRN_CHECK (base/check.h). Exceptions of libraries are caught at the edge of
// the room that calls them.
// Threads: an Error is a plain value.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

// What kind of failure. Stable: exit codes, HTTP states and tests are derived from it.
enum class ErrorCode {
  kInvalidArgument,  // the caller or user asked for something that has no meaning
  kNotFound,         // a file, model, tensor or name does not exist
  kCorrupt,          // a file contradicts itself or is cut short
  kUnsupported,      // well-formed, but nothing here can run it
  kLimit,            // a configured cap, a context or a budget is exceeded
  kIo,               // the operating system refused or failed
  kOutOfMemory,      // memory could not be had
  kCancelled,        // the caller withdrew the request
  kNumeric,          // a computation left the finite numbers
  kBusy,             // too many wait already; the same would be taken later
};

// The code's name in lower case, e.g. "not found". Never empty.
std::string_view ErrorCodeName(ErrorCode code);

// One sentence for a person: what, where, what was expected, and what to do where that is known.
// No trailing full stop, no line break.
struct Error {
  ErrorCode code;
  std::string message;
  std::string subject = {};  // the option or member that is wrong, where it is one and known

  // The same error with "context: " in front of the message.
  [[nodiscard]] Error Within(std::string_view context) &&;
};

template <typename T>
using Result = std::expected<T, Error>;

// std::unexpected of an Error, for `return Fail(ErrorCode::kCorrupt, ...)`.
[[nodiscard]] std::unexpected<Error> Fail(ErrorCode code, std::string message,
                                          std::string subject = {});

// Drops a result on purpose. `reason` is for the reader.
template <typename T>
void IgnoreResult(const Result<T>& /*result*/, const char* /*reason*/) {}

}  // namespace cairn

// Evaluates `expr` (a Result); on failure returns its Error from the enclosing function, otherwise
// is the value. GCC and Clang statement expression.
#define OR_RETURN(expr)                                                            \
  ({                                                                               \
    auto or_return_result = (expr);                                                \
    if (!or_return_result) {                                                       \
      return std::unexpected<::cairn::Error>(std::move(or_return_result).error()); \
    }                                                                              \
    ::cairn::internal::TakeValue(or_return_result);                                \
  })

namespace cairn::internal {
template <typename T>
T TakeValue(Result<T>& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace cairn::internal
