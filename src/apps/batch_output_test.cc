// SPDX-License-Identifier: Apache-2.0
#include "apps/batch_output.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/openai_batch.h"
#include "testing/temp_folder.h"

namespace cairn::apps {
namespace {

std::string ReadAll(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class BatchOutputTest : public ::testing::Test {
 protected:
  // The file with `text` in it, opened.
  Result<BatchOutput> OpenWith(const std::string& text) {
    std::ofstream(path_) << text;
    return BatchOutput::Open(path_, console_);
  }

  const cairn::testing::TempFolder temp_;
  const std::string path_ = temp_.File("out");
  Console console_{STDOUT_FILENO, STDERR_FILENO};
  const std::string answer_ = server::BatchResult(3, "a", {.status = 200, .body = {}});
  const std::string broken_ = server::BatchFailureResult(
      5, std::nullopt, server::BatchFailure::kInvalidLine, "line 5: it is no JSON");
};

TEST_F(BatchOutputTest, LinesAreInTheFileWhenAppendReturns) {
  auto out = BatchOutput::Open(path_, console_);
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_TRUE(out->Append(answer_));
  EXPECT_EQ(ReadAll(path_), answer_);
  ASSERT_TRUE(out->Append(broken_));
  EXPECT_EQ(ReadAll(path_), answer_ + broken_);
  EXPECT_TRUE(out->Finish());
}

TEST_F(BatchOutputTest, FileSaysWhatIsDoneAndGrows) {
  auto out = OpenWith(answer_ + "\n" + broken_);
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(out->done().results, 2);
  EXPECT_EQ(out->done().ids, std::unordered_set<std::string>{"a"});
  EXPECT_EQ(out->done().failures, std::unordered_set<std::int64_t>{5});
  EXPECT_FALSE(out->done().cut);
  ASSERT_TRUE(out->Append(answer_));
  EXPECT_EQ(ReadAll(path_), answer_ + "\n" + broken_ + answer_);
}

TEST_F(BatchOutputTest, TornLastLineIsCutWhereverItEnds) {
  for (std::size_t length = 1; length < broken_.size(); ++length) {
    auto out = OpenWith(answer_ + broken_.substr(0, length));
    ASSERT_TRUE(out) << length;
    EXPECT_TRUE(out->done().cut);
    EXPECT_EQ(out->done().results, 1);
    EXPECT_TRUE(out->done().failures.empty());
    EXPECT_EQ(ReadAll(path_), answer_);
  }
  ASSERT_TRUE(OpenWith(answer_ + std::string(100, '\0')));
  EXPECT_EQ(ReadAll(path_), answer_);
}

TEST_F(BatchOutputTest, OtherFilesAreRefusedAndStay) {
  for (const std::string& text : {std::string("notes"), std::string("notes\n"), answer_ + "notes",
                                  answer_ + "notes\n" + broken_, std::string("{}\n")}) {
    const auto out = OpenWith(text);
    ASSERT_FALSE(out) << text;
    EXPECT_EQ(out.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(ReadAll(path_), text);
  }
}

TEST_F(BatchOutputTest, SecondWriterIsRefused) {
  const auto first = BatchOutput::Open(path_, console_);
  ASSERT_TRUE(first);
  EXPECT_EQ(BatchOutput::Open(path_, console_).error().code, ErrorCode::kIo);
}

TEST_F(BatchOutputTest, NewFileWithoutALineGoesUnlessItIsFinished) {
  { ASSERT_TRUE(BatchOutput::Open(path_, console_)); }
  EXPECT_FALSE(std::filesystem::exists(path_));
  {
    auto out = BatchOutput::Open(path_, console_);
    ASSERT_TRUE(out && out->Finish());
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
  { ASSERT_TRUE(BatchOutput::Open(path_, console_)); }
  EXPECT_TRUE(std::filesystem::exists(path_)) << "it was there before";
}

}  // namespace
}  // namespace cairn::apps
