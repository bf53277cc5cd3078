// SPDX-License-Identifier: Apache-2.0
// Reads one schema and its parts. Private to src/grammar; the contract is json_schema.h.
// Threads: one thread. Borrows the expressions and the schema.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/json_numbers.h"
#include "grammar/json_text.h"
#include "grammar/schema_merge.h"

namespace cairn::grammar {

class SchemaReader {
 public:
  SchemaReader(Expressions& expressions, JsonText& text, const boost::json::value& root)
      : out_(expressions), text_(text), root_(root) {}
  [[nodiscard]] Result<ExpressionId> Read();

 private:
  using Object = boost::json::object;
  using Array = boost::json::array;
  using Value = boost::json::value;

  // Where a schema stands: its place in the document, for messages, and how deep it is.
  struct Place {
    std::string name;
    int depth = 0;
    Place Inside(std::string_view more) const {
      constexpr std::size_t kShown = 300;  // names may be long, and places deep
      if (name.size() > kShown) return {.name = name, .depth = depth + 1};
      return {.name = name + "/" + std::string(more.substr(0, kShown)), .depth = depth + 1};
    }
  };

  static std::unexpected<Error> Wrong(ErrorCode code, const Place& place, std::string_view what);
  static std::unexpected<Error> Unsupported(const Place& place, std::string_view keyword);

  // schema_reader.cc: the whole, types, lists of values, references.
  [[nodiscard]] Result<ExpressionId> Schema(const Value& schema, const Place& place);
  [[nodiscard]] Result<ExpressionId> ByType(const Object& schema, const Place& place);
  [[nodiscard]] Result<void> CheckKeywords(const Object& schema, const Place& place) const;
  [[nodiscard]] Result<std::vector<std::string_view>> TypesOf(const Object& schema,
                                                              const Place& place) const;
  [[nodiscard]] Result<ExpressionId> Listed(const Object& schema, std::string_view name,
                                            const Place& place);
  [[nodiscard]] Result<const Value*> Target(const Value& ref, const Place& place) const;
  [[nodiscard]] Result<ExpressionId> Reference(const Value& ref, const Place& place);
  ExpressionId Rule(ExpressionId body);  // used in several places: built once

  // schema_combine.cc: schemas that are joined, or of which one is to fit.
  [[nodiscard]] Result<ExpressionId> Combined(const Object& schema, const Place& place);
  [[nodiscard]] Result<ExpressionId> AnyOf(const Object& rest, const Value& list,
                                           std::string_view name, const Place& place);
  // The object that says what `schema` says, without $ref and allOf; false where nothing fits.
  // A part's own unevaluatedProperties does not know what stands beside it.
  [[nodiscard]] Result<Value> Opened(const Value& schema, const Place& place, bool part = true);

  // schema_values.cc
  [[nodiscard]] Result<std::uint32_t> CountOf(const Object& schema, const char* name,
                                              std::uint32_t absent, const Place& place) const;
  [[nodiscard]] Result<ExpressionId> StringOf(const Object& schema, const Place& place);
  [[nodiscard]] Result<ExpressionId> NumberOf(const Object& schema, bool integer,
                                              const Place& place);
  [[nodiscard]] Result<ExpressionId> MultiplesOf(const Object& schema, const NumberBounds& bounds,
                                                 const Place& place);
  [[nodiscard]] Result<NumberBounds> BoundsOf(const Object& schema, const Place& place) const;

  // schema_containers.cc
  struct Member {
    ExpressionId text = Expressions::kNever;
    bool required = false;
  };
  [[nodiscard]] Result<ExpressionId> ArrayOf(const Object& schema, const Place& place);
  [[nodiscard]] Result<ExpressionId> ObjectOf(const Object& schema, const Place& place);
  [[nodiscard]] Result<std::vector<std::string>> RequiredOf(const Object& schema,
                                                            const Place& place) const;
  [[nodiscard]] Result<ExpressionId> ExtraMember(const Object& schema,
                                                 std::vector<std::string> taken,
                                                 const Place& place);
  [[nodiscard]] Result<ExpressionId> Members(const std::vector<Member>& members, ExpressionId extra,
                                             const Object& schema, const Place& place);
  ExpressionId MemberOf(ExpressionId name, ExpressionId value);
  ExpressionId OtherName(std::vector<std::string> names);
  ExpressionId NotOneOf(std::span<const std::string> names, std::size_t at);

  Expressions& out_;
  JsonText& text_;
  const Value& root_;
  struct Pending {
    std::string name;
    const Value* schema;
    RuleId rule;
  };
  std::map<std::string, RuleId> references_;
  std::vector<Pending> pending_;  // referred to and not read yet
  MergeBudget budget_;
};

}  // namespace cairn::grammar
