// SPDX-License-Identifier: Apache-2.0
// Tokenizes many texts with the vocabulary of one GGUF file (scripts/compare_tokenizers.py).
// Standard input: for each text its bytes' number as u32, then the bytes. Standard output: for each
// text the number of ids as u32, then the ids; little-endian. All cores take part. An argument
// "--special" parses special tokens; "--time" works on one core and prints processor seconds to
// standard error. "--split NAME" in place of a file cuts words with that pre-tokenizer and writes
// the bytes of each word where ids would be (scripts/pre_tokenizers.py).
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "model/bulk_encode.h"
#include "model/gguf.h"
#include "model/pre_tokenizer.h"
#include "model/tokenizer.h"

namespace {

// Of this process's processor: other programs may run beside it.
double Seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::vector<std::string> ReadTexts() {
  std::vector<std::string> texts;
  std::uint32_t size = 0;
  while (std::fread(&size, sizeof(size), 1, stdin) == 1) {
    std::string text(size, '\0');
    if (std::fread(text.data(), 1, size, stdin) != size) break;
    texts.push_back(std::move(text));
  }
  return texts;
}

void Write(const std::vector<std::int32_t>& ids) {
  const auto count = static_cast<std::uint32_t>(ids.size());
  std::fwrite(&count, sizeof(count), 1, stdout);
  std::fwrite(ids.data(), sizeof(ids[0]), ids.size(), stdout);
}

cairn::Result<void> EncodeTimed(const cairn::model::Tokenizer& tokenizer,
                                const std::vector<std::string>& texts, bool special) {
  for (const std::string& text : texts) {
    const double start = Seconds();
    const auto ids = OR_RETURN(tokenizer.Encode(text, false, special));
    const double seconds = Seconds() - start;
    fmt::print(stderr, "{} bytes {} ids {:.4f} s {:.1f} MB/s\n", text.size(), ids.size(), seconds,
               static_cast<double>(text.size()) / seconds / 1e6);
    Write(ids);
  }
  return {};
}

cairn::Result<void> Run(const std::string& path, bool special, bool time) {
  const auto file = OR_RETURN(cairn::MappedFile::Open(path));
  const auto gguf = OR_RETURN(cairn::model::Gguf::Parse(file.bytes()));
  const double start = Seconds();
  auto vocabulary = OR_RETURN(cairn::model::ReadVocabulary(gguf));
  const double read = Seconds() - start;
  const auto tokenizer = OR_RETURN(cairn::model::Tokenizer::Create(std::move(vocabulary)));
  if (time)
    fmt::print(stderr, "vocabulary {:.4f} s, create {:.4f} s\n", read, Seconds() - start - read);
  const std::vector<std::string> texts = ReadTexts();
  if (time) return EncodeTimed(tokenizer, texts, special);
  cairn::parallel::WorkerTeam team(cairn::parallel::UsableCores());
  cairn::parallel::Executor executor(team,
                                     cairn::parallel::WholeMachine(cairn::parallel::ThisMachine()));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const auto& ids :
       OR_RETURN(cairn::model::EncodeAll(tokenizer, views, false, special, executor))) {
    Write(ids);
  }
  return {};
}

cairn::Result<void> SplitAll(const std::string& name) {
  const auto pre = OR_RETURN(cairn::model::PreTokenizer::Create(name));
  for (const std::string& text : ReadTexts()) {
    std::vector<std::int32_t> bytes;
    OR_RETURN(pre.Split(text, [&](std::string_view word) {
      bytes.push_back(static_cast<std::int32_t>(word.size()));
    }));
    Write(bytes);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  bool special = false, time = false;
  for (int i = 2; i < argc; ++i) {
    special |= std::strcmp(argv[i], "--special") == 0;
    time |= std::strcmp(argv[i], "--time") == 0;
  }
  if (argc < 2) {
    fmt::print(stderr,
               "usage: cairn_encode_many MODEL.gguf [--special] [--time]\n"
               "       cairn_encode_many --split NAME\n");
    return 2;
  }
  const bool split = argc == 3 && std::strcmp(argv[1], "--split") == 0;
  const auto result = split ? SplitAll(argv[2]) : Run(argv[1], special, time);
  if (!result) {
    fmt::print(stderr, "{}\n", result.error().message);
    return 1;
  }
  return 0;
}
