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

TEST(KeyQueueTest, EndOfAPasteWithoutItsBeginningIsNoKey) {
  KeyQueue keys;
  keys.Push("a\033[20");
  EXPECT_EQ(PopAll(keys, false), L"a");
  keys.Push("1~b");
  EXPECT_EQ(PopAll(keys, true), L"b");
}

TEST(KeyQueueTest, PreviewShowsTheLineAndKeepsTheKeys) {
  KeyQueue keys;
  keys.Push("tw\x7Fwo \033[D\033[3~\xC3\xBC\nwrong\x15new\033[200~a\tb\033[201~");
  EXPECT_EQ(keys.Preview(),
            "two \u00FC\u21B5newa\u21E5"
            "b");
  EXPECT_EQ(keys.Pop(false), L't');
}

TEST(KeyQueueTest, PreviewOfHalfAKeyIsWellFormed) {
  for (const char* bytes : {"\033", "\033[", "\033[2", "\xF0\x9F", "\033O", "\x7F\x15"}) {
    KeyQueue keys;
    keys.Push(bytes);
    EXPECT_TRUE(keys.Preview().empty() || keys.Preview() == "\uFFFD") << bytes;
  }
}

TEST(KeyQueueTest, SignsBecomeWhatTheyStandFor) {
  EXPECT_EQ(WithoutPasteSigns("a\u21B5\u21E5"
                              "b\u21B5"),
            "a\n\tb\n");
}

}  // namespace
}  // namespace cairn::apps
