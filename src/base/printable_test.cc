// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(PrintableTest, ControlCharactersAndBytesPastAsciiAreReplaced) {
  EXPECT_EQ(Printable(std::string_view("a\x1b[2J\n\0z~\x7f\xc3\xa9", 12)), "a?[2J??z~???");
}

TEST(PrintableTest, LongTextIsCut) {
  EXPECT_EQ(Printable("abcdef", 4), "abcd");
  EXPECT_EQ(Printable(std::string(1000, 'x')).size(), 80u);
  EXPECT_EQ(Printable(""), "");
}

}  // namespace
}  // namespace cairn
