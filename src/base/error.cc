// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

namespace cairn {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid argument";
    case ErrorCode::kNotFound: return "not found";
    case ErrorCode::kCorrupt: return "corrupt";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kLimit: return "limit exceeded";
    case ErrorCode::kIo: return "input or output failed";
    case ErrorCode::kOutOfMemory: return "out of memory";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kNumeric: return "not a finite number";
    case ErrorCode::kBusy: return "busy";
  }
  return "unknown";
}

Error Error::Within(std::string_view context) && {
  message.insert(0, ": ").insert(0, context);
  return std::move(*this);
}

std::unexpected<Error> Fail(ErrorCode code, std::string message, std::string subject) {
  return std::unexpected<Error>(Error{code, std::move(message), std::move(subject)});
}

}  // namespace cairn
