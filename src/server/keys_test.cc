// SPDX-License-Identifier: Apache-2.0
#include "server/keys.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

// SHA-256 of "abc": FIPS 180-2, appendix B.1.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(KeysTest, AKeyIsFoundByItsHashAlone) {
  const auto keys = Keys::Parse(std::string("# who\n\n alice\t") + kAbc + " # laptop\r\nbob " +
                                std::string(64, '0') + "\n");
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(keys->size(), 2u);
  ASSERT_NE(keys->Find("abc"), nullptr);
  EXPECT_EQ(keys->Find("abc")->name, "alice");
  for (const std::string& wrong : {std::string("abd"), std::string(), std::string(kAbc)}) {
    EXPECT_EQ(keys->Find(wrong), nullptr) << wrong;
  }
}

TEST(KeysTest, LimitsStandBehindTheHash) {
  const std::string line = std::string("alice ") + kAbc;
  const auto keys = Keys::Parse(line + " requests=60 tokens=90000 concurrent=2 models=a,b # me");
  ASSERT_TRUE(keys) << keys.error().message;
  const KeyLimits& limits = keys->Find("abc")->limits;
  EXPECT_EQ(limits.requests, 60);
  EXPECT_EQ(limits.tokens, 90000);
  EXPECT_EQ(limits.concurrent, 2);
  EXPECT_EQ(limits.models, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(Keys::Parse(line)->Find("abc")->limits.models.empty());
  for (const char* wrong : {"requests=0", "requests=-1", "requests=", "tokens=1e3", "models=,",
                            "models=", "speed=3", "=1", "requests=9999999999999"}) {
    EXPECT_FALSE(Keys::Parse(line + " " + wrong)) << wrong;
  }
}

TEST(KeysTest, ALineThatIsNoneIsNamed) {
  const std::string hash = kAbc;
  for (const std::string& line :
       {std::string("alice"), hash, "alice " + hash + " more", "a:b " + hash,
        "alice " + hash.substr(1), "alice g" + hash.substr(1), "alice \x11" + hash.substr(1)}) {
    const auto keys = Keys::Parse("# first\n" + line);
    ASSERT_FALSE(keys) << line;
    EXPECT_NE(keys.error().message.find("line 2"), std::string::npos) << keys.error().message;
  }
}

}  // namespace
}  // namespace cairn::server
