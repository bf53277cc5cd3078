// SPDX-License-Identifier: Apache-2.0
// Structs that know their size: how programs and libraries of different versions understand each
// other (include/cairn/cairn.h, "Structs").
// Threads: pure functions.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/error.h"

namespace cairn::capi {

// A size beyond any version's: it was not set.
inline constexpr std::size_t kMostStructBytes = 4096;

[[nodiscard]] inline Result<void> CheckSize(const char* name, std::size_t size, std::size_t least) {
  if (size >= least && size <= kMostStructBytes) return {};
  return Fail(
      ErrorCode::kInvalidArgument,
      fmt::format("{}.size is {}, expected sizeof({}), at least {}", name, size, name, least));
}

// The options a caller gave (null: `defaults`). `least`: the size of the first version, what every
// caller has. Members that the caller's version lacks are `defaults`'; bytes that ours lacks must
// be 0, or they ask for something that is not done. Errors: kInvalidArgument.
template <typename T>
[[nodiscard]] Result<T> ReadStruct(const char* name, const T* given, std::size_t least,
                                   const T& defaults) {
  if (given == nullptr) return defaults;
  const std::size_t size = given->size;
  OR_RETURN(CheckSize(name, size, least));
  const auto* bytes = reinterpret_cast<const std::byte*>(given);
  if (size > sizeof(T) &&
      std::any_of(bytes + sizeof(T), bytes + size, [](std::byte b) { return b != std::byte{0}; })) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} has members that this version of the library does not know", name));
  }
  T read = defaults;
  std::memcpy(&read, given, std::min(size, sizeof(T)));
  read.size = sizeof(T);
  return read;
}

// Defaults into a caller's struct of `size` bytes, those of members we lack 0. Too small or absurd
// sizes: nothing is written but the size, which the next call refuses.
template <typename T>
void InitStruct(T* to, std::size_t size, std::size_t least, const T& defaults) {
  if (to == nullptr || size < sizeof(std::size_t) || size > kMostStructBytes) return;
  if (size >= least) {
    std::memset(static_cast<void*>(to), 0, size);
    std::memcpy(static_cast<void*>(to), &defaults, std::min(size, sizeof(T)));
  }
  to->size = size;
}

// What a caller asked to be filled, as far as its version goes. Errors: kInvalidArgument.
template <typename T>
[[nodiscard]] Result<void> WriteStruct(const char* name, T* to, std::size_t least, const T& from) {
  if (to == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("the {} is NULL", name));
  }
  const std::size_t size = to->size;
  OR_RETURN(CheckSize(name, size, least));
  std::memset(static_cast<void*>(to), 0, size);
  std::memcpy(static_cast<void*>(to), &from, std::min(size, sizeof(T)));
  to->size = size;
  return {};
}

}  // namespace cairn::capi
