// SPDX-License-Identifier: Apache-2.0
// Which of the known pre-tokenizers (pre_tokenizer_table.h) a tokenizer.json describes: found by
// the patterns of its steps, as a table of ours spells them.
// Threads: pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace cairn::model {

// The steps of 'pre_tokenizer' in one line, each with its pattern: "Digits, Split \p{N}{1,3}". What
// only turns bytes into characters is no step.
std::string DescribePreTokenizer(const boost::json::object& tokenizer);

// The name that GGUF files have for it. `whole_words`: 'ignore_merges' of the model, which a name
// stands for too. Where there is none, what DescribePreTokenizer gives: nothing knows that name, so
// that whoever meets it says what was there.
std::string NameOfPreTokenizer(const boost::json::object& tokenizer, bool whole_words);

}  // namespace cairn::model
