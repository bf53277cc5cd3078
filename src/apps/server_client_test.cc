// SPDX-License-Identifier: Apache-2.0
#include "apps/server_client.h"

#include <gtest/gtest.h>

namespace cairn::apps {
namespace {

TEST(ServerClientTest, AddressesAreReadAndOthersRefused) {
  struct Case {
    const char *url, *host, *port;
    bool tls = false;
  };
  for (const Case& c :
       {Case{"http://box", "box", "80"}, Case{"http://127.0.0.1:8080/", "127.0.0.1", "8080"},
        Case{"http://[::1]:9", "::1", "9"}, Case{"https://box", "box", "443", true}}) {
    const auto address = ParseServerUrl(c.url);
    ASSERT_TRUE(address) << c.url;
    EXPECT_EQ(address->host, c.host);
    EXPECT_EQ(address->port, c.port);
    EXPECT_EQ(address->tls, c.tls);
  }
  for (const char* url : {"", "box:80", "ftp://box", "http://", "http://:80",
                          "http://box:", "http://box:8o", "http://box/v1", "http://[::1"}) {
    EXPECT_FALSE(ParseServerUrl(url)) << url;
  }
}

TEST(ServerClientTest, AServerThatIsNotThereIsNamed) {
  const auto client = ServerClient::Connect({.host = "127.0.0.1", .port = "1", .key = {}});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::kIo);
  EXPECT_NE(client.error().message.find("127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace cairn::apps
