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
  EXPECT_EQ(keys->Find("abc"), "alice");
  for (const std::string& wrong : {std::string("abd"), std::string(), std::string(kAbc)}) {
    EXPECT_EQ(keys->Find(wrong), std::nullopt) << wrong;
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
