// SPDX-License-Identifier: Apache-2.0
// Any machine: GCC's generic vectors of four lanes, the width that SSE2 and NEON hold in a
// register. Wider ones live in memory, and every operation passes through it. The canonical vector
// is four of them. No intrinsics. See lanes-inl.h.
#pragma once

#pragma GCC diagnostic ignored "-Wpsabi"  // every function below is inlined: no vector is passed

namespace cairn::kernels::CAIRN_ISA {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lanes are cut into smaller ones below");

inline constexpr int kLanes = 4;
typedef float VF __attribute__((vector_size(16)));
typedef double VD __attribute__((vector_size(16)));
typedef int64_t VL __attribute__((vector_size(16)));
typedef int32_t VI __attribute__((vector_size(16)));
typedef uint32_t VU __attribute__((vector_size(16)));
typedef int16_t VH __attribute__((vector_size(16)));
typedef uint16_t VUH __attribute__((vector_size(16)));
typedef uint8_t VB __attribute__((vector_size(16)));

CAIRN_INLINE VF Set1(float x) { return VF{x, x, x, x}; }  // VF{} + x would lose the sign of -0
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
#ifdef __FP_FAST_FMAF
CAIRN_INLINE VF Fma(VF a, VF b, VF c) {
  for (int i = 0; i < kLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
#else
// Without an instruction for it, in doubles: the product is exact, the sum is rounded to 53 bits,
// then to float. Two roundings differ from one only where the first ends exactly between two
// floats: in normal floats the 29 bits that go are then 1 and zeros; results below 2^-126 have
// fewer bits, so that all of them but zero, which is exact, count as rare. The rare ones are made
// by fmaf, out of line; a correction without a branch (rounding to odd) costs every Fma 20
// instructions.
CAIRN_INLINE VD Low(VF a) { return VD{a[0], a[1]}; }
CAIRN_INLINE VD High(VF a) { return VD{a[2], a[3]}; }
__attribute__((noinline, cold, unused)) static VF FmaOneByOne(VF a, VF b, VF c) {
  for (int i = 0; i < kLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
CAIRN_INLINE VF Fma(VF a, VF b, VF c) {
  const VD low = Low(a) * Low(b) + Low(c);
  const VD high = High(a) * High(b) + High(c);
  const VI rest = __builtin_shufflevector((VI)low, (VI)high, 0, 2, 4, 6);
  const VI top = __builtin_shufflevector((VI)low, (VI)high, 1, 3, 5, 7) & 0x7fffffff;
  const VI between = (rest & 0x1fffffff) == 0x10000000;
  const VI small = (top > 0) & (top < 0x38100000);  // below 2^-126
  const VL rare = (VL)(between | small);
  if (__builtin_expect((rare[0] | rare[1]) != 0, 0)) return FmaOneByOne(a, b, c);
  return __builtin_convertvector(__builtin_shufflevector(low, high, 0, 1, 2, 3), VF);
}
#endif
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
CAIRN_INLINE VI ShiftRightSigned(VI a) {
  return a >> kBits;
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
  uint32_t sum = 0;  // wraps
  for (int i = 0; i < kLanes; ++i) sum += static_cast<uint32_t>(a[i]);
  return static_cast<int32_t>(sum);
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
CAIRN_INLINE VI LoadU8I(const uint8_t* p) {
  VI v;
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
CAIRN_INLINE VB BytesOf(VI v) { return (VB)v; }
CAIRN_INLINE VB LoadTable(const uint8_t* p) { return LoadB(p); }
CAIRN_INLINE VB LookUp(VB table, VB codes) {  // SSE2 has no such instruction
  uint8_t entries[16], at[16], found[16];
  __builtin_memcpy(entries, &table, 16);
  __builtin_memcpy(at, &codes, 16);
  for (int i = 0; i < 16; ++i) found[i] = entries[at[i] & 15];
  return LoadB(found);
}
CAIRN_INLINE VB Set1B(uint8_t x) { return VB{} + x; }

// Products are made in 16 bits, bytes 0 and 2 of each lane apart from 1 and 3: u8 * s8 fits, and so
// does the sum of two if the unsigned ones have at most 7 bits (2 * 127 * 128 < 2^15).
CAIRN_INLINE VI FourBytes(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return Set1I(four);
}
CAIRN_INLINE VH EvenUnsigned(VU a) { return (VH)((VUH)a & 0xff); }
CAIRN_INLINE VH OddUnsigned(VU a) { return (VH)((VUH)a >> 8); }
CAIRN_INLINE VH EvenSigned(VU a) { return (VH)((VUH)a << 8) >> 8; }
CAIRN_INLINE VH OddSigned(VU a) { return (VH)a >> 8; }
CAIRN_INLINE VI AddHalves(VI acc, VH products) {
  const VI low = (VI)((VU)products << 16) >> 16;
  return AddI(acc, AddI(low, (VI)products >> 16));
}

inline constexpr bool kBiasWide = true;
template <bool kWide>
CAIRN_INLINE VI Dot(VI acc, VB weights, const uint8_t* quad) {
  const VU w = (VU)weights, a = (VU)FourBytes(quad);
  const VH even = EvenUnsigned(w) * EvenSigned(a);
  const VH odd = OddUnsigned(w) * OddSigned(a);
  if constexpr (kWide) return AddHalves(AddHalves(acc, even), odd);
  return AddHalves(acc, even + odd);
}

// The same with the signs the other way round: u8 that are the same for all lanes, s8 by lane.
CAIRN_INLINE VI DotUnsigned(VI acc, const uint8_t* quad, VB values) {
  const VU w = (VU)FourBytes(quad), v = (VU)values;
  const VH even = EvenUnsigned(w) * EvenSigned(v);
  const VH odd = OddUnsigned(w) * OddSigned(v);
  return AddHalves(AddHalves(acc, even), odd);
}

}  // namespace cairn::kernels::CAIRN_ISA
