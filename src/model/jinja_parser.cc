// SPDX-License-Identifier: Apache-2.0
#include "model/jinja_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "model/jinja_builtins.h"

namespace cairn::model::jinja {

Parser::Nesting::Nesting(Parser& p) : parser(p) {
  if (++p.depth_ > kMaxParserDepth) {
    --p.depth_;
    FailLimit("the chat template is nested too deeply");
  }
}

void Parser::Bad(std::string_view what) const {
  FailInvalid(fmt::format("chat template, line {}: {}", Now().line, what));
}

Token Parser::Take() {
  Token token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}
bool Parser::IsOperator(std::string_view op) const {
  return Now().kind == TokenKind::kOperator && Now().text == op;
}
bool Parser::IsName(std::string_view name) const {
  return Now().kind == TokenKind::kName && Now().text == name;
}
bool Parser::SkipOperator(std::string_view op) {
  if (!IsOperator(op)) return false;
  ++at_;
  return true;
}
bool Parser::SkipName(std::string_view name) {
  if (!IsName(name)) return false;
  ++at_;
  return true;
}
void Parser::ExpectOperator(std::string_view op) {
  if (!SkipOperator(op)) Bad(fmt::format("expected '{}', found '{}'", op, Now().text));
}
void Parser::ExpectKind(TokenKind kind, std::string_view what) {
  if (Now().kind != kind) Bad(fmt::format("expected {}, found '{}'", what, Now().text));
  Take();
}
std::string Parser::ExpectName() {
  if (Now().kind != TokenKind::kName || IsDigit(static_cast<unsigned char>(Now().text[0]))) {
    Bad(fmt::format("expected a name, found '{}'", Now().text));
  }
  return Take().text;
}

void Parser::Deepen(Expr& node, const Expr* child) {
  if (child == nullptr) return;
  node.depth = std::max(node.depth, child->depth + 1);
  if (node.depth > kMaxExpressionDepth) FailLimit("an expression of the template is too long");
}

ExprPtr Parser::Make(ExprKind kind, std::vector<ExprPtr> children) const {
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->line = Now().line;
  for (const ExprPtr& child : children) Deepen(*node, child.get());
  node->children = std::move(children);
  return node;
}

ExprPtr Parser::Binary(ExprPtr node, Op op) {
  node->operators.push_back(op);
  return node;
}

ExprPtr Parser::Expression(bool with_condition) {
  const Nesting nesting(*this);
  const std::size_t unknown = unknown_.size();
  ExprPtr value = Or();
  while (with_condition && SkipName("if")) {
    ExprPtr test = Or();
    ExprPtr otherwise = SkipName("else") ? Expression() : nullptr;
    value = Node(ExprKind::kCondition, std::move(test), std::move(value), std::move(otherwise));
    unknown_.resize(unknown);  // what is in a branch fails only when it is reached
  }
  return value;
}

ExprPtr Parser::Or() {
  ExprPtr left = And();
  while (SkipName("or")) left = Node(ExprKind::kOr, std::move(left), And());
  return left;
}

ExprPtr Parser::And() {
  ExprPtr left = Not();
  while (SkipName("and")) left = Node(ExprKind::kAnd, std::move(left), Not());
  return left;
}

ExprPtr Parser::Not() {
  const Nesting nesting(*this);
  if (SkipName("not")) return Node(ExprKind::kNot, Not());
  return Comparison();
}

ExprPtr Parser::Comparison() {
  static constexpr std::pair<std::string_view, Op> kOps[] = {{"==", Op::kEq}, {"!=", Op::kNe},
                                                             {"<", Op::kLt},  {"<=", Op::kLe},
                                                             {">", Op::kGt},  {">=", Op::kGe}};
  std::vector<ExprPtr> operands;
  std::vector<Op> operators;
  operands.push_back(Sum());
  while (true) {
    const auto* op = std::find_if(std::begin(kOps), std::end(kOps),
                                  [&](const auto& o) { return IsOperator(o.first); });
    if (op != std::end(kOps)) {
      Take();
      operators.push_back(op->second);
    } else if (SkipName("in")) {
      operators.push_back(Op::kIn);
    } else if (IsName("not") && Ahead().kind == TokenKind::kName && Ahead().text == "in") {
      Take();
      Take();
      operators.push_back(Op::kNotIn);
    } else {
      break;
    }
    operands.push_back(Sum());
  }
  if (operators.empty()) return std::move(operands[0]);
  ExprPtr node = Make(ExprKind::kCompare, std::move(operands));
  node->operators = std::move(operators);
  return node;
}

ExprPtr Parser::Sum() {
  ExprPtr left = Concat();
  while (IsOperator("+") || IsOperator("-")) {
    const Op op = Take().text == "+" ? Op::kAdd : Op::kSub;
    left = Binary(Node(ExprKind::kBinary, std::move(left), Concat()), op);
  }
  return left;
}

ExprPtr Parser::Concat() {
  std::vector<ExprPtr> parts;
  parts.push_back(Product());
  while (SkipOperator("~")) parts.push_back(Product());
  if (parts.size() == 1) return std::move(parts[0]);
  return Make(ExprKind::kConcat, std::move(parts));
}

ExprPtr Parser::Product() {
  ExprPtr left = Power();
  while (IsOperator("*") || IsOperator("/") || IsOperator("//") || IsOperator("%")) {
    const Op op = IsOperator("*")    ? Op::kMul
                  : IsOperator("/")  ? Op::kDiv
                  : IsOperator("//") ? Op::kFloorDiv
                                     : Op::kMod;
    Take();
    left = Binary(Node(ExprKind::kBinary, std::move(left), Power()), op);
  }
  return left;
}

ExprPtr Parser::Power() {
  ExprPtr left = Unary(true);
  while (SkipOperator("**")) {
    left = Binary(Node(ExprKind::kBinary, std::move(left), Unary(true)), Op::kPow);
  }
  return left;
}

ExprPtr Parser::Unary(bool with_filter) {
  const Nesting nesting(*this);
  ExprPtr node;
  if (SkipOperator("-"))
    node = Node(ExprKind::kNegative, Unary(false));
  else if (SkipOperator("+"))
    node = Node(ExprKind::kPositive, Unary(false));
  else
    node = Primary(false);
  node = Postfix(std::move(node));
  return with_filter ? FilterChain(std::move(node)) : std::move(node);
}

ExprPtr Parser::Primary(bool with_namespace) {
  const Token& token = Now();
  if (token.kind == TokenKind::kName) {
    const std::string name = ExpectName();
    ExprPtr node = Make(ExprKind::kConst);
    if (name == "true" || name == "True")
      node->constant = true;
    else if (name == "false" || name == "False")
      node->constant = false;
    else if (name == "none" || name == "None")
      node->constant = None{};
    else {
      node->kind = ExprKind::kName;
      node->name = name;
      if (name == "kwargs") ++kwargs_;
      if (name == "varargs") ++varargs_;
      if (name == "caller") ++callers_;
      if (with_namespace && SkipOperator(".")) {
        node->kind = ExprKind::kNamespace;
        node->attribute = ExpectName();
      }
    }
    return node;
  }
  if (token.kind == TokenKind::kString) {
    ExprPtr node = Make(ExprKind::kConst);
    Text text;
    while (Now().kind == TokenKind::kString) text.Append(Take().text, Origin::kTemplate);
    node->constant = Value(std::make_shared<const Str>(std::move(text), false, nullptr));
    return node;
  }
  if (token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat) return Number();
  if (SkipOperator("(")) {
    ExprPtr node = Tuple(InTuple::kExpressions, true);
    ExpectOperator(")");
    return node;
  }
  if (IsOperator("[")) return ListLiteral();
  if (IsOperator("{")) return DictLiteral();
  Bad(token.kind == TokenKind::kOperator ? fmt::format("unexpected '{}'", token.text)
                                         : std::string("expected an expression"));
}

ExprPtr Parser::Number() {
  ExprPtr node = Make(ExprKind::kConst);
  const Token token = Take();
  if (token.kind == TokenKind::kFloat) {
    node->constant = std::strtod(token.text.c_str(), nullptr);
    return node;
  }
  const char second = token.text.size() > 1 ? static_cast<char>(token.text[1] | 0x20) : '0';
  const int base = second == 'x' ? 16 : second == 'o' ? 8 : second == 'b' ? 2 : 10;
  const auto value = ParseInteger(std::string_view(token.text).substr(base == 10 ? 0 : 2), base);
  if (!value) FailLimit(fmt::format("chat template, line {}: an integer is too large", token.line));
  node->constant = *value;
  return node;
}

ExprPtr Parser::ListLiteral() {
  ExpectOperator("[");
  std::vector<ExprPtr> items;
  while (!IsOperator("]")) {
    if (!items.empty()) ExpectOperator(",");
    if (IsOperator("]")) break;
    items.push_back(Expression());
  }
  ExpectOperator("]");
  return Make(ExprKind::kList, std::move(items));
}

ExprPtr Parser::DictLiteral() {
  ExpectOperator("{");
  std::vector<ExprPtr> items;
  while (!IsOperator("}")) {
    if (!items.empty()) ExpectOperator(",");
    if (IsOperator("}")) break;
    items.push_back(Expression());
    ExpectOperator(":");
    items.push_back(Expression());
  }
  ExpectOperator("}");
  return Make(ExprKind::kDict, std::move(items));
}

ExprPtr Parser::Postfix(ExprPtr node) {
  while (true) {
    if (IsOperator(".") || IsOperator("["))
      node = Subscript(std::move(node));
    else if (IsOperator("("))
      node = Call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::FilterChain(ExprPtr node) {
  while (true) {
    if (IsOperator("|"))
      node = Filters(std::move(node), false);
    else if (IsName("is"))
      node = TestOf(std::move(node));
    else if (IsOperator("("))
      node = Call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::Filters(ExprPtr node, bool starts_inline) {
  while (starts_inline || SkipOperator("|")) {
    starts_inline = false;
    std::string name = ExpectName();
    while (SkipOperator(".")) name += "." + ExpectName();
    ExprPtr filter = Node(ExprKind::kFilter, std::move(node));
    filter->filter = FindFilter(name);
    if (filter->filter == nullptr) unknown_.push_back(fmt::format("no filter named '{}'", name));
    filter->name = std::move(name);
    if (IsOperator("(")) Arguments(*filter);
    node = std::move(filter);
  }
  return node;
}

ExprPtr Parser::TestOf(ExprPtr node) {
  Take();  // is
  const bool negated = SkipName("not");
  std::string name = ExpectName();
  while (SkipOperator(".")) name += "." + ExpectName();
  ExprPtr test = Node(ExprKind::kTest, std::move(node));
  test->test = FindTest(name);
  if (test->test == nullptr) unknown_.push_back(fmt::format("no test named '{}'", name));
  test->name = std::move(name);
  const TokenKind kind = Now().kind;
  if (IsOperator("(")) {
    Arguments(*test);
  } else if ((kind == TokenKind::kName || kind == TokenKind::kString ||
              kind == TokenKind::kInteger || kind == TokenKind::kFloat || IsOperator("[") ||
              IsOperator("{")) &&
             !IsName("else") && !IsName("or") && !IsName("and")) {
    if (IsName("is")) Bad("tests with 'is' cannot be chained");
    ExprPtr argument = Postfix(Primary(false));
    Deepen(*test, argument.get());
    test->children.push_back(std::move(argument));
  }
  return negated ? Node(ExprKind::kNot, std::move(test)) : std::move(test);
}

ExprPtr Parser::Subscript(ExprPtr node) {
  if (SkipOperator(".")) {
    if (Now().kind == TokenKind::kInteger) return Node(ExprKind::kItem, std::move(node), Number());
    ExprPtr attribute = Node(ExprKind::kAttribute, std::move(node));
    attribute->name = ExpectName();
    return attribute;
  }
  ExpectOperator("[");
  std::vector<ExprPtr> parts;
  while (!IsOperator("]")) {
    if (!parts.empty()) ExpectOperator(",");
    parts.push_back(SubscriptPart());
  }
  ExpectOperator("]");
  ExprPtr index =
      parts.size() == 1 ? std::move(parts[0]) : Make(ExprKind::kTuple, std::move(parts));
  return Node(ExprKind::kItem, std::move(node), std::move(index));
}

ExprPtr Parser::SubscriptPart() {
  ExprPtr start, stop, step;
  if (!IsOperator(":")) {
    start = Expression();
    if (!IsOperator(":")) return start;
  }
  ExpectOperator(":");
  const auto ends = [&] { return IsOperator("]") || IsOperator(","); };
  if (!IsOperator(":") && !ends()) stop = Expression();
  if (SkipOperator(":") && !ends()) step = Expression();
  return Node(ExprKind::kSlice, std::move(start), std::move(stop), std::move(step));
}

ExprPtr Parser::Call(ExprPtr callee) {
  ExprPtr call = Node(ExprKind::kCall, std::move(callee));
  Arguments(*call);
  return call;
}

void Parser::Arguments(Expr& into) {
  ExpectOperator("(");
  const auto require = [&](bool ok) {
    if (!ok) Bad("invalid order of arguments in a call");
  };
  bool comma = false;
  while (!IsOperator(")")) {
    if (comma) {
      ExpectOperator(",");
      if (IsOperator(")")) break;
    }
    comma = true;
    if (SkipOperator("*")) {
      require(into.star == nullptr && into.star_star == nullptr);
      into.star = Expression();
      Deepen(into, into.star.get());
    } else if (SkipOperator("**")) {
      require(into.star_star == nullptr);
      into.star_star = Expression();
      Deepen(into, into.star_star.get());
    } else if (Now().kind == TokenKind::kName && Ahead().kind == TokenKind::kOperator &&
               Ahead().text == "=") {
      require(into.star_star == nullptr);
      std::string key = ExpectName();
      Take();
      ExprPtr value = Expression();
      Deepen(into, value.get());
      for (const auto& [name, unused] : into.keywords) require(name != key);
      into.keywords.emplace_back(std::move(key), std::move(value));
    } else {
      require(into.star == nullptr && into.star_star == nullptr && into.keywords.empty());
      ExprPtr value = Expression();
      Deepen(into, value.get());
      into.children.push_back(std::move(value));
    }
  }
  ExpectOperator(")");
}

ExprPtr Parser::Tuple(InTuple mode, bool parentheses) {
  const Nesting nesting(*this);
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  const auto ends = [&] {
    return Now().kind == TokenKind::kVariableEnd || Now().kind == TokenKind::kBlockEnd ||
           IsOperator(")");
  };
  while (true) {
    if (!items.empty()) ExpectOperator(",");
    if (ends()) break;
    items.push_back(mode == InTuple::kTargets ? Primary(false)
                    : mode == InTuple::kTargetsAndNamespaces
                        ? Primary(true)
                        : Expression(mode == InTuple::kExpressions));
    if (!IsOperator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items[0]);
  if (!is_tuple && !parentheses) Bad(fmt::format("expected an expression, found '{}'", Now().text));
  return Make(ExprKind::kTuple, std::move(items));
}

void Parser::RequireAssignable(const Expr& target) const {
  if (target.kind == ExprKind::kTuple) {
    for (const ExprPtr& child : target.children) RequireAssignable(*child);
    return;
  }
  if (target.kind == ExprKind::kNamespace) return;
  if (target.kind != ExprKind::kName) Bad("cannot assign to this");
  if (target.name == "loop" && any_loops_ > 0) Bad("cannot assign to 'loop' inside a for loop");
}

ExprPtr Parser::Target(bool with_namespace) {
  ExprPtr target =
      Tuple(with_namespace ? InTuple::kTargetsAndNamespaces : InTuple::kTargets, false);
  RequireAssignable(*target);
  return target;
}

}  // namespace cairn::model::jinja
