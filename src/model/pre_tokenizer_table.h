// SPDX-License-Identifier: Apache-2.0
// The pre-tokenizers that GGUF files name in 'tokenizer.ggml.pre', as a table: patterns are data of
// ours, none ever comes from a file.
//
// A new pre-tokenizer is one row in pre_tokenizer_table.cc (and its reference in
// scripts/pre_tokenizers.py).
// Threads: constants.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cairn::model {

// What a step does with the matches of its pattern. Each step works on the pieces that the one
// before it left.
enum class SplitHow {
  kIsolate,       // matches and what lies between them are the next pieces
  kThreesBefore,  // a match is a run of digits: cut before each group of three, from the right
  kThrees,        // the same groups, and the match is a piece of its own
};

// Patterns must match in time linear in the text and never match nothing.
struct SplitStep {
  const char* pattern;
  SplitHow how = SplitHow::kIsolate;
};

struct PreTokenizerRow {
  std::string_view name;
  std::span<const SplitStep> steps;
  bool whole_words = false;  // a word that is a token is not merged ("ignore_merges")
  bool add_bos = false;      // a begin token before a prompt, where the file says nothing
  bool pieces = false;       // tokens are spelled as text with U+2581 for spaces, not as bytes
};

std::span<const PreTokenizerRow> PreTokenizerRows();
const PreTokenizerRow* FindPreTokenizer(std::string_view name);  // nullptr: not known
// For errors: how to force one, and a few of them.
std::string HowToForcePreTokenizer();

}  // namespace cairn::model
