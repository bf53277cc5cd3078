// SPDX-License-Identifier: Apache-2.0
// The statements of the grammar; the expressions are in jinja_parser.cc.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "model/jinja_builtins.h"
#include "model/jinja_parser.h"

namespace cairn::model::jinja {
namespace {

std::unique_ptr<Stmt> NewStmt(StmtKind kind, int line) {
  auto stmt = std::make_unique<Stmt>();
  stmt->kind = kind;
  stmt->line = line;
  return stmt;
}

}  // namespace

Body ParseTemplate(std::string_view source) { return Parser(Lex(source)).ParseAll(); }

Body Parser::ParseAll() {
  Body body = Until({});
  if (!unknown_.empty()) Bad(unknown_[0]);
  if (!unknown_for_sure_.empty()) Bad(unknown_for_sure_[0]);
  return body;
}

// Statements up to one of the tags in `ends`, whose name is then the current token; without `ends`
// up to the end of the template.
Body Parser::Until(Names ends) {
  Body body;
  while (Now().kind != TokenKind::kEnd) {
    const Token token = Take();
    if (token.kind == TokenKind::kData) {
      auto data = NewStmt(StmtKind::kData, token.line);
      data->text = Text(token.text, Origin::kTemplate);
      body.push_back(std::move(data));
    } else if (token.kind == TokenKind::kVariableBegin) {
      auto print = NewStmt(StmtKind::kPrint, token.line);
      print->expr = Tuple(InTuple::kExpressions, false);
      ExpectKind(TokenKind::kVariableEnd, "the end of the print tag");
      body.push_back(std::move(print));
    } else {
      if (std::any_of(ends.begin(), ends.end(), [&](auto end) { return IsName(end); })) return body;
      if (auto statement = Statement()) body.push_back(std::move(statement));
      ExpectKind(TokenKind::kBlockEnd, "the end of the tag");
    }
  }
  if (ends.size() != 0) Bad(fmt::format("the template ends before '{}'", *ends.begin()));
  return body;
}

Body Parser::Statements(Names ends, bool drop) {
  const Nesting nesting(*this);
  SkipOperator(":");
  ExpectKind(TokenKind::kBlockEnd, "the end of the tag");
  Body body = Until(ends);
  if (drop) Take();
  return body;
}

std::unique_ptr<Stmt> Parser::Statement() {
  if (Now().kind != TokenKind::kName) Bad("expected the name of a tag");
  const int line = Now().line;
  const std::string name = Now().text;
  if (name == "for") return For();
  if (name == "if") return If();
  if (name == "set") return Set();
  if (name == "macro") return Macro();
  if (name == "call") return CallBlock();
  if (name == "filter") return FilterBlock();
  if (name == "with") return With();
  if (name == "generation") return Scope("endgeneration");
  if (name == "block") return Scope("endblock");
  if (name == "include" || name == "import" || name == "from" || name == "extends") {
    return NoLoader();
  }
  if (name == "print") {
    Take();
    auto print = NewStmt(StmtKind::kPrint, line);
    print->expr = Tuple(InTuple::kExpressions, false);
    return print;
  }
  if (name == "break" || name == "continue") {
    if (loops_ == 0) Bad(fmt::format("'{}' outside of a loop", name));
    Take();
    return NewStmt(name == "break" ? StmtKind::kBreak : StmtKind::kContinue, line);
  }
  Bad(fmt::format("unknown tag '{}'", name));
}

std::unique_ptr<Stmt> Parser::For() {
  auto stmt = NewStmt(StmtKind::kFor, Take().line);
  ++any_loops_;
  stmt->target = Target(false);
  if (!SkipName("in")) Bad("expected 'in'");
  stmt->expr = Tuple(InTuple::kNoCondition, false);
  if (SkipName("if")) stmt->test = Expression();
  stmt->recursive = SkipName("recursive");
  ++loops_;
  stmt->body = Statements({"endfor", "else"}, false);
  --loops_;
  if (Take().text == "else") stmt->otherwise = Statements({"endfor"}, true);
  --any_loops_;
  std::move(unknown_.begin(), unknown_.end(), std::back_inserter(unknown_for_sure_));
  unknown_.clear();
  return stmt;
}

std::unique_ptr<Stmt> Parser::If() {
  auto stmt = NewStmt(StmtKind::kIf, Take().line);
  const std::size_t unknown = unknown_.size();
  while (true) {
    ExprPtr test = Tuple(InTuple::kNoCondition, false);
    Body body = Statements({"elif", "else", "endif"}, false);
    stmt->branches.emplace_back(std::move(test), std::move(body));
    const std::string tag = Take().text;
    if (tag == "elif") continue;
    if (tag == "else") stmt->otherwise = Statements({"endif"}, true);
    break;
  }
  unknown_.resize(std::min(unknown, unknown_.size()));
  return stmt;
}

std::unique_ptr<Stmt> Parser::Set() {
  auto stmt = NewStmt(StmtKind::kSet, Take().line);
  stmt->target = Target(true);
  if (SkipOperator("=")) {
    stmt->expr = Tuple(InTuple::kExpressions, false);
    return stmt;
  }
  stmt->kind = StmtKind::kSetBlock;
  if (IsOperator("|")) stmt->expr = Filters(nullptr, false);
  stmt->body = Statements({"endset"}, true);
  return stmt;
}

std::vector<Parameter> Parser::Signature() {
  std::vector<Parameter> parameters;
  ExpectOperator("(");
  while (!IsOperator(")")) {
    if (!parameters.empty()) ExpectOperator(",");
    Parameter parameter;
    parameter.name = ExpectName();
    if (SkipOperator("="))
      parameter.fallback = Expression();
    else if (!parameters.empty() && parameters.back().fallback != nullptr) {
      Bad("a parameter without a default follows one with a default");
    }
    parameters.push_back(std::move(parameter));
  }
  ExpectOperator(")");
  return parameters;
}

Body Parser::MacroBody(Stmt& macro, std::string_view end) {
  const int kwargs = kwargs_, varargs = varargs_, callers = callers_;
  const int loops = std::exchange(loops_, 0);
  Body body = Statements({end}, true);
  loops_ = loops;
  macro.takes_kwargs = kwargs_ != kwargs;
  macro.takes_varargs = varargs_ != varargs;
  macro.takes_caller = callers_ != callers;
  for (const Parameter& p : macro.parameters) {
    if (macro.takes_caller && p.name == "caller" && p.fallback == nullptr) {
      Bad("the parameter 'caller' needs a default");
    }
  }
  return body;
}

std::unique_ptr<Stmt> Parser::Macro() {
  auto stmt = NewStmt(StmtKind::kMacro, Take().line);
  stmt->name = ExpectName();
  stmt->parameters = Signature();
  stmt->body = MacroBody(*stmt, "endmacro");
  return stmt;
}

std::unique_ptr<Stmt> Parser::CallBlock() {
  auto stmt = NewStmt(StmtKind::kCallBlock, Take().line);
  stmt->name = "caller";
  if (IsOperator("(")) stmt->parameters = Signature();
  stmt->expr = Expression();
  if (stmt->expr->kind != ExprKind::kCall) Bad("expected a call");
  stmt->body = MacroBody(*stmt, "endcall");
  return stmt;
}

std::unique_ptr<Stmt> Parser::FilterBlock() {
  auto stmt = NewStmt(StmtKind::kFilterBlock, Take().line);
  stmt->expr = Filters(nullptr, true);
  stmt->body = Statements({"endfilter"}, true);
  return stmt;
}

std::unique_ptr<Stmt> Parser::With() {
  auto stmt = NewStmt(StmtKind::kWith, Take().line);
  while (Now().kind != TokenKind::kBlockEnd) {
    if (!stmt->assignments.empty()) ExpectOperator(",");
    ExprPtr target = Target(false);
    ExpectOperator("=");
    stmt->assignments.emplace_back(std::move(target), Expression());
  }
  stmt->body = Statements({"endwith"}, true);
  return stmt;
}

std::unique_ptr<Stmt> Parser::Scope(std::string_view end) {
  auto stmt = NewStmt(StmtKind::kScope, Take().line);
  if (end == "endblock") {
    ExpectName();
    SkipName("scoped");
    SkipName("required");
  }
  // generation and block are functions of their own: no break leaves them
  const int loops = std::exchange(loops_, 0);
  stmt->body = Statements({end}, true);
  loops_ = loops;
  if (end == "endblock" && Now().kind == TokenKind::kName) Take();
  return stmt;
}

std::unique_ptr<Stmt> Parser::NoLoader() {
  auto stmt = NewStmt(StmtKind::kNoLoader, Take().line);
  stmt->name = "include, import and extends have nothing to load from";
  while (Now().kind != TokenKind::kBlockEnd && Now().kind != TokenKind::kEnd) Take();
  return stmt;
}

}  // namespace cairn::model::jinja
