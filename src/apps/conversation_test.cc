// SPDX-License-Identifier: Apache-2.0
#include "apps/conversation.h"

#include <gtest/gtest.h>

namespace cairn::apps {
namespace {

TEST(ConversationTest, SavedAndLoadedIsTheSame) {
  Conversation conversation;
  conversation.SetSystem("Be \"brief\".");
  conversation.Add("user", "a\nb\t\u00FC");
  conversation.Add("assistant", "c");
  const auto loaded = Conversation::FromJsonText(conversation.ToJsonText());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->system(), "Be \"brief\".");
  ASSERT_EQ(loaded->messages().size(), 3u);
  EXPECT_EQ(loaded->messages()[1].content, "a\nb\t\u00FC");
}

TEST(ConversationTest, TakeLastQuestionTakesItsAnswerToo) {
  Conversation conversation;
  EXPECT_EQ(conversation.TakeLastQuestion(), "");
  conversation.Add("user", "first");
  conversation.Add("assistant", "answer");
  conversation.Add("user", "second");
  EXPECT_EQ(conversation.TakeLastQuestion(), "second");
  EXPECT_EQ(conversation.TakeLastQuestion(), "first");
  EXPECT_TRUE(conversation.empty());
}

TEST(ConversationTest, ObjectWithMessagesIsAccepted) {
  EXPECT_TRUE(Conversation::FromJsonText(R"({"messages": [{"role": "user", "content": "x"}]})"));
}

TEST(ConversationTest, WhatIsNoConversationIsCorrupt) {
  for (const char* bad :
       {"", "{", "3", "{}", "[1]", R"([{"role": "user"}])",
        R"([{"role": "robot", "content": "x"}])", R"([{"role": "user", "content": 1}])",
        R"([{"role": "user", "content": "x"}, {"role": "system", "content": "y"}])"}) {
    const auto loaded = Conversation::FromJsonText(bad);
    ASSERT_FALSE(loaded) << bad;
    EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt) << bad;
  }
}

}  // namespace
}  // namespace cairn::apps
