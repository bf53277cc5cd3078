// SPDX-License-Identifier: Apache-2.0
// Conversions between f32 and the 16-bit float types, exact or to nearest even.
// Threads: pure functions.
#pragma once

#include <bit>
#include <cstdint>

namespace cairn::tensor {

constexpr float FloatOfHalf(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t rest = half & 0x7fffu;
  if (rest >= 0x7c00u) {  // infinity, or not a number (made quiet)
    return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13 |
                                (rest > 0x7c00u ? 0x400000u : 0u));
  }
  if (rest < 0x400u) {  // subnormal: an integer times 2^-24
    return std::bit_cast<float>(sign |
                                std::bit_cast<std::uint32_t>(static_cast<float>(rest) * 0x1p-24f));
  }
  return std::bit_cast<float>(sign | (rest + 0x1c000u) << 13);
}

// To nearest even; overflows to infinity as IEEE says.
constexpr std::uint16_t HalfOfFloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  const std::uint32_t rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) {
    return static_cast<std::uint16_t>(sign | 0x7e00u | (rest >> 13 & 0x1ffu));
  }
  if (rest >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (rest < 0x38800000u) {
    const float scaled = std::bit_cast<float>(rest) * 0x1p24f;
    const float rounded = (scaled + 0x1p23f) - 0x1p23f;
    return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(rounded));
  }
  const std::uint32_t rounded = rest + 0xfffu + (rest >> 13 & 1u);
  return static_cast<std::uint16_t>(sign | (rounded - 0x38000000u) >> 13);
}

constexpr float FloatOfBf16(std::uint16_t bf16) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bf16) << 16);
}

// To nearest even; not-a-number stays so.
constexpr std::uint16_t Bf16OfFloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace cairn::tensor
