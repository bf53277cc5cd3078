// SPDX-License-Identifier: Apache-2.0
// Tokens to tree, by Jinja2's grammar.
// Threads: pure function; the tree may be shared.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "model/jinja_ast.h"
#include "model/jinja_lexer.h"

namespace cairn::model::jinja {

inline constexpr int kMaxExpressionDepth = 300;  // chains such as a + b + c count one per link
inline constexpr int kMaxParserDepth = 120;      // brackets and statements inside one another

// Throws Failure (kInvalidArgument with the line; kLimit).
Body ParseTemplate(std::string_view source);

// The expression half in jinja_parser.cc, the statements in jinja_statements_parser.cc.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Body ParseAll();

 private:
  struct Nesting {  // counts recursion
    explicit Nesting(Parser& p);
    ~Nesting() { --parser.depth_; }
    Parser& parser;
  };
  enum class InTuple { kExpressions, kNoCondition, kTargets, kTargetsAndNamespaces };
  using Names = std::initializer_list<std::string_view>;

  const Token& Now() const { return tokens_[at_]; }
  const Token& Ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token Take();
  bool IsOperator(std::string_view op) const;
  bool IsName(std::string_view name) const;
  bool SkipOperator(std::string_view op);
  bool SkipName(std::string_view name);
  void ExpectOperator(std::string_view op);
  void ExpectKind(TokenKind kind, std::string_view what);
  std::string ExpectName();
  [[noreturn]] void Bad(std::string_view what) const;
  ExprPtr Make(ExprKind kind, std::vector<ExprPtr> children = {}) const;
  static void Deepen(Expr& node, const Expr* child);
  template <typename... Children>
  ExprPtr Node(ExprKind kind, Children... children) const {
    std::vector<ExprPtr> list;
    (list.push_back(std::move(children)), ...);
    return Make(kind, std::move(list));
  }

  ExprPtr Expression(bool with_condition = true);
  ExprPtr Or();
  ExprPtr And();
  ExprPtr Not();
  ExprPtr Comparison();
  ExprPtr Sum();
  ExprPtr Concat();
  ExprPtr Product();
  ExprPtr Power();
  ExprPtr Unary(bool with_filter);
  ExprPtr Primary(bool with_namespace);
  ExprPtr Number();
  ExprPtr ListLiteral();
  ExprPtr DictLiteral();
  ExprPtr Postfix(ExprPtr node);
  ExprPtr FilterChain(ExprPtr node);
  ExprPtr Filters(ExprPtr node, bool starts_inline);
  ExprPtr TestOf(ExprPtr node);
  ExprPtr Subscript(ExprPtr node);
  ExprPtr SubscriptPart();
  ExprPtr Call(ExprPtr callee);
  void Arguments(Expr& into);
  ExprPtr Tuple(InTuple mode, bool parentheses);
  ExprPtr Target(bool with_namespace);
  void RequireAssignable(const Expr& target) const;
  static ExprPtr Binary(ExprPtr node, Op op);

  Body Statements(Names ends, bool drop);
  Body Until(Names ends);
  std::unique_ptr<Stmt> Statement();
  std::unique_ptr<Stmt> For();
  std::unique_ptr<Stmt> If();
  std::unique_ptr<Stmt> Set();
  std::unique_ptr<Stmt> Macro();
  std::unique_ptr<Stmt> CallBlock();
  std::unique_ptr<Stmt> FilterBlock();
  std::unique_ptr<Stmt> With();
  std::unique_ptr<Stmt> Scope(std::string_view name);
  std::unique_ptr<Stmt> NoLoader();
  std::vector<Parameter> Signature();
  Body MacroBody(Stmt& macro, std::string_view end);

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;                               // loops around here that a break may leave
  int any_loops_ = 0;                           // loops around here at all
  int kwargs_ = 0, varargs_ = 0, callers_ = 0;  // times the names were read so far
  // Filters and tests that do not exist: an error, unless they turn out to stand in a branch.
  std::vector<std::string> unknown_, unknown_for_sure_;
};

}  // namespace cairn::model::jinja
