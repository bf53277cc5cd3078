// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfenv>
#include <string>

#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace cairn::kernels {
namespace {

TEST(IsaTest, PortableIsAlwaysThereAndThePreferenceAscends) {
  const std::vector<Isa> isas = AvailableIsas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(isas.front(), Isa::kPortable);
  EXPECT_TRUE(std::ranges::is_sorted(isas));
}

TEST(IsaTest, TableNamesItsOwnInstructionSet) {
  for (const Isa isa : AvailableIsas()) EXPECT_EQ(KernelsFor(isa).isa, isa) << IsaName(isa);
}

TEST(ChooseIsaTest, NothingForcedGivesTheBest) {
  EXPECT_EQ(ChooseIsa(std::nullopt).value(), AvailableIsas().back());
  EXPECT_EQ(ChooseIsa("").value(), AvailableIsas().back());
}

TEST(ChooseIsaTest, EveryAvailableOneCanBeForced) {
  for (const Isa isa : AvailableIsas()) EXPECT_EQ(ChooseIsa(IsaName(isa)).value(), isa);
}

TEST(ChooseIsaTest, UnknownWordNamesTheWordsThatWork) {
  for (const char* word : {"sse2", "AVX2", "avx2 ", "avx", "?"}) {
    const Result<Isa> isa = ChooseIsa(word);
    ASSERT_FALSE(isa.has_value()) << word;
    EXPECT_EQ(isa.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(isa.error().message.find(word), std::string::npos);
    EXPECT_NE(isa.error().message.find("portable"), std::string::npos);
  }
}

TEST(ChooseIsaTest, KnownWordThatTheMachineLacksIsUnsupported) {
  const std::vector<Isa> available = AvailableIsas();
  for (const Isa isa : kAllIsas) {
    if (std::ranges::find(available, isa) != available.end()) continue;
    const Result<Isa> chosen = ChooseIsa(IsaName(isa));
    ASSERT_FALSE(chosen.has_value());
    EXPECT_EQ(chosen.error().code, ErrorCode::kUnsupported);
  }
}

#if defined(__x86_64__)
TEST(FloatEnvironmentTest, SetsTheDefaultAndRestoresWhatWas) {
  const unsigned before = _mm_getcsr();
  const unsigned strange = before | 0x8040u | 0x6000u;  // flush to zero, denormals zero, truncate
  _mm_setcsr(strange);
  float kept;
  {
    const FloatEnvironment environment;
    EXPECT_EQ(_mm_getcsr() & 0xffc0u, 0x1f80u);
    volatile float tiny = 0x1p-140f;
    kept = tiny * 0.5f;
  }
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(after, strange);
  EXPECT_EQ(kept, 0x1p-141f);
}
#elif defined(__aarch64__)
TEST(FloatEnvironmentTest, SetsTheDefaultAndRestoresWhatWas) {
  const unsigned before = __builtin_aarch64_get_fpcr();
  constexpr unsigned kStrange = 0x3c00000u;  // flush to zero, default NaNs, truncate
  __builtin_aarch64_set_fpcr(kStrange);
  float kept;
  {
    const FloatEnvironment environment;
    EXPECT_EQ(__builtin_aarch64_get_fpcr(), 0u);
    volatile float tiny = 0x1p-140f;
    kept = tiny * 0.5f;
  }
  const unsigned after = __builtin_aarch64_get_fpcr();
  __builtin_aarch64_set_fpcr(before);
  EXPECT_EQ(after, kStrange);
  EXPECT_EQ(kept, 0x1p-141f);
}
#endif

}  // namespace
}  // namespace cairn::kernels
