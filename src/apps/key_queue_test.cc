// SPDX-License-Identifier: Apache-2.0
#include "apps/key_queue.h"

#include <gtest/gtest.h>

namespace cairn::apps {
namespace {

std::wstring PopAll(KeyQueue& keys, bool complete) {
  std::wstring all;
  while (const auto c = keys.Pop(complete)) all += *c;
  return all;
}

TEST(KeyQueueTest, KeysPassAsCharacters) {
  KeyQueue keys;
  keys.Push("a\r\033[A\xC3\xBC\xF0\x9F\x98\x80");
  EXPECT_EQ(PopAll(keys, true), L"a\r\033[A\u00FC\U0001F600");
  EXPECT_FALSE(keys.TakePasted());
}

TEST(KeyQueueTest, HalfACharacterWaitsForTheRest) {
  KeyQueue keys;
  keys.Push("\xC3");
  EXPECT_EQ(keys.Pop(false), std::nullopt);
  keys.Push("\xBC");
  EXPECT_EQ(keys.Pop(false), L'\u00FC');
}

TEST(KeyQueueTest, IllFormedBytesBecomeReplacements) {
  KeyQueue keys;
  keys.Push("\xFFx\xC3");
  EXPECT_EQ(PopAll(keys, true), L"\uFFFDx\uFFFD");
}

TEST(KeyQueueTest, PastedBreaksAndTabsBecomeSignsAndControlsGo) {
  KeyQueue keys;
  keys.Push("\033[200~one\r\n\ttwo\x03\rthree\033[201~\r");
  EXPECT_EQ(PopAll(keys, true), L"one\u21B5\u21E5two\u21B5three\r");
  EXPECT_TRUE(keys.TakePasted());
  EXPECT_FALSE(keys.TakePasted());
}

TEST(KeyQueueTest, MarkOfAPasteInTwoPiecesIsOneMark) {
  KeyQueue keys;
  keys.Push("\033[20");
  EXPECT_EQ(keys.Pop(false), std::nullopt);
  keys.Push("0~\n\033[201~");
  EXPECT_EQ(PopAll(keys, false), L"\u21B5");
}

TEST(KeyQueueTest, EscapeAloneIsAKeyOnceNothingFollows) {
  KeyQueue keys;
  keys.Push("\033");
  EXPECT_EQ(keys.Pop(false), std::nullopt);
  EXPECT_EQ(keys.Pop(true), L'\033');
}

TEST(KeyQueueTest, SignsBecomeWhatTheyStandFor) {
  EXPECT_EQ(WithoutPasteSigns("a\u21B5\u21E5"
                              "b\u21B5"),
            "a\n\tb\n");
}

}  // namespace
}  // namespace cairn::apps
