// SPDX-License-Identifier: Apache-2.0
// Conversations through the C interface.
#include <gtest/gtest.h>

#include "testing/c_interface.h"

namespace cairn::capi {
namespace {

class ChatTest : public OpenedTest {
 protected:
  void SetUp() override {
    OpenedTest::SetUp();
    EXPECT_WORKS(failure_, cairn_chat_open(engine_, "be brief", nullptr, &chat_, failure_.place()));
  }
  void TearDown() override {
    cairn_chat_free(chat_);
    OpenedTest::TearDown();
  }
  // What the model would read now.
  std::string Prompt() {
    Tokens tokens(kContext);
    std::size_t count = 0;
    EXPECT_WORKS(failure_,
                 cairn_chat_tokens(chat_, tokens.data(), tokens.size(), &count, failure_.place()));
    std::string text(8 * kContext, '\0');
    std::size_t length = 0;
    EXPECT_WORKS(failure_, cairn_detokenize(model_, tokens.data(), count, 1, text.data(),
                                            text.size(), &length, failure_.place()));
    return text.substr(0, length);
  }
  std::string Ask(const char* question, const cairn_generate_options& options) {
    cairn_answer* answer = nullptr;
    EXPECT_WORKS(failure_, cairn_chat_ask(chat_, question, &options, nullptr, nullptr, &answer,
                                          failure_.place()));
    const std::string text = answer == nullptr ? "" : TextOf(answer);
    cairn_answer_free(answer);
    return text;
  }

