// SPDX-License-Identifier: Apache-2.0
// Runs a parsed template once.
// Threads: one rendering belongs to one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/chat_template.h"
#include "model/jinja_ast.h"
#include "model/jinja_builtins.h"

namespace cairn::model::jinja {

// The largest range() and the longest list that a repetition or a filter makes, as the sandbox
// limits ranges.
inline constexpr Integer kMaxRange = 100'000;

// Variables of one scope. Names are views into the template.
struct Frame {
  std::vector<std::pair<std::string_view, Value>> variables;
  std::shared_ptr<Frame> parent;

  const Value* Find(std::string_view name) const;
  void Set(std::string_view name, Value value);
};
using FramePtr = std::shared_ptr<Frame>;

struct Namespace : Object {
  Namespace() : Object(Kind::kNamespace) {}
  std::vector<std::pair<std::string, Value>> attributes;
};
struct LoopState : Object {
  LoopState() : Object(Kind::kLoop) {}
  std::vector<Value> items;
  std::size_t index = 0;
  int depth = 0;
  const Stmt* recursive = nullptr;  // the loop's statement, if it may be called
  FramePtr frame;                   // around the loop
  std::vector<Value> changed;       // arguments of the last changed()
  bool has_changed = false;
};
struct MacroValue : Object {
  MacroValue() : Object(Kind::kMacro) {}
  const Stmt* macro = nullptr;
  FramePtr frame;
};
struct Function : Object {
  explicit Function(std::string_view n) : Object(Kind::kFunction), name(n) {}
  std::string_view name;
};
struct Method : Object {
  Method(Value s, std::string n) : Object(Kind::kMethod), self(std::move(s)), name(std::move(n)) {}
  Value self;
  std::string name;
};
struct Cycler : Object {
  Cycler() : Object(Kind::kCycler) {}
  std::vector<Value> items;
  std::size_t at = 0;
};
struct Joiner : Object {
  Joiner() : Object(Kind::kJoiner) {}
  Value separator;
  bool used = false;
};

class Interpreter {
 public:
  Interpreter(const RenderInput& input);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Text Run(const Body& body);

  Budget& budget() { return budget_; }
  const RenderInput& input() const { return input_; }

  Value MakeStr(Text text, bool markup = false);
  Value MakeStr(std::string_view text) { return MakeStr(Text(text, Origin::kInput)); }
  Value MakeList(ListKind kind, std::vector<Value> items);
  Value MakeDict(std::vector<std::pair<Value, Value>> entries);
  template <typename T, typename... A>
  std::shared_ptr<T> MakeObject(A&&... a) {
    budget_.Spend(4);
    if (budget_.max_live_bytes - budget_.live_bytes < 512)
      FailLimit("the chat template takes too much memory");
    budget_.live_bytes += 512;
    auto object = std::make_shared<T>(std::forward<A>(a)...);
    objects_.push_back(object);
    return object;
  }

  // str() of a value.
  Text TextOf(const Value& value) { return ToText(value, budget_); }
  // The items, as a for loop takes them; uses up iterators. Fails for what cannot be walked.
  std::vector<Value> Items(const Value& value);
  std::size_t Length(const Value& value);
  // object.name and object[key], by the sandbox's rules.
  Value Attribute(const Value& object, std::string_view name);
  Value Item(const Value& object, const Value& key);
  Value Call(const Value& callee, const Arguments& arguments);
  // A filter or test by its name at run time (map, select, ...).
  Value ApplyFilter(std::string_view name, const Value& input, const Arguments& arguments);
  bool ApplyTest(std::string_view name, const Value& input, const Arguments& arguments);

 private:
  struct Depth {
    explicit Depth(Interpreter& i);
    ~Depth() { --interpreter.depth_; }
    Interpreter& interpreter;
  };
  enum class Flow { kNext, kBreak, kContinue };

  Value Eval(const Expr& expr, const FramePtr& frame);
  Value EvalName(const Expr& expr, const FramePtr& frame);
  Value EvalCollection(const Expr& expr, const FramePtr& frame);
  Value EvalCompare(const Expr& expr, const FramePtr& frame);
  Value EvalConcat(const Expr& expr, const FramePtr& frame);
  Value EvalUnary(const Expr& expr, const FramePtr& frame);
  Value EvalItem(const Expr& expr, const FramePtr& frame);
  Value EvalCall(const Expr& expr, const FramePtr& frame);
  Value EvalFilter(const Expr& expr, const FramePtr& frame, const Value* piped);
  Value EvalTest(const Expr& expr, const FramePtr& frame);
  Value EvalCondition(const Expr& expr, const FramePtr& frame);
  bool CompareOnce(Op op, const Value& a, const Value& b);
  Arguments EvalArguments(const Expr& expr, const FramePtr& frame);
  Value SliceOf(const Value& object, const Value& start, const Value& stop, const Value& step);

  Flow Exec(const Body& body, const FramePtr& frame, Text& out);
  Flow ExecOne(const Stmt& stmt, const FramePtr& frame, Text& out);
  Flow ExecFor(const Stmt& stmt, const FramePtr& frame, Text& out);
  Flow RunLoop(const Stmt& stmt, const FramePtr& frame, const Value& iterable, int depth,
               Text& out);
  Flow ExecIf(const Stmt& stmt, const FramePtr& frame, Text& out);
  Flow ExecBlock(const Stmt& stmt, const FramePtr& frame, Text& out);
  void ExecCallBlock(const Stmt& stmt, const FramePtr& frame, Text& out);
  void Assign(const Expr& target, Value value, const FramePtr& frame, const FramePtr& into);
  void Emit(const Text& text, Text& out);
  FramePtr Inner(const FramePtr& parent);

  Value CallMethod(const Value& self, std::string_view name, const Arguments& arguments);
  Value CallDictMethod(const Dict& dict, std::string_view name, const Arguments& arguments);
  Value CallListMethod(const List& list, std::string_view name, const Arguments& arguments);
  Value CallFunction(std::string_view name, const Arguments& arguments);
  Value CallMacro(const MacroValue& macro, const Arguments& arguments);
  Value CallLoop(LoopState& loop, std::string_view name, const Arguments& arguments);
  Value LoopAttribute(LoopState& loop, std::string_view name);
  bool HasMethod(const Value& object, std::string_view name) const;
  Value MakeRange(const Arguments& arguments);

  const RenderInput& input_;
  Budget budget_;
  int depth_ = 0;
  FramePtr root_;
  // All objects of the rendering: what can form cycles is taken apart at the end.
  std::vector<std::shared_ptr<Object>> objects_;
};

// A value of the messages, tools or variables; its strings count as input.
Value FromJson(Interpreter& interpreter, const boost::json::value& json, int depth = 0);

Value UndefinedNamed(std::string name);
// `what` was done to an undefined value: says its name. Requires an Undefined.
[[noreturn]] void FailUndefined(const Value& value, std::string_view what);

}  // namespace cairn::model::jinja
