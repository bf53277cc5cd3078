// SPDX-License-Identifier: Apache-2.0
// Answers and requests through the C interface.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "testing/c_interface.h"

namespace cairn::capi {
namespace {

class AnswersTest : public OpenedTest {
 protected:
  cairn_request* Submit(const Tokens& prompt, const cairn_generate_options& options) {
    cairn_request* request = nullptr;
    EXPECT_WORKS(failure_, cairn_submit(engine_, prompt.data(), prompt.size(), &options, &request,
                                        failure_.place()));
    return request;
  }
  cairn_event Next(cairn_request* request, std::int64_t milliseconds) {
    cairn_event event{.size = sizeof(event)};
    EXPECT_WORKS(failure_, cairn_request_next(request, milliseconds, &event, failure_.place()));
    return event;
  }
  // Reads to the end; the texts by choice.
  std::map<int, std::string> Read(cairn_request* request) {
    std::map<int, std::string> texts;
    for (;;) {
      const cairn_event event = Next(request, -1);
      if (event.kind != CAIRN_TEXT) {
        EXPECT_EQ(event.kind, CAIRN_ENDED);
        return texts;
      }
      texts[event.choice].append(event.text, event.length);
    }
  }
  cairn_engine_info Info() {
    cairn_engine_info info{.size = sizeof(info)};
    EXPECT_EQ(cairn_engine_describe(engine_, &info, nullptr), CAIRN_OK);
    return info;
  }
};

TEST_F(AnswersTest, TheAnswerIsWhatTheSinkGot) {
  const Tokens prompt = Encode("the sound of");
  const cairn_generate_options options = Options(24);
  std::string streamed;
  cairn_answer* answer = nullptr;
  const cairn_sink sink = [](void* user, const char* text, std::size_t length) {
    static_cast<std::string*>(user)->append(text, length);
    return 0;
  };
  EXPECT_WORKS(failure_, cairn_generate(engine_, prompt.data(), prompt.size(), &options, sink,
                                        &streamed, &answer, failure_.place()));
  const cairn_answer_info info = Describe(answer);
  EXPECT_EQ(std::string(info.text, info.length), streamed);
  EXPECT_FALSE(streamed.empty());
  EXPECT_EQ(info.token_count, 24u);
  EXPECT_EQ(info.reason, CAIRN_MAX_TOKENS);
  EXPECT_EQ(info.prompt_tokens, static_cast<std::int64_t>(prompt.size()));
  EXPECT_GT(info.prompt_seconds, 0);
  cairn_answer_free(answer);
}

TEST_F(AnswersTest, ASinkThatHasEnoughEndsTheAnswer) {
  const Tokens prompt = Encode("the sound of");
  const cairn_generate_options options = Options(-1);
  int calls = 0;
  cairn_answer* answer = nullptr;
  const cairn_sink sink = [](void* user, const char*, std::size_t) -> std::int32_t {
    return ++*static_cast<int*>(user) == 3 ? 1 : 0;
  };
  EXPECT_WORKS(failure_, cairn_generate(engine_, prompt.data(), prompt.size(), &options, sink,
                                        &calls, &answer, failure_.place()));
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(Describe(answer).reason, CAIRN_WAS_CANCELLED);
  cairn_answer_free(answer);
}

TEST_F(AnswersTest, ASinkMayAskTheSameEngine) {
  struct Nested {
    AnswersTest* test;
    std::string text;
  } nested{this, ""};
  const Tokens prompt = Encode("the sound of");
  const cairn_generate_options options = Options(4);
  const cairn_sink sink = [](void* user, const char*, std::size_t) -> std::int32_t {
    auto* n = static_cast<Nested*>(user);
    n->text += n->test->Generate(n->test->Encode("in the"), Options(2));
    return 0;
  };
  EXPECT_WORKS(failure_, cairn_generate(engine_, prompt.data(), prompt.size(), &options, sink,
                                        &nested, nullptr, failure_.place()));
  EXPECT_EQ(nested.text.substr(0, 1), Generate(Encode("in the"), Options(2)).substr(0, 1));
}

TEST_F(AnswersTest, ThirtyTwoAtOnceAreWhatEachIsAlone) {
  std::vector<cairn_request*> requests;
  for (int i = 0; i < 32; ++i) {
    requests.push_back(Submit(Encode("question " + std::to_string(i * i)),
                              Options(12, static_cast<std::uint64_t>(i))));
  }
  ASSERT_NE(requests.back(), nullptr);
  EXPECT_WORKS(failure_, cairn_engine_step(engine_, nullptr, failure_.place()));
  EXPECT_EQ(Info().running, 32);
  for (int i = 0; i < 32; ++i) {
    const std::string text = Read(requests[static_cast<std::size_t>(i)])[0];
    cairn_answer* answer = nullptr;
    EXPECT_WORKS(failure_, cairn_request_answer(requests[static_cast<std::size_t>(i)], 0, &answer,
                                                failure_.place()));
    EXPECT_EQ(TextOf(answer), text);
    cairn_answer_free(answer);
    cairn_request_free(requests[static_cast<std::size_t>(i)]);
    EXPECT_EQ(text, Generate(Encode("question " + std::to_string(i * i)),
                             Options(12, static_cast<std::uint64_t>(i))))
        << i;
  }
  EXPECT_EQ(Info().running, 0);
}

TEST_F(AnswersTest, ThreadsShareTheStepsAndGetTheirOwnAnswers) {
  std::vector<std::string> texts(8);
  std::vector<std::string> alone;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    alone.push_back(Generate(Encode("thread " + std::to_string(i)), Options(20, i)));
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    threads.emplace_back([&, i] {
      const std::string prompt = "thread " + std::to_string(i);
      Tokens tokens(prompt.size() + 8);
      std::size_t count = 0;
      cairn_tokenize(model_, prompt.data(), prompt.size(), CAIRN_ADD_SPECIAL, tokens.data(),
                     tokens.size(), &count, nullptr);
      const cairn_generate_options options = Options(20, i);
      cairn_answer* answer = nullptr;
      EXPECT_EQ(cairn_generate(engine_, tokens.data(), count, &options, nullptr, nullptr, &answer,
                               nullptr),
                CAIRN_OK);
      texts[i] = TextOf(answer);
      cairn_answer_free(answer);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(texts, alone);
}

TEST_F(AnswersTest, ChoicesAreSeveralAnswersToOnePrompt) {
  cairn_generate_options options = Options(16);
  options.choices = 3;
  cairn_request* request = Submit(Encode("the sound of"), options);
  const auto texts = Read(request);
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_NE(texts.at(0), texts.at(1));
  for (const auto& [choice, text] : texts) {
    cairn_answer* answer = nullptr;
    EXPECT_WORKS(failure_, cairn_request_answer(request, choice, &answer, failure_.place()));
    EXPECT_EQ(TextOf(answer), text);
    cairn_answer_free(answer);
  }
  cairn_answer* none = nullptr;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "choice",
               cairn_request_answer(request, 3, &none, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "choice",
               cairn_request_answer(request, -1, &none, failure_.place()));
  cairn_request_free(request);
}

TEST_F(AnswersTest, StopTextsEndTheAnswerBeforeThem) {
  const Tokens prompt = Encode("the sound of");
  const std::string whole = Generate(prompt, Options(40));
  ASSERT_GT(whole.size(), 8u);
  const std::string stop = whole.substr(whole.size() / 2, 3);
  const char* stops[] = {"", stop.c_str()};
  cairn_generate_options options = Options(40);
  options.stop = stops;
  options.stop_count = 2;
  EXPECT_EQ(Generate(prompt, options), whole.substr(0, whole.find(stop)));
}

TEST_F(AnswersTest, NotWaitingMakesNoStepAndWaitingABitMakesOne) {
  cairn_request* request = Submit(Encode("the sound of"), Options(4));
  EXPECT_EQ(Next(request, 0).kind, CAIRN_NOTHING);
  cairn_answer* early = nullptr;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "not ended",
               cairn_request_answer(request, 0, &early, failure_.place()));
  Read(request);
  EXPECT_EQ(Next(request, 0).kind, CAIRN_ENDED);
  EXPECT_EQ(Next(request, -1).kind, CAIRN_ENDED);
  cairn_request_free(request);
}

TEST_F(AnswersTest, ALoopOfOnesOwnMakesTheSteps) {
  cairn_request* request = Submit(Encode("the sound of"), Options(5));
  std::int32_t worked = 1;
  int steps = 0;
  for (; worked != 0 && steps < 100; ++steps) {
    EXPECT_WORKS(failure_, cairn_engine_step(engine_, &worked, failure_.place()));
  }
  EXPECT_GE(steps, 2);
  EXPECT_LT(steps, 100);
  std::string text;
  cairn_event event = Next(request, 0);
  for (; event.kind == CAIRN_TEXT; event = Next(request, 0)) text.append(event.text, event.length);
  EXPECT_EQ(event.kind, CAIRN_ENDED);
  EXPECT_EQ(text, Generate(Encode("the sound of"), Options(5)));
  cairn_request_free(request);
}

TEST_F(AnswersTest, ACancelFlagEndsEverythingThatItWasGivenTo) {
  cairn_cancel* cancel = nullptr;
  EXPECT_WORKS(failure_, cairn_cancel_new(&cancel, failure_.place()));
  cairn_generate_options options = Options(-1);
  options.cancel = cancel;
  cairn_request* first = Submit(Encode("the sound of"), options);
  cairn_request* second = Submit(Encode("in the"), options);
  cairn_request* third = Submit(Encode("in the"), Options(6));
  while (Next(second, -1).kind != CAIRN_TEXT) {
  }
  EXPECT_EQ(cairn_cancel_requested(cancel), 0);
  cairn_cancel_request(cancel);
  EXPECT_EQ(cairn_cancel_requested(cancel), 1);
  for (cairn_request* request : {first, second, third}) Read(request);
  for (cairn_request* request : {first, second, third}) {
    cairn_answer* answer = nullptr;
    EXPECT_WORKS(failure_, cairn_request_answer(request, 0, &answer, failure_.place()));
    EXPECT_EQ(Describe(answer).reason, request == third ? CAIRN_MAX_TOKENS : CAIRN_WAS_CANCELLED);
    cairn_answer_free(answer);
    cairn_request_free(request);
  }
  cairn_cancel_reset(cancel);
  EXPECT_EQ(cairn_cancel_requested(cancel), 0);
  cairn_cancel_free(cancel);
}

TEST_F(AnswersTest, AnotherThreadCancelsAnAnswerThatWouldFillTheContext) {
  cairn_cancel* cancel = nullptr;
  EXPECT_WORKS(failure_, cairn_cancel_new(&cancel, failure_.place()));
  cairn_generate_options options = Options(-1);
  options.cancel = cancel;
  struct Begun {
    std::atomic<bool> yes{false};
  } begun;
  std::thread other([&] {
    while (!begun.yes) std::this_thread::yield();
    cairn_cancel_request(cancel);
  });
  const cairn_sink sink = [](void* user, const char*, std::size_t) {
    static_cast<Begun*>(user)->yes = true;
    // Waits here, so that the answer cannot be faster than the other thread.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return 0;
  };
  const Tokens prompt = Encode("the sound of");
  cairn_answer* answer = nullptr;
  EXPECT_WORKS(failure_, cairn_generate(engine_, prompt.data(), prompt.size(), &options, sink,
                                        &begun, &answer, failure_.place()));
  other.join();
  EXPECT_EQ(Describe(answer).reason, CAIRN_WAS_CANCELLED);
  cairn_answer_free(answer);
  cairn_cancel_free(cancel);
}

TEST_F(AnswersTest, HandlesMayBeFreedInAnyOrder) {
  cairn_cancel* cancel = nullptr;
  EXPECT_WORKS(failure_, cairn_cancel_new(&cancel, failure_.place()));
  cairn_generate_options options = Options(30);
  options.cancel = cancel;
  cairn_request* abandoned = Submit(Encode("the sound of"), options);
  cairn_request* kept = Submit(Encode("in the"), Options(6));
  const std::string expected = [&] {
    cairn_request* again = Submit(Encode("in the"), Options(6));
    const std::string text = Read(again)[0];
    cairn_request_free(again);
    return text;
  }();
  cairn_request_free(abandoned);
  cairn_cancel_free(cancel);
  cairn_engine_free(engine_);
  engine_ = nullptr;
  cairn_model_free(model_);
  model_ = nullptr;
  EXPECT_EQ(Read(kept)[0], expected);
  cairn_request_free(kept);
}

TEST_F(AnswersTest, OneThatIsFreedGivesItsPlaceBack) {
  cairn_request* request = Submit(Encode("the sound of"), Options(-1));
  Next(request, 1);
  EXPECT_EQ(Info().running, 1);
  EXPECT_GT(Info().kv_used, 0u);
  cairn_request_free(request);
  std::int32_t worked = 1;
  for (int steps = 0; worked != 0 && steps < 10; ++steps)
    cairn_engine_step(engine_, &worked, nullptr);
  EXPECT_EQ(worked, 0);
  EXPECT_EQ(Info().running, 0);
}

TEST_F(AnswersTest, WhatHasNoMeaningIsRefusedByName) {
  const Tokens prompt = Encode("the sound of");
  cairn_request* request = nullptr;
  const auto submit = [&](const Tokens& tokens, const cairn_generate_options& options) {
    return cairn_submit(engine_, tokens.data(), tokens.size(), &options, &request,
                        failure_.place());
  };
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "engine",
               cairn_submit(nullptr, prompt.data(), 1, nullptr, &request, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "prompt",
               cairn_submit(engine_, nullptr, 1, nullptr, &request, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "place",
               cairn_submit(engine_, prompt.data(), 1, nullptr, nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "prompt",
               cairn_submit(engine_, prompt.data(), 0, nullptr, &request, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "token", submit({-1}, Options(1)));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "token", submit({1 << 30}, Options(1)));
  EXPECT_FAILS(failure_, CAIRN_LIMIT, "context", submit(Tokens(kContext + 1, 5), Options(1)));
  cairn_generate_options options = Options(-2);
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "max_tokens", submit(prompt, options));
  options = Options(1);
  options.choices = 0;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "choices", submit(prompt, options));
  options = Options(1);
  options.choices = 1000;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "choices", submit(prompt, options));
  options = Options(1);
  options.priority = 11;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "priority", submit(prompt, options));
  options = Options(1);
  options.temperature = -1;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "temperature", submit(prompt, options));
  options = Options(1);
  options.stop_count = 1;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "stop", submit(prompt, options));
  options.stop_count = 1 << 20;
  EXPECT_FAILS(failure_, CAIRN_LIMIT, "stop", submit(prompt, options));
  options = Options(1);
  options.size = 8;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "cairn_generate_options.size",
               submit(prompt, options));
  EXPECT_EQ(request, nullptr);
}

