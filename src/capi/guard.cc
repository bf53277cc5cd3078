// SPDX-License-Identifier: Apache-2.0
#include "capi/guard.h"

#include <fmt/format.h>

namespace cairn::capi {

cairn_status StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return CAIRN_INVALID_ARGUMENT;
    case ErrorCode::kNotFound: return CAIRN_NOT_FOUND;
    case ErrorCode::kCorrupt: return CAIRN_CORRUPT;
    case ErrorCode::kUnsupported: return CAIRN_UNSUPPORTED;
    case ErrorCode::kLimit: return CAIRN_LIMIT;
    case ErrorCode::kIo: return CAIRN_IO;
    case ErrorCode::kOutOfMemory: return CAIRN_OUT_OF_MEMORY;
    case ErrorCode::kCancelled: return CAIRN_CANCELLED;
    case ErrorCode::kNumeric: return CAIRN_NUMERIC;
    case ErrorCode::kBusy: return CAIRN_BUSY;
  }
  return CAIRN_INTERNAL;
}

cairn_status Report(Error error, cairn_error** to) noexcept {
  const cairn_status code = StatusOf(error.code);
  if (to != nullptr) *to = new (std::nothrow) cairn_error{code, std::move(error.message)};
  return code;
}

cairn_status Report(cairn_status code, const char* message, cairn_error** to) noexcept {
  if (to == nullptr) return code;
  try {
    *to = new cairn_error{code, message};
  } catch (...) {
    *to = nullptr;
  }
  return code;
}

Result<void> NeedPointer(const void* pointer, const char* name) {
  if (pointer != nullptr) return {};
  return Fail(ErrorCode::kInvalidArgument, fmt::format("the {} is NULL", name));
}

Result<std::string_view> NeedText(const char* text, std::size_t length, const char* name) {
  if (length > 0) OR_RETURN(NeedPointer(text, name));
  return length == 0 ? std::string_view() : std::string_view(text, length);
}

}  // namespace cairn::capi

const char* cairn_status_name(cairn_status status) {
  switch (status) {
    case CAIRN_OK: return "ok";
    case CAIRN_INVALID_ARGUMENT: return "invalid argument";
    case CAIRN_NOT_FOUND: return "not found";
    case CAIRN_CORRUPT: return "corrupt";
    case CAIRN_UNSUPPORTED: return "unsupported";
    case CAIRN_LIMIT: return "limit exceeded";
    case CAIRN_IO: return "input or output failed";
    case CAIRN_OUT_OF_MEMORY: return "out of memory";
    case CAIRN_CANCELLED: return "cancelled";
    case CAIRN_NUMERIC: return "not a finite number";
    case CAIRN_BUSY: return "busy";
    case CAIRN_INTERNAL: return "internal";
    default: return "unknown";
  }
}

cairn_status cairn_error_code(const cairn_error* error) {
  return error == nullptr ? CAIRN_OK : error->code;
}

const char* cairn_error_message(const cairn_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}

void cairn_error_free(cairn_error* error) { delete error; }
