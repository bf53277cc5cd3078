// SPDX-License-Identifier: Apache-2.0
#include "apps/metrics_text.h"

#include <gtest/gtest.h>

namespace cairn::apps {
namespace {

TEST(MetricsTextTest, SamplesAreSummedOverTheirLabels) {
  const MetricsText text(
      "# HELP a What it is\n# TYPE a counter\na{x=\"1\",y=\"p,q\"} 2\na{x=\"2\",y=\"\\\"\"} 3.5\n"
      "b 7\n\nno_sample\n");
  EXPECT_EQ(text.Value("a"), 5.5);
  EXPECT_EQ(text.Value("b"), 7);
  EXPECT_EQ(text.Value("c"), 0);
  EXPECT_EQ(text.ByLabel("a", "x"), (std::map<std::string, double>{{"1", 2}, {"2", 3.5}}));
  EXPECT_EQ(text.ByLabel("a", "y"), (std::map<std::string, double>{{"p,q", 2}, {"\"", 3.5}}));
}

TEST(MetricsTextTest, AServerThatBeganAnewHasGainedAllOfIt) {
  EXPECT_EQ(MetricsText("a 9\n").Gained(MetricsText("a 4\n"), "a"), 5);
  EXPECT_EQ(MetricsText("a 3\n").Gained(MetricsText("a 4\n"), "a"), 3);
}

TEST(MetricsTextTest, QuantilesAreOfWhatCameBetween) {
  const MetricsText before(
      "h_bucket{le=\"1\"} 100\nh_bucket{le=\"2\"} 100\nh_bucket{le=\"+Inf\"} 100\n");
  const MetricsText now(
      "h_bucket{le=\"1\"} 100\nh_bucket{le=\"2\"} 110\nh_bucket{le=\"+Inf\"} 110\n");
  EXPECT_FALSE(before.Quantile(before, "h", 0.5));
  EXPECT_FALSE(now.Quantile(before, "other", 0.5));
  ASSERT_TRUE(now.Quantile(before, "h", 0.5));
  EXPECT_DOUBLE_EQ(*now.Quantile(before, "h", 0.5), 1.5);
  const MetricsText far(
      "h_bucket{le=\"1\"} 100\nh_bucket{le=\"2\"} 100\nh_bucket{le=\"+Inf\"} 150\n");
  EXPECT_DOUBLE_EQ(*far.Quantile(before, "h", 0.5), 2) << "the last bound";
}

}  // namespace
}  // namespace cairn::apps
