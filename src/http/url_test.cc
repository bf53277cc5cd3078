// SPDX-License-Identifier: Apache-2.0
#include "http/url.h"

#include <gtest/gtest.h>

namespace cairn::http {
namespace {

std::string Parsed(std::string_view text) {
  const auto url = ParseUrl(text);
  return url ? url->Text() : "wrong";
}

std::string Resolved(std::string_view base, std::string_view location) {
  const auto url = Resolve(*ParseUrl(base), location);
  return url ? url->Text() : "wrong";
}

TEST(UrlTest, PartsAreTold) {
  const auto url = ParseUrl("https://EXAMPLE.org:8443/a/b?c=d#e");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, "8443");
  EXPECT_EQ(url->target, "/a/b?c=d");
  EXPECT_EQ(url->Authority(), "example.org:8443");
  EXPECT_EQ(Parsed("http://example.org"), "http://example.org/");
  EXPECT_EQ(Parsed("https://example.org:443/x"), "https://example.org/x");
  EXPECT_EQ(Parsed("http://example.org?x"), "http://example.org/?x");
  EXPECT_EQ(ParseUrl("http://[::1]:80/")->host, "::1");
  EXPECT_EQ(ParseUrl("http://[::1]:8080/")->Authority(), "[::1]:8080");
}

TEST(UrlTest, WhatIsNoAddressIsRefused) {
  for (const char* text :
       {"", "example.org", "ftp://example.org/", "http://", "http:///x", "http://a b/",
        "http://a\r\nHost: b/", "http://user:secret@example.org/", "http://example.org:/",
        "http://example.org:x/", "http://[::1/", "http://::1/", "http://[::1]x/"}) {
    EXPECT_EQ(Parsed(text), "wrong") << text;
  }
}

TEST(UrlTest, RedirectsLeadWhereABrowserWouldGo) {
  const char* base = "https://example.org/a/b?c";
  EXPECT_EQ(Resolved(base, "http://example.com/x"), "http://example.com/x");
  EXPECT_EQ(Resolved(base, "//example.com/x"), "https://example.com/x");
  EXPECT_EQ(Resolved(base, "/x?y"), "https://example.org/x?y");
  EXPECT_EQ(Resolved(base, "x"), "https://example.org/a/x");
  EXPECT_EQ(Resolved(base, "javascript://x"), "wrong");
}

TEST(UrlTest, OriginsDifferByEachOfTheirParts) {
  const Url url = *ParseUrl("https://example.org/");
  EXPECT_TRUE(url.SameOrigin(*ParseUrl("https://Example.org:443/x")));
  for (const char* other :
       {"http://example.org/", "https://example.org:444/", "https://www.example.org/"}) {
    EXPECT_FALSE(url.SameOrigin(*ParseUrl(other))) << other;
  }
}

TEST(UrlTest, PathsAreEscaped) { EXPECT_EQ(EscapePath("a b/c%?#.gguf"), "a%20b/c%25%3F%23.gguf"); }

}  // namespace
}  // namespace cairn::http
