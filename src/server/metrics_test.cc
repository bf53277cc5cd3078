// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

TEST(MetricsTest, AHistogramCountsUpToItsBounds) {
  Histogram histogram(kRows);
  for (const double rows : {1.0, 4.0, 5.0, 5000.0}) histogram.Add(rows);
  std::string plain, labelled;
  histogram.Write("h", "", plain);
  histogram.Write("h", "model=\"m\",", labelled);
  EXPECT_NE(plain.find("h_bucket{le=\"1\"} 1\n"), std::string::npos) << plain;
  EXPECT_NE(plain.find("h_bucket{le=\"4\"} 2\n"), std::string::npos) << plain;
  EXPECT_NE(plain.find("h_bucket{le=\"6\"} 3\n"), std::string::npos) << plain;
  EXPECT_NE(plain.find("h_bucket{le=\"+Inf\"} 4\nh_sum 5010\nh_count 4\n"), std::string::npos);
  EXPECT_NE(labelled.find("h_bucket{model=\"m\",le=\"+Inf\"} 4\nh_sum{model=\"m\"} 5010\n"),
            std::string::npos)
      << labelled;
}

TEST(MetricsTest, ARequestsPromptCountsOnce) {
  ModelMetrics metrics;
  engine::Answer answer;
  answer.prompt_tokens = 10;
  answer.reused_tokens = 4;
  answer.tokens = {1, 2, 3};
  answer.reason = engine::FinishReason::kLength;
  metrics.Add(answer, true);
  metrics.Add(answer, false);
  EXPECT_EQ(metrics.prompt_tokens, 10U);
  EXPECT_EQ(metrics.cached_tokens, 4U);
  EXPECT_EQ(metrics.answer_tokens, 6U);
  EXPECT_EQ(metrics.answers.at(engine::FinishReason::kLength), 2U);
}

TEST(MetricsTest, LabelsCannotEndTheirQuotes) { EXPECT_EQ(LabelOf("a\"b\\c\nd"), "a\\\"b\\\\c d"); }

}  // namespace
}  // namespace cairn::server
