// SPDX-License-Identifier: Apache-2.0
#include "server/openai_logprobs.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <utility>

#include "model/utf8.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

std::string TextOf(std::string_view bytes) {
  std::string text;
  model::AppendWellFormed(bytes, text);
  return text;
}

json::object EntryOf(const engine::TokenLikelihood& token, const model::Tokenizer& tokenizer) {
  const std::string bytes = tokenizer.Decode({&token.token, 1}, true);
  json::array numbers;
  for (const char byte : bytes) numbers.push_back(static_cast<unsigned char>(byte));
  return {
      {"token", TextOf(bytes)}, {"logprob", token.log_probability}, {"bytes", std::move(numbers)}};
}

std::int64_t Characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

}  // namespace

json::value LogprobsWriter::WriteChat(std::span<const engine::TokenLikelihoods> tokens) const {
  json::array content;
  for (const engine::TokenLikelihoods& token : tokens) {
    json::object entry = EntryOf(token.chosen, tokenizer_);
    json::array top;
    for (const auto& other : token.top) top.push_back(EntryOf(other, tokenizer_));
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return json::object{{"content", std::move(content)}, {"refusal", nullptr}};
}

json::value LogprobsWriter::WritePlain(std::span<const engine::TokenLikelihoods> tokens) {
  json::array texts, own, tops, offsets;
  for (const engine::TokenLikelihoods& token : tokens) {
    const std::string text = TextOf(tokenizer_.Decode({&token.chosen.token, 1}, true));
    json::object top;  // of tokens with the same text the likeliest
    for (const auto& other : token.top) {
      top.emplace(TextOf(tokenizer_.Decode({&other.token, 1}, true)), other.log_probability);
    }
    own.push_back(token.chosen.log_probability);
    tops.push_back(std::move(top));
    offsets.push_back(std::exchange(offset_, offset_ + Characters(text)));
    texts.push_back(json::string(text));
  }
  return json::object{{"tokens", std::move(texts)},
                      {"token_logprobs", std::move(own)},
                      {"top_logprobs", std::move(tops)},
                      {"text_offset", std::move(offsets)}};
}

json::value LogprobsWriter::Write(std::span<const engine::TokenLikelihoods> tokens) {
  return endpoint_ == Endpoint::kChat ? WriteChat(tokens) : WritePlain(tokens);
}

}  // namespace cairn::server
