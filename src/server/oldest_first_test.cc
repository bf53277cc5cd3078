// SPDX-License-Identifier: Apache-2.0
#include "server/oldest_first.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

TEST(OldestFirstTest, OfOneTenantTheOldestGoesFirst) {
  OldestFirst things;
  for (const char* id : {"c", "a", "b"}) things.Add("", id, 1);
  EXPECT_EQ(things.TakeNext(), "c");
  EXPECT_EQ(things.TakeNext(), "a");
  EXPECT_EQ(things.count(), 1U);
  EXPECT_EQ(things.weight(), 1U);
}

TEST(OldestFirstTest, WhoHasMostGivesWayAndOthersKeepTheirOldThings) {
  OldestFirst things;
  things.Add("ann", "old", 10);
  for (int i = 0; i < 4; ++i) things.Add("bob", "bob" + std::to_string(i), 6);
  EXPECT_EQ(things.TakeNext(), "bob0");
  EXPECT_EQ(things.TakeNext(), "bob1");
  EXPECT_EQ(things.TakeNext(), "bob2");
  EXPECT_EQ(things.TakeNext(), "old");  // 10 beside 6
  EXPECT_EQ(things.TakeNext(), "bob3");
  EXPECT_EQ(things.count(), 0U);
  EXPECT_EQ(things.weight(), 0U);
}

TEST(OldestFirstTest, WhatWasRemovedWeighsNothing) {
  OldestFirst things;
  things.Add("ann", "a", 5);
  things.Add("ann", "b", 5);
  things.Add("bob", "c", 7);
  things.Remove("a");
  things.Remove("a");
  things.Remove("nothing");
  EXPECT_EQ(things.weight(), 12U);
  EXPECT_EQ(things.TakeNext(), "c");
  EXPECT_EQ(things.TakeNext(), "b");
}

}  // namespace
}  // namespace cairn::server
