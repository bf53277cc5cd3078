// SPDX-License-Identifier: Apache-2.0
#include "server/allowances.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

using std::chrono::seconds;

class AllowancesTest : public ::testing::Test {
 protected:
  // Whether an answer may begin, its place being free again at once; else after how many seconds.
  std::int64_t Wait(const KeyLimits& limits, const std::string& holder = "eve") {
    std::int64_t wait = 0;
    const auto place = allowances_.Begin(holder, limits, now_, wait);
    return place ? 0 : wait;
  }
  Allowances allowances_;
  Allowances::Time now_;
};

TEST_F(AllowancesTest, WithoutLimitsEverythingBegins) {
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Wait({}), 0);
}

TEST_F(AllowancesTest, RequestsAMinuteFillEvenlyAndOtherKeysAreNotTouched) {
  const KeyLimits limits{.requests = 6};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Wait(limits), 0) << i;
  EXPECT_EQ(Wait(limits), 10);
  EXPECT_EQ(Wait(limits, "bob"), 0);
  now_ += seconds(9);
  EXPECT_EQ(Wait(limits), 1);
  now_ += seconds(1);
  EXPECT_EQ(Wait(limits), 0);
  EXPECT_EQ(Wait(limits), 10);
  now_ += seconds(3600);
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(Wait(limits), 0) << "an hour of rest gives one minute's worth";
  EXPECT_EQ(Wait(limits), 10);
}

TEST_F(AllowancesTest, TokensThatAnAnswerTookTooManyOfAreWaitedFor) {
  const KeyLimits limits{.tokens = 600};
  EXPECT_EQ(Wait(limits), 0);
  allowances_.Spend("eve", limits, 1200, now_);
  EXPECT_EQ(Wait(limits), 61);
  now_ += seconds(60);
  EXPECT_EQ(Wait(limits), 1);
  now_ += seconds(1);
  EXPECT_EQ(Wait(limits), 0);
}

TEST_F(AllowancesTest, PlacesAreFreeWhenTheirAnswersHaveGone) {
  const KeyLimits limits{.concurrent = 2};
  std::int64_t wait = 0;
  auto first = allowances_.Begin("eve", limits, now_, wait);
  auto second = allowances_.Begin("eve", limits, now_, wait);
  ASSERT_TRUE(first && second);
  const auto third = allowances_.Begin("eve", limits, now_, wait);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::kBusy);
  EXPECT_NE(third.error().message.find("2 answers at a time"), std::string::npos);
  first->reset();
  EXPECT_EQ(Wait(limits), 0);
}

}  // namespace
}  // namespace cairn::server
