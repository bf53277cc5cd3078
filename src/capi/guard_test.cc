// SPDX-License-Identifier: Apache-2.0
#include "capi/guard.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>

#include "testing/c_interface.h"

namespace cairn::capi {
namespace {

TEST(GuardTest, EveryErrorCodeHasAStatusAndANameOfItsOwn) {
  std::set<cairn_status> statuses;
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kBusy); ++code) {
    const cairn_status status = StatusOf(static_cast<ErrorCode>(code));
    EXPECT_NE(status, CAIRN_OK);
    EXPECT_NE(status, CAIRN_INTERNAL);
    statuses.insert(status);
    EXPECT_EQ(cairn_status_name(status), ErrorCodeName(static_cast<ErrorCode>(code)));
    names.insert(cairn_status_name(status));
  }
  EXPECT_EQ(statuses.size(), static_cast<std::size_t>(ErrorCode::kBusy) + 1);
  EXPECT_EQ(names.size(), statuses.size());
  EXPECT_STREQ(cairn_status_name(CAIRN_OK), "ok");
  EXPECT_STREQ(cairn_status_name(CAIRN_INTERNAL), "internal");
  EXPECT_STREQ(cairn_status_name(-1), "unknown");
  EXPECT_STREQ(cairn_status_name(1000), "unknown");
}

TEST(GuardTest, AnErrorComesOutWithItsCodeAndText) {
  Failure failure;
  EXPECT_FAILS(failure, CAIRN_CORRUPT, "broken here", Guard(failure.place(), []() -> Result<void> {
                 return Fail(ErrorCode::kCorrupt, "broken here");
               }));
  EXPECT_EQ(Guard(nullptr, []() -> Result<void> { return Fail(ErrorCode::kIo, "x"); }), CAIRN_IO);
}

TEST(GuardTest, SuccessTakesAnOlderErrorAway) {
  cairn_error* error = reinterpret_cast<cairn_error*>(8);
  EXPECT_EQ(Guard(&error, []() -> Result<void> { return {}; }), CAIRN_OK);
  EXPECT_EQ(error, nullptr);
}

TEST(GuardTest, NothingThatIsThrownGetsOut) {
  Failure failure;
  EXPECT_FAILS(failure, CAIRN_OUT_OF_MEMORY, "memory",
               Guard(failure.place(), []() -> Result<void> { throw std::bad_alloc(); }));
  EXPECT_FAILS(
      failure, CAIRN_INTERNAL, "of a library",
      Guard(failure.place(), []() -> Result<void> { throw std::runtime_error("of a library"); }));
  EXPECT_FAILS(failure, CAIRN_INTERNAL, "no exception",
               Guard(failure.place(), []() -> Result<void> { throw 5; }));
}

TEST(GuardTest, NoErrorIsOkAndHasNoText) {
  EXPECT_EQ(cairn_error_code(nullptr), CAIRN_OK);
  EXPECT_STREQ(cairn_error_message(nullptr), "");
  cairn_error_free(nullptr);
}

TEST(GuardTest, TheLibraryIsOfTheHeadersVersion) { EXPECT_STREQ(cairn_version(), CAIRN_VERSION); }

}  // namespace
}  // namespace cairn::capi
