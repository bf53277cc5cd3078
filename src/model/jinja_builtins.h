// SPDX-License-Identifier: Apache-2.0
// What templates can call: filters, tests, methods of strings and dictionaries.
// Threads: the tables are constant; the functions work inside one rendering.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/jinja_value.h"

namespace cairn::model::jinja {

class Interpreter;
enum class Op;  // jinja_ast.h

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keyword;
};

// Arguments sorted by parameter names, as Python binds them. Fails for those that do not fit.
// The first `required` must be there; a missing other one is null. Lives as long as the arguments.
std::vector<const Value*> Bind(const Arguments& arguments, std::string_view function,
                               std::initializer_list<std::string_view> parameters,
                               std::size_t required);

struct Filter {
  std::string_view name;
  Value (*apply)(Interpreter&, const Value& input, const Arguments&);
};
struct Test {
  std::string_view name;
  bool (*apply)(Interpreter&, const Value& input, const Arguments&);
};
// Null for a name that is not known.
const Filter* FindFilter(std::string_view name);
const Test* FindTest(std::string_view name);

// Parts of the filter table, one file each.
const Filter* FindTextFilter(std::string_view name);
const Filter* FindListFilter(std::string_view name);
const Filter* FindNumberFilter(std::string_view name);

// Whether str has this method here.
bool HasStringMethod(std::string_view name);
Value CallStringMethod(Interpreter& interpreter, const Value& self, std::string_view name,
                       const Arguments& arguments);

// "%" and str.format. The literal parts of the format keep their origin, values keep theirs.
Text FormatPercent(Interpreter& interpreter, const Text& format, const Value& values);
Text FormatBraces(Interpreter& interpreter, const Text& format, const Arguments& arguments);

// json.dumps with its arguments, ensure_ascii=False unless given.
Value ToJson(Interpreter& interpreter, const Value& input, const Arguments& arguments);

// Digits without a sign; nothing if there is something else or it does not fit.
std::optional<Integer> ParseInteger(std::string_view digits, int base);
// int(str, base) and float(str) of Python.
std::optional<Integer> IntegerOf(std::string_view text, int base);
std::optional<double> DoubleOf(std::string_view text);

std::string StrfTime(std::string_view format, long long seconds);

// Fails where it does not fit.
Integer Negated(Integer value);

// The operators.
Value Add(Interpreter& interpreter, const Value& a, const Value& b);
Value Arithmetic(Interpreter& interpreter, Op op, const Value& a, const Value& b);
bool Contains(Interpreter& interpreter, const Value& container, const Value& item);
Text Join(Interpreter& interpreter, const std::vector<Value>& items, const Text& separator);
Text Strip(const Text& text, const Text* characters, bool left, bool right);
Text Replace(Interpreter& interpreter, const Text& text, const Text& from, const Text& to,
             std::optional<Integer> count);

}  // namespace cairn::model::jinja