TEST_F(AnswersTest, NullHandlesAreRefused) {
  cairn_event event{.size = sizeof(event)};
  cairn_answer* answer = nullptr;
  cairn_answer_info info{.size = sizeof(info)};
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "request",
               cairn_request_next(nullptr, 0, &event, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "request",
               cairn_request_cancel(nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "request",
               cairn_request_answer(nullptr, 0, &answer, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "answer",
               cairn_answer_describe(nullptr, &info, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "engine",
               cairn_engine_step(nullptr, nullptr, failure_.place()));
  cairn_request* request = Submit(Encode("the sound of"), Options(2));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "event",
               cairn_request_next(request, 0, nullptr, failure_.place()));
  event.size = 4;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "cairn_event.size",
               cairn_request_next(request, 0, &event, failure_.place()));
  EXPECT_WORKS(failure_, cairn_request_cancel(request, failure_.place()));
  Read(request);
  cairn_request_free(request);
  cairn_request_free(nullptr);
  cairn_answer_free(nullptr);
  cairn_cancel_free(nullptr);
  cairn_cancel_request(nullptr);
  cairn_cancel_reset(nullptr);
  EXPECT_EQ(cairn_cancel_requested(nullptr), 0);
}

TEST_F(AnswersTest, WhereTooManyWaitTheNextIsRefusedAsBusy) {
  cairn_engine_options few;
  cairn_engine_options_init(&few, sizeof(few));
  few.threads = 1;
  few.context = 64;
  few.sequences = 1;
  few.waiting = 2;
  cairn_engine* engine = nullptr;
  EXPECT_WORKS(failure_, cairn_engine_open(model_, &few, &engine, failure_.place()));
  const Tokens prompt = Encode("the");
  const cairn_generate_options options = Options(2);
  std::vector<cairn_request*> requests;
  cairn_status status = CAIRN_OK;
  while (status == CAIRN_OK && requests.size() < 10) {
    cairn_request* request = nullptr;
    status =
        cairn_submit(engine, prompt.data(), prompt.size(), &options, &request, failure_.place());
    if (request != nullptr) requests.push_back(request);
  }
  EXPECT_EQ(status, CAIRN_BUSY);
  EXPECT_EQ(failure_.code(), CAIRN_BUSY);
  EXPECT_GE(requests.size(), 2u);
  for (cairn_request* request : requests) cairn_request_free(request);
  cairn_engine_free(engine);
}

}  // namespace
}  // namespace cairn::capi
