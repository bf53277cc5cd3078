// SPDX-License-Identifier: Apache-2.0
// Any bytes as a form of an answer: a JSON schema, a grammar (GBNF or Lark), a regular expression,
// choices. An Error that says something, or a grammar that can be followed: from each place that
// its masks lead to there is a way on, or the text may end there. The first byte chooses the kind.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/answer_form.h"
#include "grammar/matcher.h"

namespace {

using namespace cairn::grammar;

void Require(bool holds) {
  if (!holds) std::abort();
}

std::shared_ptr<const TokenTrie> Bytes() {
  std::vector<std::string> tokens{"<end>"};
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* piece : {"{\"", "\":", "\",", "aa", "ab", "null", "00", "  ", "\\u"}) {
    tokens.emplace_back(piece);
  }
  return std::make_shared<TokenTrie>(tokens, std::vector<TokenId>{0});
}

// The first, the last and the middle of what may come, in turn.
void Follow(const std::shared_ptr<const Grammar>& grammar) {
  static const auto trie = Bytes();
  Matcher matcher(std::make_shared<Masks>(grammar, trie));
  for (int step = 0; step < 40 && !matcher.finished(); ++step) {
    const auto mask = matcher.Mask();
    if (!mask) {
      Require(!mask.error().message.empty());
      return;
    }
    std::vector<TokenId> may;
    for (TokenId id = 1; id < static_cast<TokenId>(trie->size()); ++id) {
      if ((*mask)->Has(id)) may.push_back(id);
    }
    Require((*mask)->Has(0) == matcher.complete());
    Require(!may.empty() || matcher.complete());
    if (may.empty()) return;
    const std::size_t choice = step % 3 == 0 ? 0 : step % 3 == 1 ? may.size() - 1 : may.size() / 2;
    matcher.Accept(may[choice]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const FormKind kind = data[0] == 's'   ? FormKind::kJsonSchema
                        : data[0] == 'g' ? FormKind::kGbnf
                        : data[0] == 'l' ? FormKind::kLark
                        : data[0] == 'c' ? FormKind::kChoices
                                         : FormKind::kRegex;
  const auto grammar = CompileForm({.kind = kind, .text = text});
  if (grammar) {
    Follow(*grammar);
  } else {
    Require(!grammar.error().message.empty() && grammar.error().message.size() < 1000);
    Require(grammar.error().message.find('\n') == std::string::npos);
  }
  return 0;
}
