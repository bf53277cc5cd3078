// SPDX-License-Identifier: Apache-2.0
#include "engine/waiting_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "engine/scheduled_run.h"

namespace cairn::engine {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

class WaitingQueueTest : public ::testing::Test {
 protected:
  void Push(const std::string& tenant, std::int64_t time, int stage = 0) {
    runs_.push_back(std::make_unique<ScheduledRun>());
    runs_.back()->key = {.stage = stage, .time = time, .number = ++number_};
    tenant_[runs_.back().get()] = tenant;
    queue_.Push(tenant, runs_.back()->key, runs_.back().get());
  }
  // Takes the head and says whose it is and when it came; charges its tenant `rows`.
  std::pair<std::string, std::int64_t> Serve(std::int64_t rows) {
    ScheduledRun* run = queue_.Head();
    queue_.Remove(tenant_[run], run->key);
    queue_.Charge(tenant_[run], rows);
    return {tenant_[run], run->key.time};
  }

  WaitingQueue queue_;
  std::vector<std::unique_ptr<ScheduledRun>> runs_;
  std::map<ScheduledRun*, std::string> tenant_;
  std::uint64_t number_ = 0;
};

TEST_F(WaitingQueueTest, EmptyHasNoHead) {
  EXPECT_EQ(queue_.Head(), nullptr);
  EXPECT_EQ(queue_.size(), 0);
}

TEST_F(WaitingQueueTest, OneTenantIsServedByKey) {
  Push("a", 30);
  Push("a", 10);
  Push("a", 20);
  for (const std::int64_t time : {10, 20, 30}) EXPECT_EQ(Serve(5).second, time);
  EXPECT_EQ(queue_.Head(), nullptr);
}

// One that asks ten times as often gets no more rows.
TEST_F(WaitingQueueTest, TenantsTakeTurnsByRowsNotByRequests) {
  for (int i = 0; i < 100; ++i) Push("many", i);
  for (int i = 0; i < 10; ++i) Push("few", 1000 + i);
  std::map<std::string, int> served;
  for (int i = 0; i < 20; ++i) ++served[Serve(10).first];
  EXPECT_EQ(served["many"], 10);
  EXPECT_EQ(served["few"], 10);
}

TEST_F(WaitingQueueTest, LongRequestsCostMoreTurns) {
  for (int i = 0; i < 100; ++i) Push("long", i);
  for (int i = 0; i < 100; ++i) Push("short", i);
  std::map<std::string, int> served;
  for (int i = 0; i < 55; ++i) {
    const bool is_long = tenant_[queue_.Head()] == "long";
    ++served[Serve(is_long ? 100 : 10).first];
  }
  EXPECT_NEAR(served["short"], 50, 2);
}

// A tenant that comes back after a pause does not get all the turns it missed.
TEST_F(WaitingQueueTest, AnIdleTenantSavesNoTurnsUp) {
  Push("idle", 0);
  Serve(1);
  for (int i = 0; i < 100; ++i) Push("busy", i);
  for (int i = 0; i < 50; ++i) Serve(10);
  for (int i = 0; i < 50; ++i) Push("idle", 200 + i);
  std::map<std::string, int> served;
  for (int i = 0; i < 20; ++i) ++served[Serve(10).first];
  EXPECT_NEAR(served["idle"], 10, 1);
}

// Whoever's turn it is: one whose prompt is not complete is not waited for.
TEST_F(WaitingQueueTest, AnEarlierStageComesBeforeAnotherTenantsTurn) {
  Push("busy", 0);
  Serve(100);
  Push("idle", 10, 1);
  Push("busy", 20, 0);
  Push("busy", 30, 2);
  EXPECT_EQ(queue_.Soonest()->key.time, 20);
  EXPECT_EQ(Serve(1).second, 20);
  EXPECT_EQ(Serve(1).second, 10);
  EXPECT_EQ(Serve(1).second, 30);
  EXPECT_EQ(queue_.Soonest(), nullptr);
}

TEST(KeyOfTest, AShortQuestionPassesALongOneThatCameJustBefore) {
  EXPECT_LT(KeyOf(1 * kSecond, 20, 0, 2), KeyOf(0, 2000, 0, 1));
}

TEST(KeyOfTest, NothingPassesForEver) {
  // The longest prompt of a day ago, at the lowest priority, is before anything that comes now.
  EXPECT_LT(KeyOf(0, 100'000, -10, 1), KeyOf(86'400 * kSecond, 1, 10, 2));
}

TEST(KeyOfTest, PriorityIsSooner) { EXPECT_LT(KeyOf(5 * kSecond, 100, 1, 2), KeyOf(0, 100, 0, 1)); }

}  // namespace
}  // namespace cairn::engine
