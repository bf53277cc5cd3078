// SPDX-License-Identifier: Apache-2.0
// Any machine: GCC's generic vectors of 16 lanes. Fma goes lane by lane through fmaf, which rounds
// once everywhere. See lanes-inl.h.
#pragma once

#pragma GCC diagnostic ignored "-Wpsabi"  // every function below is inlined: no vector is passed

namespace cairn::kernels::CAIRN_ISA {

inline constexpr int kLanes = 16;
typedef float VF __attribute__((vector_size(64)));
typedef int32_t VI __attribute__((vector_size(64)));
typedef uint32_t VU __attribute__((vector_size(64)));
typedef uint8_t VB __attribute__((vector_size(64)));

CAIRN_INLINE VF Set1(float x) {  // not VF{} + x, which would lose the sign of -0
  return VF{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}
CAIRN_INLINE VF Zero() { return VF{}; }
CAIRN_INLINE VF Load(const float* p) {
  VF v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
CAIRN_INLINE void Store(float* p, VF v) { __builtin_memcpy(p, &v, sizeof(v)); }
CAIRN_INLINE VF Add(VF a, VF b) { return a + b; }
CAIRN_INLINE VF Sub(VF a, VF b) { return a - b; }
CAIRN_INLINE VF Mul(VF a, VF b) { return a * b; }
CAIRN_INLINE VF Div(VF a, VF b) { return a / b; }
// Out of line: sixteen calls of fmaf for every Fma of an unrolled tile take minutes to compile.
__attribute__((noinline, unused)) static void FmaLanes(const float* a, const float* b, float* c) {
  for (int i = 0; i < kLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
}
CAIRN_INLINE VF Fma(VF a, VF b, VF c) {
  FmaLanes(reinterpret_cast<const float*>(&a), reinterpret_cast<const float*>(&b),
           reinterpret_cast<float*>(&c));
  return c;
}
CAIRN_INLINE VF Max(VF a, VF b) { return a > b ? a : b; }
CAIRN_INLINE VF Min(VF a, VF b) { return a < b ? a : b; }
CAIRN_INLINE VF IfLess(VF a, VF b, VF x, VF y) { return a < b ? x : y; }

CAIRN_INLINE VI ZeroI() { return VI{}; }
CAIRN_INLINE VI Set1I(int32_t x) { return VI{} + x; }
CAIRN_INLINE VI LoadI(const int32_t* p) {
  VI v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
CAIRN_INLINE void StoreI(int32_t* p, VI v) { __builtin_memcpy(p, &v, sizeof(v)); }
CAIRN_INLINE VI AddI(VI a, VI b) { return (VI)((VU)a + (VU)b); }  // wraps, as everywhere
CAIRN_INLINE VI AndI(VI a, VI b) { return a & b; }
CAIRN_INLINE VB AndI(VB a, VB b) { return a & b; }
CAIRN_INLINE VI OrI(VI a, VI b) { return a | b; }
CAIRN_INLINE VB OrI(VB a, VB b) { return a | b; }
template <int kBits>
CAIRN_INLINE VI ShiftLeft(VI a) {
  return (VI)((VU)a << kBits);
}
template <int kBits>
CAIRN_INLINE VI ShiftRight(VI a) {
  return (VI)((VU)a >> kBits);
}
template <int kBits>
CAIRN_INLINE VB ShiftLeft(VB a) {
  return (VB)((VU)a << kBits);
}
template <int kBits>
CAIRN_INLINE VB ShiftRight(VB a) {
  return (VB)((VU)a >> kBits);
}
CAIRN_INLINE VI BitsOf(VF a) { return (VI)a; }
CAIRN_INLINE VF FloatOfBits(VI a) { return (VF)a; }
CAIRN_INLINE VI MaxI(VI a, VI b) { return a > b ? a : b; }
CAIRN_INLINE int32_t ReduceMaxI(VI a) {
  int32_t most = a[0];
  for (int i = 1; i < kLanes; ++i) most = a[i] > most ? a[i] : most;
  return most;
}
CAIRN_INLINE int32_t ReduceAddI(VI a) {
  int32_t sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += a[i];
  return sum;
}
CAIRN_INLINE float ReduceMax(VF a) {
  float most = a[0];
  for (int i = 1; i < kLanes; ++i) most = a[i] > most ? a[i] : most;
  return most;
}
CAIRN_INLINE void StoreBytes(uint8_t* p, VI v) {
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<uint8_t>(v[i]);
}
// The low byte of each lane; values must fit u8.
CAIRN_INLINE void StoreUnsignedBytes(uint8_t* p, VI v) { StoreBytes(p, v); }
// The sum of lanes that fit int8.
CAIRN_INLINE int32_t SumOfBytes(VI v) { return ReduceAddI(v); }
// Adding 1.5 * 2^23 leaves the nearest integer, ties to even, in the low bits.
CAIRN_INLINE VI RoundToInt(VF a) {
  const VF magic = Set1(12582912.0f);
  return __builtin_convertvector((a + magic) - magic, VI);
}
CAIRN_INLINE VF ToFloat(VI a) { return __builtin_convertvector(a, VF); }

CAIRN_INLINE float FloatOfHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t rest = half & 0x7fffu;
  uint32_t bits;
  float value;
  if (rest >= 0x7c00u) {
    bits = sign | 0x7f800000u | ((rest & 0x3ffu) << 13) | (rest > 0x7c00u ? 0x400000u : 0u);
    __builtin_memcpy(&value, &bits, 4);
    return value;
  }
  if (rest < 0x400u) {  // subnormal: an integer times 2^-24
    value = static_cast<float>(rest) * 5.9604644775390625e-08f;
    __builtin_memcpy(&bits, &value, 4);
    bits |= sign;
  } else {
    bits = sign | ((rest + 0x1c000u) << 13);
  }
  __builtin_memcpy(&value, &bits, 4);
  return value;
}
CAIRN_INLINE uint16_t HalfOfFloat(float value) {  // |value| <= 65504, or not finite
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((rest >> 13) & 0x1ffu));
  if (rest == 0x7f800000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (rest < 0x38800000u) {  // becomes subnormal: round value * 2^24 to an integer
    float magnitude;
    __builtin_memcpy(&magnitude, &rest, 4);
    const float scaled = magnitude * 16777216.0f;
    const float rounded = (scaled + 8388608.0f) - 8388608.0f;
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(rounded));
  }
  const uint32_t rounded = rest + 0xfffu + ((rest >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}
CAIRN_INLINE VF LoadHalf(const uint16_t* p) {
  VF v;
  for (int i = 0; i < kLanes; ++i) v[i] = FloatOfHalf(p[i]);
  return v;
}
CAIRN_INLINE VF BoundHalf(VF v) {  // finite values only: infinities must not become numbers
  const VF magnitude = FloatOfBits(AndI(BitsOf(v), Set1I(0x7fffffff)));
  const VF bounded = Max(Set1(-65504.0f), Min(Set1(65504.0f), v));
  return IfLess(magnitude, Set1(__builtin_inff()), bounded, v);
}
CAIRN_INLINE void StoreHalf(uint16_t* p, VF v) {
  const VF bounded = BoundHalf(v);
  for (int i = 0; i < kLanes; ++i) p[i] = HalfOfFloat(bounded[i]);
}
CAIRN_INLINE VF LoadBf16(const uint16_t* p) {
  VI v;
  for (int i = 0; i < kLanes; ++i) v[i] = static_cast<int32_t>(static_cast<uint32_t>(p[i]) << 16);
  return FloatOfBits(v);
}
CAIRN_INLINE VF LoadU8(const uint8_t* p) {
  VF v;
  for (int i = 0; i < kLanes; ++i) v[i] = p[i];
  return v;
}
CAIRN_INLINE VF LoadS8(const int8_t* p) {
  VF v;
  for (int i = 0; i < kLanes; ++i) v[i] = p[i];
  return v;
}

CAIRN_INLINE VB LoadB(const uint8_t* p) {
  VB v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
CAIRN_INLINE VB Set1B(uint8_t x) { return VB{} + x; }

inline constexpr bool kBiasWide = true;
// In 16 bits, so that the compiler multiplies and adds pairs. Out of line as FmaLanes.
__attribute__((noinline, unused)) static void DotLanes(const uint8_t* w, const uint8_t* quad,
                                                       int32_t* acc) {
  int16_t a[4];
  for (int i = 0; i < 4; ++i) a[i] = static_cast<int8_t>(quad[i]);
  for (int lane = 0; lane < kLanes; ++lane) {
    int32_t sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<int16_t>(w[4 * lane + i]) * a[i];
    acc[lane] += sum;
  }
}
template <bool kWide>
CAIRN_INLINE VI Dot(VI acc, VB weights, const uint8_t* quad) {
  DotLanes(reinterpret_cast<const uint8_t*>(&weights), quad, reinterpret_cast<int32_t*>(&acc));
  return acc;
}

// The same with the signs the other way round: u8 that are the same for all lanes, s8 by lane.
CAIRN_INLINE VI DotUnsigned(VI acc, const uint8_t* quad, VB values) {
  const auto* v = reinterpret_cast<const int8_t*>(&values);
  for (int lane = 0; lane < kLanes; ++lane) {
    int32_t sum = 0;
    for (int i = 0; i < 4; ++i) sum += v[4 * lane + i] * quad[i];
    acc[lane] += sum;
  }
  return acc;
}

}  // namespace cairn::kernels::CAIRN_ISA
