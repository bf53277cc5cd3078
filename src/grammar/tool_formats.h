// SPDX-License-Identifier: Apache-2.0
// How families of models write calls of tools (docs/tools.md).
// Threads: constants.
#pragma once

#include <span>
#include <string_view>

namespace cairn::grammar {

// What stands around calls in an answer. A marker that is empty does not stand there.
//
//   begin open CALL close open CALL close end
//
// A CALL is {"name": "NAME", "ARGUMENTS": {...}}, or, where there is a `middle`, NAME middle {...}.
struct ToolFormat {
  std::string_view name;
  std::string_view begin = {}, end = {};   // around all calls
  std::string_view open = {}, close = {};  // around each
  std::string_view arguments = "arguments";
  std::string_view middle = {};
  bool list = false;     // there is a `begin`, and after it calls stand in brackets, with commas
  bool parallel = true;  // several in one answer

  // What tells that a call begins; its first character does not come in it again. Empty: an answer
  // is a call where it begins with a brace.
  std::string_view marker() const { return begin.empty() ? open : begin; }
};

std::span<const ToolFormat> ToolFormats();
// For models whose template writes calls in none of these ways.
const ToolFormat& GenericToolFormat();
// Null: there is none of that name.
const ToolFormat* FindToolFormat(std::string_view name);

}  // namespace cairn::grammar
