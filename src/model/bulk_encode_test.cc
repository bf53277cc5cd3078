// SPDX-License-Identifier: Apache-2.0
#include "model/bulk_encode.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/mapped_file.h"
#include "parallel/page_block.h"

namespace cairn::model {
namespace {

class BulkEncodeTest : public ::testing::Test {
 protected:
  BulkEncodeTest() {
    file_.emplace(
        std::move(*MappedFile::Open(CAIRN_SOURCE_DIR "/tests/golden/tokenizer/byte_bpe.gguf")));
    const auto gguf = Gguf::Parse(file_->bytes());
    tokenizer_.emplace(std::move(*Tokenizer::Create(std::move(*ReadVocabulary(*gguf)))));
  }
  std::optional<MappedFile> file_;
  std::optional<Tokenizer> tokenizer_;
};

TEST_F(BulkEncodeTest, EveryTextGivesTheIdsOfEncodeInOrder) {
  std::vector<std::string> texts = {"", "a"};
  for (int i = 0; i < 500; ++i) {
    texts.push_back("number " + std::to_string(i * i) +
                    std::string(static_cast<std::size_t>(i), 'n'));
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const int workers : {1, 2, 5}) {
    parallel::WorkerTeam team(workers);
    parallel::Executor executor(team, parallel::WholeMachine(parallel::ThisMachine()));
    const auto all = EncodeAll(*tokenizer_, views, true, false, executor);
    ASSERT_TRUE(all.has_value());
    ASSERT_EQ(all->size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ((*all)[i], *tokenizer_->Encode(texts[i], true)) << texts[i];
    }
  }
}

TEST_F(BulkEncodeTest, NoTextsGiveNoIds) {
  parallel::WorkerTeam team(2);
  parallel::Executor executor(team, parallel::WholeMachine(parallel::ThisMachine()));
  const auto all = EncodeAll(*tokenizer_, {}, true, false, executor);
  ASSERT_TRUE(all.has_value());
  EXPECT_TRUE(all->empty());
}

TEST_F(BulkEncodeTest, TextThatCannotBeEncodedIsNamed) {
  // Pages that nobody touches: it is refused by its size.
  const auto block = parallel::PageBlock::Allocate(kMostTextBytes + 1, parallel::HugePages::kNever);
  ASSERT_TRUE(block.has_value());
  const std::string_view long_text(reinterpret_cast<const char*>(block->data()), block->size());
  const std::vector<std::string_view> texts = {"a", long_text, "b"};
  parallel::WorkerTeam team(2);
  parallel::Executor executor(team, parallel::WholeMachine(parallel::ThisMachine()));
  const auto all = EncodeAll(*tokenizer_, texts, true, false, executor);
  ASSERT_FALSE(all.has_value());
  EXPECT_EQ(all.error().code, ErrorCode::kLimit);
  EXPECT_NE(all.error().message.find("text 1"), std::string::npos) << all.error().message;
}

}  // namespace
}  // namespace cairn::model
