// SPDX-License-Identifier: Apache-2.0
#include "engine/stop_strings.h"

#include <gtest/gtest.h>

namespace cairn::engine {
namespace {

// What comes out when `text` arrives in pieces of `step` bytes.
std::string Stream(std::vector<std::string> stops, std::string_view text, std::size_t step) {
  StopStrings strings(std::move(stops));
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += step) out += strings.Push(text.substr(at, step));
  if (!strings.found()) out += strings.Finish();
  return out;
}

TEST(StopStringsTest, CutsBeforeTheEarliestMatchWhateverThePieces) {
  for (std::size_t step = 1; step < 12; ++step) {
    EXPECT_EQ(Stream({"STOP", "END"}, "one END two STOP", step), "one ");
    EXPECT_EQ(Stream({"aab"}, "aaab rest", step), "a");
    EXPECT_EQ(Stream({"\n\n"}, "a\nb\n\nc", step), "a\nb");
  }
}

TEST(StopStringsTest, AnUnfinishedStopStringIsText) {
  for (std::size_t step = 1; step < 8; ++step)
    EXPECT_EQ(Stream({"STOP"}, "no STO", step), "no STO");
}

TEST(StopStringsTest, NothingIsHeldThatCannotBeAStopString) {
  StopStrings strings({"STOP"});
  EXPECT_EQ(strings.Push("abc"), "abc");
  EXPECT_EQ(strings.Push("dS"), "d");
  EXPECT_EQ(strings.Push("x"), "Sx");
}

// An unfinished character at the end of an answer may complete a stop string after the last token.
TEST(StopStringsTest, NothingComesAfterAMatch) {
  StopStrings strings({"STOP"});
  EXPECT_EQ(strings.Push("a STOP b"), "a ");
  EXPECT_EQ(strings.Push("c"), "");
  EXPECT_EQ(strings.Finish(), "");
  EXPECT_TRUE(strings.found());
}

TEST(StopStringsTest, EmptyStopStringsAreIgnored) { EXPECT_EQ(Stream({""}, "text", 1), "text"); }

}  // namespace
}  // namespace cairn::engine
