// SPDX-License-Identifier: Apache-2.0
// The parsed template: expressions and statements.
// Threads: immutable after parsing.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/jinja_value.h"

namespace cairn::model::jinja {

struct Filter;  // jinja_builtins.h
struct Test;

enum class ExprKind {
  kConst,
  kName,       // name
  kNamespace,  // target only: name.attribute
  kTuple,
  kList,
  kDict,       // children: key, value, key, value, ...
  kCondition,  // children: test, then, else (may be null)
  kAnd,
  kOr,
  kNot,
  kNegative,
  kPositive,
  kBinary,   // operators[0] of children 0 and 1
  kConcat,   // ~
  kCompare,  // children[0] operators[0] children[1] operators[1] ...
  kAttribute,
  kItem,    // children: object, index
  kSlice,   // children: start, stop, step (each may be null)
  kCall,    // children: callee, arguments
  kFilter,  // children: value (null in filter blocks), arguments
  kTest,    // children: value, arguments
};

enum class Op {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kPow,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kIn,
  kNotIn
};

struct Expr {
  ExprKind kind = ExprKind::kConst;
  int line = 1;
  int depth = 1;  // nodes on the longest way down; bounded, see kMaxExpressionDepth
  std::string name;
  std::string attribute;
  Value constant;
  std::vector<std::unique_ptr<Expr>> children;
  std::vector<Op> operators;
  std::vector<std::pair<std::string, std::unique_ptr<Expr>>> keywords;
  std::unique_ptr<Expr> star, star_star;  // *args, **kwargs
  const Filter* filter = nullptr;         // null: unknown, an error when evaluated
  const Test* test = nullptr;
};
using ExprPtr = std::unique_ptr<Expr>;

enum class StmtKind {
  kData,         // text
  kPrint,        // expr
  kFor,          // target, expr, test, body, otherwise, recursive
  kIf,           // branches, otherwise
  kSet,          // target, expr
  kSetBlock,     // target, expr (filters or null), body
  kMacro,        // name, parameters, body
  kCallBlock,    // parameters, expr (the call), body
  kFilterBlock,  // expr (filters), body
  kWith,         // assignments, body
  kScope,        // body in a scope of its own (generation, block)
  kBreak,
  kContinue,
  kNoLoader,  // include, import, extends: an error when reached
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

struct Parameter {
  std::string name;
  ExprPtr fallback;  // may be null
};

struct Stmt {
  StmtKind kind = StmtKind::kData;
  int line = 1;
  Text text;
  std::string name;
  ExprPtr target, expr, test;
  bool recursive = false;
  bool takes_kwargs = false, takes_varargs = false, takes_caller = false;
  std::vector<Parameter> parameters;
  std::vector<std::pair<ExprPtr, ExprPtr>> assignments;
  std::vector<std::pair<ExprPtr, Body>> branches;
  Body body, otherwise;
};

}  // namespace cairn::model::jinja
