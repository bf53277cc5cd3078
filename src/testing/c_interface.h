// SPDX-License-Identifier: Apache-2.0
// For the tests of capi: a tiny model, opened as a program in C would.
// Threads: as the handles.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "cairn/cairn.h"
#include "testing/tiny_models.h"

namespace cairn::capi {

// A call's error, freed when the test is done with it. Use: cairn_x(..., Failure().place()).
class Failure {
 public:
  Failure() = default;
  Failure(const Failure&) = delete;
  Failure& operator=(const Failure&) = delete;
  ~Failure() { cairn_error_free(error_); }
  cairn_error** place() {
    cairn_error_free(error_);
    error_ = nullptr;
    return &error_;
  }
  cairn_status code() const { return cairn_error_code(error_); }
  std::string message() const { return cairn_error_message(error_); }

 private:
  cairn_error* error_ = nullptr;
};

// Expects CAIRN_OK and no error, with the error's text where there is one.
#define EXPECT_WORKS(failure, call)                                            \
  do {                                                                         \
    const cairn_status works_status = (call);                                  \
    EXPECT_EQ(works_status, CAIRN_OK) << #call << ": " << (failure).message(); \
    EXPECT_EQ((failure).code(), works_status);                                 \
  } while (false)

// Expects `status`, the same in the error, and one line that holds `words`.
#define EXPECT_FAILS(failure, status, words, call)                                        \
  do {                                                                                    \
    EXPECT_EQ((call), (status)) << #call;                                                 \
    EXPECT_EQ((failure).code(), (status)) << #call;                                       \
    EXPECT_NE((failure).message().find(words), std::string::npos) << (failure).message(); \
    EXPECT_EQ((failure).message().find('\n'), std::string::npos) << (failure).message();  \
  } while (false)

using Tokens = std::vector<std::int32_t>;

class OpenedTest : public ::testing::Test {
 public:
  void SetUp() override {
    EXPECT_WORKS(failure_,
                 cairn_model_open(tiny_.path().c_str(), nullptr, &model_, failure_.place()));
    cairn_engine_options options;
    cairn_engine_options_init(&options, sizeof(options));
    options.threads = 2;
    options.context = kContext;
    options.kv_memory = 64 << 20;
    EXPECT_WORKS(failure_, cairn_engine_open(model_, &options, &engine_, failure_.place()));
    ASSERT_NE(engine_, nullptr);
  }
  void TearDown() override {
    cairn_engine_free(engine_);
    cairn_model_free(model_);
  }

  static constexpr int kContext = 512;

  Tokens Encode(std::string_view text, std::uint32_t flags = CAIRN_ADD_SPECIAL) {
    Tokens tokens(text.size() + 8);
    std::size_t count = 0;
    EXPECT_WORKS(failure_, cairn_tokenize(model_, text.data(), text.size(), flags, tokens.data(),
                                          tokens.size(), &count, failure_.place()));
    tokens.resize(count);
    return tokens;
  }
  // Random choices, `tokens` of them.
  static cairn_generate_options Options(std::int64_t tokens, std::uint64_t seed = 1) {
    cairn_generate_options options;
    cairn_generate_options_init(&options, sizeof(options));
    options.max_tokens = tokens;
    options.seed = seed;
    options.temperature = 1.5f;
    options.ignore_end = 1;
    return options;
  }
  static cairn_answer_info Describe(const cairn_answer* answer) {
    cairn_answer_info info{.size = sizeof(info)};
    EXPECT_EQ(cairn_answer_describe(answer, &info, nullptr), CAIRN_OK);
    return info;
  }
  static std::string TextOf(const cairn_answer* answer) {
    const cairn_answer_info info = Describe(answer);
    return {info.text, info.length};
  }
  // The whole answer's text, alone.
  std::string Generate(const Tokens& prompt, const cairn_generate_options& options) {
    cairn_answer* answer = nullptr;
    EXPECT_WORKS(failure_, cairn_generate(engine_, prompt.data(), prompt.size(), &options, nullptr,
                                          nullptr, &answer, failure_.place()));
    const std::string text = answer == nullptr ? "" : TextOf(answer);
    cairn_answer_free(answer);
    return text;
  }

  testing::TinyModel tiny_{{.format = tensor::Format::kQ8_0}};
  Failure failure_;
  cairn_model* model_ = nullptr;
  cairn_engine* engine_ = nullptr;
};

}  // namespace cairn::capi