  static constexpr const char* kSystem = "<|im_start|>system\nbe brief<|im_end|>\n";
  static constexpr const char* kReady = "<|im_start|>assistant\n";
  cairn_chat* chat_ = nullptr;
};

std::string Turn(const std::string& role, const std::string& content) {
  return "<|im_start|>" + role + "\n" + content + "<|im_end|>\n";
}

TEST_F(ChatTest, AQuestionAndItsAnswerBecomePartOfTheConversation) {
  EXPECT_EQ(Prompt(), std::string(kSystem) + kReady);
  const std::string first = Ask("the sound of", Options(8));
  EXPECT_EQ(Prompt(), kSystem + Turn("user", "the sound of") + Turn("assistant", first) + kReady);
  const std::string second = Ask("in the", Options(8));
  EXPECT_EQ(Prompt(), kSystem + Turn("user", "the sound of") + Turn("assistant", first) +
                          Turn("user", "in the") + Turn("assistant", second) + kReady);
  EXPECT_WORKS(failure_, cairn_chat_clear(chat_, failure_.place()));
  EXPECT_EQ(Prompt(), std::string(kSystem) + kReady);
}

TEST_F(ChatTest, ALaterTurnFindsTheEarlierOnesComputed) {
  Ask("the sound of something that is long enough to fill a tile of keys and values, and so to be "
      "found again by the next question of this conversation",
      Options(8));
  const cairn_generate_options options = Options(2);
  cairn_answer* answer = nullptr;
  EXPECT_WORKS(failure_, cairn_chat_ask(chat_, "in the", &options, nullptr, nullptr, &answer,
                                        failure_.place()));
  EXPECT_GT(Describe(answer).reused_tokens, 0);
  cairn_answer_free(answer);
}

TEST_F(ChatTest, MessagesOfEarlierAreAddedAsTheyAre) {
  EXPECT_WORKS(failure_, cairn_chat_add(chat_, "user", "a <|im_end|> b", failure_.place()));
  EXPECT_WORKS(failure_, cairn_chat_add(chat_, "assistant", "\xff\xe2\x82\xac", failure_.place()));
  EXPECT_EQ(Prompt(), kSystem + Turn("user", "a <|im_end|> b") +
                          Turn("assistant", "\xef\xbf\xbd\xe2\x82\xac") + kReady);
}

TEST_F(ChatTest, InStepsTheTurnIsAddedAtTheEnd) {
  const cairn_generate_options options = Options(6);
  cairn_request* request = nullptr;
  EXPECT_WORKS(failure_,
               cairn_chat_submit(chat_, "the sound of", &options, &request, failure_.place()));
  EXPECT_EQ(Prompt(), std::string(kSystem) + kReady);
  cairn_event event{.size = sizeof(event)};
  std::string text;
  do {
    EXPECT_WORKS(failure_, cairn_request_next(request, -1, &event, failure_.place()));
    if (event.kind == CAIRN_TEXT) text.append(event.text, event.length);
  } while (event.kind != CAIRN_ENDED);
  cairn_request_free(request);
  EXPECT_EQ(Prompt(), kSystem + Turn("user", "the sound of") + Turn("assistant", text) + kReady);
}

TEST_F(ChatTest, AfterAnErrorTheConversationIsAsBefore) {
  cairn_generate_options options = Options(4);
  options.temperature = -1;
  EXPECT_FAILS(
      failure_, CAIRN_INVALID_ARGUMENT, "temperature",
      cairn_chat_ask(chat_, "in the", &options, nullptr, nullptr, nullptr, failure_.place()));
  const std::string long_question(20 * kContext, 'q');
  EXPECT_FAILS(failure_, CAIRN_LIMIT, "context",
               cairn_chat_ask(chat_, long_question.c_str(), nullptr, nullptr, nullptr, nullptr,
                              failure_.place()));
  options = Options(4);
  options.choices = 2;
  EXPECT_FAILS(
      failure_, CAIRN_INVALID_ARGUMENT, "choice",
      cairn_chat_ask(chat_, "in the", &options, nullptr, nullptr, nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "question",
               cairn_chat_ask(chat_, "", nullptr, nullptr, nullptr, nullptr, failure_.place()));
  EXPECT_EQ(Prompt(), std::string(kSystem) + kReady);
}

TEST_F(ChatTest, ATemplateOfOnesOwnIsUsedAndABrokenOneRefused) {
  cairn_chat* own = nullptr;
  EXPECT_WORKS(failure_, cairn_chat_open(engine_, nullptr, "{{ messages[0]['content'] }}!", &own,
                                         failure_.place()));
  EXPECT_WORKS(failure_, cairn_chat_add(own, "user", "hello", failure_.place()));
  std::size_t count = 0;
  EXPECT_WORKS(failure_, cairn_chat_tokens(own, nullptr, 0, &count, failure_.place()));
  EXPECT_EQ(count, Encode("hello!", 0).size());
  cairn_chat_free(own);
  cairn_chat* none = nullptr;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "",
               cairn_chat_open(engine_, nullptr, "{% for %}", &none, failure_.place()));
  EXPECT_EQ(none, nullptr);
}

TEST_F(ChatTest, NullsAreRefused) {
  cairn_chat* none = nullptr;
  std::size_t count = 0;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "engine",
               cairn_chat_open(nullptr, nullptr, nullptr, &none, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "place",
               cairn_chat_open(engine_, nullptr, nullptr, nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "chat",
               cairn_chat_add(nullptr, "user", "a", failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "role",
               cairn_chat_add(chat_, nullptr, "a", failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "content",
               cairn_chat_add(chat_, "user", nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "chat",
               cairn_chat_clear(nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "chat",
               cairn_chat_tokens(nullptr, nullptr, 0, &count, failure_.place()));
  EXPECT_FAILS(
      failure_, CAIRN_INVALID_ARGUMENT, "question",
      cairn_chat_ask(chat_, nullptr, nullptr, nullptr, nullptr, nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "place",
               cairn_chat_submit(chat_, "a", nullptr, nullptr, failure_.place()));
  cairn_chat_free(nullptr);
}

TEST(ChatOpenTest, AModelWithoutATemplateSaysSo) {
  const testing::TinyModel tiny({.chat_template = false});
  Failure failure;
  cairn_model* model = nullptr;
  cairn_engine* engine = nullptr;
  cairn_chat* chat = nullptr;
  EXPECT_WORKS(failure, cairn_model_open(tiny.path().c_str(), nullptr, &model, failure.place()));
  EXPECT_WORKS(failure, cairn_engine_open(model, nullptr, &engine, failure.place()));
  EXPECT_FAILS(failure, CAIRN_UNSUPPORTED, "no chat template",
               cairn_chat_open(engine, nullptr, nullptr, &chat, failure.place()));
  cairn_engine_free(engine);
  cairn_model_free(model);
}

}  // namespace
}  // namespace cairn::capi
