// SPDX-License-Identifier: Apache-2.0
#include "model/bulk_encode.h"

#include <fmt/format.h>

#include "parallel/algorithms.h"

namespace cairn::model {

Result<std::vector<std::vector<std::int32_t>>> EncodeAll(const Tokenizer& tokenizer,
                                                         std::span<const std::string_view> texts,
                                                         bool add_special, bool parse_special,
                                                         parallel::Executor& executor) {
  using Ids = std::vector<std::int32_t>;
  std::vector<Result<Ids>> encoded(texts.size());
  parallel::Transform(parallel::kPar.On(executor).With(parallel::DynamicChunk{1}), texts.begin(),
                      texts.end(), encoded.begin(), [&](std::string_view text) {
                        return tokenizer.Encode(text, add_special, parse_special);
                      });
  std::vector<Ids> all;
  all.reserve(texts.size());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (!encoded[i]) {
      return std::unexpected(std::move(encoded[i]).error().Within(fmt::format("text {}", i)));
    }
    all.push_back(std::move(*encoded[i]));
  }
  return all;
}

}  // namespace cairn::model
