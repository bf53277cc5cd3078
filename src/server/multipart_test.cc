// SPDX-License-Identifier: Apache-2.0
#include "server/multipart.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=xyz";

TEST(MultipartTest, PartsComeWithTheirNames) {
  const std::string body =
      "--xyz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
      "--xyz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".jsonl\"\r\n"
      "Content-Type: application/octet-stream\r\n\r\nline\r\n\r\n--x\r\n--xyz--\r\n";
  const auto parts = ParseMultipart(kType, body);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[0].name, "purpose");
  EXPECT_EQ((*parts)[0].content, "batch");
  EXPECT_EQ((*parts)[1].filename, "a \"b\".jsonl");
  EXPECT_EQ((*parts)[1].content, "line\r\n\r\n--x");
  EXPECT_TRUE(ParseMultipart("Multipart/Form-Data; charset=utf-8; boundary=\"xyz\"", body));
}

TEST(MultipartTest, WhatIsNoFormIsRefused) {
  const std::string good =
      "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--xyz--";
  ASSERT_TRUE(ParseMultipart(kType, good));
  for (const char* type :
       {"", "application/json", "multipart/form-data", "text/plain; boundary=xyz",
        "multipart/form-data; boundary=\"\"", "multipart/form-data; boundary"}) {
    EXPECT_FALSE(ParseMultipart(type, good)) << type;
  }
  for (const std::string body : {"", "--xyz", "--xyz\r\n", "--xyz\r\nb\r\n--xyz--", "--xyzb\r\n"}) {
    EXPECT_FALSE(ParseMultipart(kType, body)) << body;
  }
  for (std::size_t cut = 0; cut + 2 < good.size(); ++cut) {
    EXPECT_FALSE(ParseMultipart(kType, good.substr(0, cut))) << cut;
  }
  std::string many;
  for (std::size_t i = 0; i <= kMostFormParts; ++i) many += "--xyz\r\n\r\n\r\n\r\n";
  const auto refused = ParseMultipart(kType, many + "--xyz--");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
}

}  // namespace
}  // namespace cairn::server
