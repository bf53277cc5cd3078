// SPDX-License-Identifier: Apache-2.0
// Values of the template interpreter, with Python's meaning of equality, order, truth and printing.
//
// Strings, lists and dictionaries never change after they are made (the sandbox forbids it), so
// they are shared and have no cycles; what can change (namespaces, loops, macros) is an Object
// whose contents the interpreter clears at the end of a rendering. Threads: values belong to one
// rendering; those inside a parsed template are only read. Limits: nesting of lists and
// dictionaries, so that no recursion over a value goes deep.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "model/jinja_text.h"

namespace cairn::model::jinja {

__extension__ using Integer = __int128;

// Nesting of lists and dictionaries, well above what conversations and tool schemas have.
inline constexpr int kMaxNesting = 200;

// What a rendering may use. Live bytes go up and down with the values.
struct Budget {
  std::uint64_t steps_left = 0;
  std::size_t live_bytes = 0;
  std::size_t max_live_bytes = 0;

  void Spend(std::uint64_t steps) {
    if (steps > steps_left) FailLimit("the chat template takes too many steps");
    steps_left -= steps;
  }
};

// Counts bytes against a budget as long as it lives. A null budget counts nothing.
class Charge {
 public:
  Charge(Budget* budget, std::size_t bytes) : budget_(budget), bytes_(bytes) {
    if (budget_ == nullptr) return;
    if (bytes > budget_->max_live_bytes - budget_->live_bytes) {
      budget_ = nullptr;
      FailLimit("the chat template takes too much memory");
    }
    budget_->live_bytes += bytes;
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  ~Charge() {
    if (budget_ != nullptr) budget_->live_bytes -= bytes_;
  }

 private:
  Budget* budget_;
  std::size_t bytes_;
};

class Value;
struct List;
struct Dict;
struct Object;

struct Undefined {
  std::shared_ptr<const std::string> name;  // for messages; may be null
};
struct None {};
struct Str {
  Text text;
  bool markup = false;  // made by escape or safe
  Charge charge;
  Str(Text t, bool m, Budget* budget)
      : text(std::move(t)), markup(m), charge(budget, 2 * text.size() + 64) {}
};

using StrPtr = std::shared_ptr<const Str>;
using ListPtr = std::shared_ptr<const List>;
using DictPtr = std::shared_ptr<const Dict>;
using ObjectPtr = std::shared_ptr<Object>;

class Value {
 public:
  using Variant =
      std::variant<Undefined, None, bool, Integer, double, StrPtr, ListPtr, DictPtr, ObjectPtr>;
  Value() : v_(Undefined{}) {}
  // Implicit on purpose: each of these is a value.
  Value(Variant v) : v_(std::move(v)) {}    // NOLINT(google-explicit-constructor)
  Value(bool b) : v_(b) {}                  // NOLINT(google-explicit-constructor)
  Value(Integer i) : v_(i) {}               // NOLINT(google-explicit-constructor)
  Value(double d) : v_(d) {}                // NOLINT(google-explicit-constructor)
  Value(None n) : v_(n) {}                  // NOLINT(google-explicit-constructor)
  Value(Undefined u) : v_(std::move(u)) {}  // NOLINT(google-explicit-constructor)
  Value(StrPtr s) : v_(std::move(s)) {}     // NOLINT(google-explicit-constructor)
  Value(ListPtr l) : v_(std::move(l)) {}    // NOLINT(google-explicit-constructor)
  Value(DictPtr d) : v_(std::move(d)) {}    // NOLINT(google-explicit-constructor)
  Value(ObjectPtr o) : v_(std::move(o)) {}  // NOLINT(google-explicit-constructor)

  template <typename T>
  const T* If() const {
    return std::get_if<T>(&v_);
  }
  bool IsUndefined() const { return If<Undefined>() != nullptr; }
  bool IsNone() const { return If<None>() != nullptr; }
  const Str* AsStr() const { return If<StrPtr>() != nullptr ? If<StrPtr>()->get() : nullptr; }
  const List* AsList() const { return If<ListPtr>() != nullptr ? If<ListPtr>()->get() : nullptr; }
  const Dict* AsDict() const { return If<DictPtr>() != nullptr ? If<DictPtr>()->get() : nullptr; }
  Object* AsObject() const { return If<ObjectPtr>() != nullptr ? If<ObjectPtr>()->get() : nullptr; }
  // Integers and booleans.
  std::optional<Integer> AsInteger() const;
  // Integers, booleans and floats.
  std::optional<double> AsDouble() const;
  const Variant& variant() const { return v_; }

 private:
  Variant v_;
};

// Everything with items in order. Iterators (what map, select, ... give) are used up by walking
// them.
enum class ListKind { kList, kTuple, kRange, kIterator, kKeys, kValues, kItems };

struct List {
  ListKind kind;
  std::vector<Value> items;
  int depth = 1;
  Integer start = 0, stop = 0, step = 1;  // of a range
  bool group = false;                     // a tuple of groupby, with names for its parts
  mutable std::size_t next = 0;           // of an iterator: the first item not yet taken
  Charge charge;
  List(ListKind k, std::vector<Value> i, Budget* budget);
  bool Sequence() const { return kind <= ListKind::kRange; }
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  int depth = 1;
  std::unordered_map<std::string_view, std::size_t> index;  // string keys, if there are many
  Charge charge;
  // Later entries replace earlier ones of the same key. Fails for keys that cannot be hashed.
  Dict(std::vector<std::pair<Value, Value>> e, Budget* budget);
  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;
};

// Compared by identity.
struct Object : std::enable_shared_from_this<Object> {
  enum class Kind { kNamespace, kLoop, kMacro, kFunction, kMethod, kCycler, kJoiner };
  explicit Object(Kind k) : kind(k) {}
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  bool Callable() const { return kind != Kind::kNamespace && kind != Kind::kCycler; }
  const Kind kind;
};

int DepthOf(const Value& value);

// Python's type name, for messages.
std::string_view TypeName(const Value& value);
bool Truth(const Value& value);
// ==. Spends steps for long values.
bool Equal(const Value& a, const Value& b, Budget& budget);
// <, negative, zero or positive. Fails for values without an order.
int Compare(const Value& a, const Value& b, Budget& budget);
// Fails for values that Python cannot hash (lists, dictionaries).
void RequireHashable(const Value& value);

// str() and repr().
Text ToText(const Value& value, Budget& budget);
void AppendRepr(const Value& value, Text& out, Budget& budget);
std::string FormatDouble(double d);
std::string FormatInteger(Integer i);

}  // namespace cairn::model::jinja
