// SPDX-License-Identifier: Apache-2.0
#include "server/response_store.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

StoredResponse Of(std::size_t bytes) {
  return {.response = std::string(bytes, 'r'), .input = "[]"};
}

TEST(ResponseStoreTest, ATenantFindsAndRemovesItsOwnAlone) {
  ResponseStore store(1 << 20);
  EXPECT_TRUE(store.Put("ann", "resp_1", {.response = "{}", .input = "[1]"}));
  ASSERT_NE(store.Find("ann", "resp_1"), nullptr);
  EXPECT_EQ(store.Find("ann", "resp_1")->input, "[1]");
  EXPECT_EQ(store.Find("bob", "resp_1"), nullptr);
  EXPECT_EQ(store.Find("ann", "resp_2"), nullptr);
  EXPECT_FALSE(store.Remove("bob", "resp_1"));
  EXPECT_TRUE(store.Remove("ann", "resp_1"));
  EXPECT_FALSE(store.Remove("ann", "resp_1"));
  EXPECT_EQ(store.bytes(), 0U);
}

TEST(ResponseStoreTest, PastItsBytesTheOldestOfWhoHasMostGoes) {
  ResponseStore store(10'000);
  EXPECT_TRUE(store.Put("ann", "a", Of(1'000)));
  for (const char* id : {"b", "c", "d", "e"}) EXPECT_TRUE(store.Put("bob", id, Of(2'000)));
  EXPECT_NE(store.Find("ann", "a"), nullptr);
  EXPECT_EQ(store.Find("bob", "b"), nullptr);
  EXPECT_NE(store.Find("bob", "c"), nullptr);
  EXPECT_LE(store.bytes(), 10'000U);
  EXPECT_FALSE(store.Put("ann", "long", Of(10'000)));
  EXPECT_EQ(store.Find("ann", "long"), nullptr);
  EXPECT_NE(store.Find("ann", "a"), nullptr);
}

TEST(ResponseStoreTest, PastItsNumberTheOldestGoes) {
  ResponseStore store(std::size_t{1} << 30);
  for (std::size_t i = 0; i <= ResponseStore::kMostResponses; ++i) {
    EXPECT_TRUE(store.Put("", std::to_string(i), Of(1)));
  }
  EXPECT_EQ(store.count(), ResponseStore::kMostResponses);
  EXPECT_EQ(store.Find("", "0"), nullptr);
  EXPECT_NE(store.Find("", "1"), nullptr);
}

TEST(ResponseStoreTest, WithoutBytesNothingIsKept) {
  ResponseStore store(0);
  EXPECT_FALSE(store.keeps());
  EXPECT_FALSE(store.Put("", "a", Of(1)));
  EXPECT_EQ(store.count(), 0U);
}

}  // namespace
}  // namespace cairn::server
