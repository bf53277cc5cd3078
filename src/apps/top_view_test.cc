// SPDX-License-Identifier: Apache-2.0
#include "apps/top_view.h"

#include <gtest/gtest.h>

namespace cairn::apps {
namespace {

constexpr const char* kBefore =
    "cairn_http_responses_total{status=\"200\"} 10\ncairn_answer_rows_total{model=\"m\"} 100\n"
    "cairn_accepted_tokens_total{model=\"m\"} 10\ncairn_step_seconds_total{model=\"m\"} 1\n";
constexpr const char* kNow =
    "cairn_http_responses_total{status=\"200\"} 12\n"
    "cairn_http_responses_total{status=\"429\"} 6\n"
    "cairn_answer_rows_total{model=\"m\"} 300\ncairn_accepted_tokens_total{model=\"m\"} 50\n"
    "cairn_step_seconds_total{model=\"m\"} 2.8\n"
    "cairn_requests_running{model=\"m\"} 3\ncairn_requests_running{model=\"n\\\"\"} 1\n"
    "cairn_kv_used_bytes{model=\"m\"} 5e8\ncairn_kv_budget_bytes{model=\"m\"} 1e9\n";

TEST(TopViewTest, RatesAreOfTheTimeBetweenTheReadings) {
  const MetricsText before(kBefore), now(kNow);
  const TopReading r = ReadTop(now, before, 2, before);
  EXPECT_EQ(r.running, 4);
  EXPECT_EQ(r.requests, 4);
  EXPECT_EQ(r.refused, 3);
  EXPECT_EQ(r.answer_tokens, 120) << "rows and the proposals that were right";
  EXPECT_DOUBLE_EQ(r.busy_share, 0.9);
  EXPECT_FALSE(r.first_p50);
  EXPECT_TRUE(TopJson(r).at("first_token_p50_s").is_null());
}

TEST(TopViewTest, TheScreenFitsItsColumns) {
  const MetricsText before(kBefore), now(kNow);
  const TopReading r = ReadTop(now, before, 2, before);
  const std::string screen = TopScreen(r, {0, 60, 120}, "http://box", 100);
  EXPECT_NE(screen.find("m (3), n\" (1)"), std::string::npos) << screen;
  EXPECT_NE(screen.find("120 of answers"), std::string::npos) << screen;
  EXPECT_NE(screen.find(" =#\n"), std::string::npos) << "a curve from nothing to all: " << screen;
  EXPECT_NE(screen.find("[##########..........] 500 MB of 1.00 GB"), std::string::npos) << screen;
  for (const int columns : {1, 20, 47}) {
    std::size_t column = 0;
    for (const char c : TopScreen(r, std::vector<double>(100, 1.0), "http://box", columns)) {
      column = c == '\n' ? 0 : column + 1;
      ASSERT_LE(column, static_cast<std::size_t>(columns));
    }
  }
}

}  // namespace
}  // namespace cairn::apps
