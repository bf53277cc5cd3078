// SPDX-License-Identifier: Apache-2.0
// form_judge MODEL.gguf: forms of answers over a model's vocabulary, without the model
// (scripts/judge_forms.py, bench/structured). Each line of standard input is a JSON object:
//   {"kind": "schema"|"grammar"|"regex"|"choices"|"object", "text": "...", "samples": N, "seed": S,
//    "check": ["...", ...], "walk": "..."}
// and each gets a line: {"error": "..."}, or
//   samples, unfinished   texts that were drawn token by token under the masks, and how many broke
//   checks                which of the texts the form takes
//   tokens, allowed       of the walk: the longest tokens that spell it, the mask before each
//   compile_us, mask_us   times of the compiler and of every mask of samples and walk
// {"vocabulary": true} gets the bytes of every token, in hexadecimal, and the ids that end answers.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "engine/constrained_choice.h"
#include "grammar/answer_form.h"
#include "grammar/configurations.h"
#include "grammar/matcher.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace {

namespace json = boost::json;
using namespace cairn;

double NowUs() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

grammar::FormKind KindOf(std::string_view name) {
  if (name == "schema") return grammar::FormKind::kJsonSchema;
  if (name == "grammar") return grammar::FormKind::kGrammar;
  if (name == "regex") return grammar::FormKind::kRegex;
  return name == "choices" ? grammar::FormKind::kChoices : grammar::FormKind::kJsonObject;
}

class Judge {
 public:
  explicit Judge(const model::Tokenizer& tokenizer) : trie_(engine::TrieOf(tokenizer)) {}

  // The bytes of every token in hexadecimal, and which tokens end an answer.
  json::object Vocabulary() const {
    json::array tokens, ends;
    for (std::size_t id = 0; id < trie_->size(); ++id) {
      std::string hex;
      for (const char byte : trie_->BytesOf(static_cast<grammar::TokenId>(id))) {
        hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      }
      tokens.emplace_back(hex);
    }
    for (const grammar::TokenId end : trie_->ends()) ends.emplace_back(end);
    return {{"tokens", std::move(tokens)}, {"ends", std::move(ends)}};
  }

  json::object Answer(const json::object& asked) {
    if (asked.contains("vocabulary")) return Vocabulary();
    const auto text_of = [&](const char* name) {
      const auto* value = asked.if_contains(name);
      return value != nullptr ? std::string(value->as_string().c_str()) : std::string();
    };
    const double before = NowUs();
    const auto compiled =
        grammar::CompileForm({.kind = KindOf(text_of("kind")), .text = text_of("text")});
    json::object out{{"compile_us", NowUs() - before}};
    if (!compiled) {
      out["error"] = compiled.error().message;
      return out;
    }
    const auto masks = std::make_shared<grammar::Masks>(*compiled, trie_, shared_);
    times_ = {};
    Samples(masks, asked, out);
    Checks(**compiled, asked, out);
    if (asked.contains("walk")) Walk(masks, text_of("walk"), out);
    out["mask_us"] = std::move(times_);
    return out;
  }

 private:
  std::shared_ptr<const grammar::TokenMask> Mask(grammar::Matcher& matcher) {
    const double before = NowUs();
    auto mask = matcher.Mask();
    times_.emplace_back(NowUs() - before);
    return mask ? *mask : nullptr;
  }

  // Allowed tokens at random; the longer the text, the more those that close something.
  void Samples(const std::shared_ptr<grammar::Masks>& masks, const json::object& asked,
               json::object& out) {
    constexpr int kMostTokens = 600;
    const auto* count = asked.if_contains("samples");
    const auto* seed = asked.if_contains("seed");
    std::mt19937_64 random(seed != nullptr ? static_cast<std::uint64_t>(seed->as_int64()) : 0);
    json::array samples;
    std::int64_t unfinished = 0;
    for (std::int64_t i = 0; count != nullptr && i < count->as_int64(); ++i) {
      grammar::Matcher matcher(masks);
      std::string text;
      bool ended = false;
      for (int step = 0; step < kMostTokens && !ended; ++step) {
        const auto mask = Mask(matcher);
        if (mask == nullptr) break;
        const auto token = Draw(*mask, random, step);
        ended = std::ranges::count(trie_->ends(), token) > 0;
        if (ended) break;
        text += trie_->BytesOf(token);
        matcher.Accept(token);
        ended = matcher.finished();
      }
      if (ended) {
        samples.emplace_back(json::string_view(text.data(), text.size()));
      } else {
        ++unfinished;
      }
    }
    out["samples"] = std::move(samples);
    out["unfinished"] = unfinished;
  }

