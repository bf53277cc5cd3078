// SPDX-License-Identifier: Apache-2.0
#include "hub/reference.h"

#include <gtest/gtest.h>

namespace cairn::hub {
namespace {

Repository With(const std::vector<std::string>& paths) {
  Repository repository{.commit = "c", .files = {}};
  for (const std::string& path : paths) repository.files.push_back({.path = path, .bytes = 1});
  return repository;
}

// The path of the file that is chosen, or the error's code in words.
std::string Chosen(const Repository& repository, const std::string& wanted) {
  const auto files =
      ChooseFiles(repository, {.repository = "a/b", .revision = "main", .file = wanted});
  return files ? files->front().path : std::string(ErrorCodeName(files.error().code));
}

TEST(ReferenceTest, PartsOfANameAreTold) {
  const auto full = ParseReference("hf:some-one/a.model_1@v2.0:folder/file-Q4_0.gguf");
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->repository, "some-one/a.model_1");
  EXPECT_EQ(full->revision, "v2.0");
  EXPECT_EQ(full->file, "folder/file-Q4_0.gguf");
  EXPECT_EQ(full->Text(), "hf:some-one/a.model_1@v2.0:folder/file-Q4_0.gguf");
  const auto least = ParseReference("hf:a/b");
  ASSERT_TRUE(least);
  EXPECT_EQ(least->revision, "main");
  EXPECT_EQ(least->Text(), "hf:a/b");
}

TEST(ReferenceTest, WhatIsNoNameIsRefused) {
  for (const char* text : {"hf:", "hf:a", "hf:a/", "hf:/b", "hf:a/b/c", "hf:a/b:", "hf:a/b@", "a/b",
                           "hf:../b", "hf:a/..", "hf:a b/c", "hf:a/b?x=1", "hf:a/b@x/y"}) {
    EXPECT_FALSE(ParseReference(text)) << text;
  }
}

TEST(ReferenceTest, AFileIsFoundByPathNameOrTag) {
  const Repository repository =
      With({"README.md", "m-Q4_0.gguf", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "deep/m-q8_0.gguf",
            "mmproj-m-f16.gguf", "m-BF16-00001-of-00002.gguf", "m-BF16-00002-of-00002.gguf"});
  EXPECT_EQ(Chosen(repository, "m-Q4_0.gguf"), "m-Q4_0.gguf");
  EXPECT_EQ(Chosen(repository, "m-Q4_0"), "m-Q4_0.gguf");
  EXPECT_EQ(Chosen(repository, "deep/m-q8_0.gguf"), "deep/m-q8_0.gguf");
  EXPECT_EQ(Chosen(repository, "m-q8_0.gguf"), "deep/m-q8_0.gguf");
  EXPECT_EQ(Chosen(repository, "Q8_0"), "deep/m-q8_0.gguf");
  EXPECT_EQ(Chosen(repository, "q4_k_s"), "m-Q4_K_S.gguf");
  EXPECT_EQ(Chosen(repository, ""), "m-Q4_K_M.gguf") << "the usual one";
  EXPECT_EQ(Chosen(repository, "Q4"), "not found") << "a part of a word";
  EXPECT_EQ(Chosen(repository, "Q5_K_M"), "not found");
  EXPECT_EQ(Chosen(repository, "f16"), "not found") << "a projector is no model";
  const auto parts = ChooseFiles(repository, {.repository = "a/b", .file = "bf16"});
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[1].path, "m-BF16-00002-of-00002.gguf");
}

TEST(ReferenceTest, WhereSeveralFitTheyAreNamed) {
  const Repository repository = With({"a-Q8_0.gguf", "b-Q8_0.gguf"});
  EXPECT_EQ(Chosen(repository, ""), "invalid argument");
  const auto several = ChooseFiles(repository, {.repository = "a/b", .file = "Q8_0"});
  ASSERT_FALSE(several);
  EXPECT_NE(several.error().message.find("a-Q8_0.gguf, b-Q8_0.gguf"), std::string::npos);
  EXPECT_EQ(Chosen(With({"only.gguf"}), ""), "only.gguf");
  EXPECT_EQ(Chosen(With({"model.safetensors"}), ""), "not found");
  EXPECT_EQ(Chosen(With({"m-00001-of-00002.gguf"}), ""), "corrupt") << "a part is missing";
}

TEST(ReferenceTest, TheHubsAnswerIsReadWithoutTrust) {
  const std::string digest(64, 'a');
  const auto read = ReadRepository(
      R"({"sha": "abc", "siblings": [{"rfilename": "m.gguf", "size": 7, "lfs": {"sha256": ")" +
      digest + R"(", "size": 7}}, {"rfilename": "x", "size": -1}, 3, {"size": 1},)" +
      R"({"rfilename": "y", "lfs": {"sha256": "../..", "size": 9}}]})");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->commit, "abc");
  ASSERT_EQ(read->files.size(), 3u);
  EXPECT_EQ(read->files[0].sha256, digest);
  EXPECT_EQ(read->files[0].bytes, 7u);
  EXPECT_EQ(read->files[1].bytes, 0u);
  EXPECT_EQ(read->files[2].sha256, "");
  EXPECT_EQ(read->files[2].bytes, 9u);
  for (const char* bad : {"", "[]", "{}", R"({"siblings": 3})", "<html>"}) {
    EXPECT_FALSE(ReadRepository(bad)) << bad;
  }
}

}  // namespace
}  // namespace cairn::hub