  std::int32_t Draw(const grammar::TokenMask& mask, std::mt19937_64& random, int step) {
    std::vector<std::int32_t> may;
    for (std::size_t w = 0; w < mask.words().size(); ++w) {
      for (std::uint64_t word = mask.words()[w]; word != 0; word &= word - 1) {
        may.push_back(static_cast<std::int32_t>(w * 64) + std::countr_zero(word));
      }
    }
    std::int32_t best = may[random() % may.size()];
    const auto tries =
        1 + std::min<std::uint64_t>(static_cast<std::uint64_t>(step) * step, may.size());
    for (std::uint64_t i = 0; i < tries && !Closes(best); ++i) {
      const std::int32_t other = may[random() % may.size()];
      if (Closes(other)) best = other;
    }
    return best;
  }
  bool Closes(std::int32_t token) const {
    const std::string_view text = trie_->BytesOf(token);
    return text.empty() || text.find_first_of("\"}]") < 2;
  }

  static void Checks(const grammar::Grammar& grammar, const json::object& asked,
                     json::object& out) {
    const auto* texts = asked.if_contains("check");
    if (texts == nullptr) return;
    json::array taken;
    for (const json::value& text : texts->as_array()) {
      grammar::Configurations places(grammar);
      grammar::NodeId node = places.start();
      for (const char byte : text.as_string()) {
        node = places.StepByte(node, static_cast<unsigned char>(byte));
      }
      taken.emplace_back(places.Accepts(node));
    }
    out["checks"] = std::move(taken);
  }

  // 64 tokens at a time, the lowest first.
  static std::string Hex(const grammar::TokenMask& mask) {
    std::string out;
    for (const std::uint64_t word : mask.words()) out += fmt::format("{:016x}", word);
    return out;
  }

  // The longest token that fits at each place; the mask before each as a list of ids.
  void Walk(const std::shared_ptr<grammar::Masks>& masks, std::string_view text,
            json::object& out) {
    grammar::Matcher matcher(masks);
    json::array tokens, allowed;
    while (!text.empty()) {
      const auto mask = Mask(matcher);
      if (mask == nullptr) break;
      allowed.emplace_back(Hex(*mask));
      std::int32_t next = -1;
      std::size_t longest = 0;
      for (const std::int32_t id : trie_->order()) {
        const std::string_view bytes = trie_->BytesOf(id);
        if (bytes.size() > longest && text.starts_with(bytes) && mask->Has(id)) {
          next = id;
          longest = bytes.size();
        }
      }
      if (next < 0) break;
      tokens.emplace_back(next);
      matcher.Accept(next);
      text.remove_prefix(longest);
    }
    if (text.empty() && !matcher.finished()) {
      if (const auto mask = Mask(matcher)) allowed.emplace_back(Hex(*mask));
    }
    out["tokens"] = std::move(tokens);
    out["allowed"] = std::move(allowed);
    out["walked"] = text.empty();
    out["complete"] = matcher.complete();
  }

  std::shared_ptr<const grammar::TokenTrie> trie_;
  std::shared_ptr<grammar::SharedTables> shared_ = std::make_shared<grammar::SharedTables>();
  json::array times_;
};

Result<void> Run(const std::string& path) {
  const auto file = OR_RETURN(MappedFile::Open(path));
  const auto gguf = OR_RETURN(model::Gguf::Parse(file.bytes()));
  const auto tokenizer =
      OR_RETURN(model::Tokenizer::Create(OR_RETURN(model::ReadVocabulary(gguf))));
  Judge judge(tokenizer);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << json::serialize(judge.Answer(json::parse(line).as_object())) << std::endl;
  }
  return {};
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    fmt::print(stderr, "usage: form_judge MODEL.gguf\n");
    return 2;
  }
  const auto done = Run(arguments[1]);
  if (!done) fmt::print(stderr, "form_judge: {}\n", done.error().message);
  return done ? 0 : 1;
}
