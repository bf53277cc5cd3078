// SPDX-License-Identifier: Apache-2.0
// Python's "%" on strings.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "model/jinja_format_spec.h"
#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {
namespace {

Text PercentValue(Interpreter& interpreter, Spec spec, const Value& value) {
  switch (spec.type) {
    case 's': return Pad(Shortened(interpreter.TextOf(value), spec.precision), spec, '>', 0);
    case 'r':
    case 'a': {
      Text text;
      AppendRepr(value, text, interpreter.budget());
      return Pad(Shortened(std::move(text), spec.precision), spec, '>', 0);
    }
    case 'c': {
      if (const Str* s = value.AsStr(); s != nullptr && CountCodePoints(s->text.bytes()) == 1) {
        return Pad(s->text, spec, '>', 0);
      }
      const auto i = value.AsInteger();
      if (!i || *i < 0 || *i > 0x10ffff) FailInvalid("%c takes a character");
      std::string c;
      AppendCodePoint(static_cast<char32_t>(*i), c);
      return Pad(Text(c, Origin::kInput), spec, '>', 0);
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o': {
      auto i = value.AsInteger();
      const bool decimal = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
      const auto* d = value.If<double>();
      if (!i && decimal && d != nullptr && std::fabs(*d) < 1e38) i = static_cast<Integer>(*d);
      if (!i) FailInvalid(fmt::format("%{} takes a number", spec.type));
      return FormatWhole(*i, spec);
    }
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': {
      const auto d = value.AsDouble();
      if (!d) FailInvalid(fmt::format("%{} takes a number", spec.type));
      return FormatReal(*d, spec);
    }
    default: FailInvalid(fmt::format("unknown conversion %{}", spec.type));
  }
}

class PercentFormatter {
 public:
  PercentFormatter(Interpreter& interpreter, const Text& format, const Value& values)
      : interpreter_(interpreter),
        format_(format),
        text_(format.bytes()),
        values_(values),
        tuple_(values.AsList()),
        dict_(values.AsDict()) {
    if (tuple_ != nullptr && tuple_->kind != ListKind::kTuple) tuple_ = nullptr;
  }

  Text Run() {
    Text out;
    while (at_ < text_.size()) {
      const std::size_t percent = std::min(text_.find('%', at_), text_.size());
      out.AppendSlice(format_, at_, percent);
      at_ = percent + 1;
      if (percent == text_.size()) break;
      if (at_ >= text_.size()) FailInvalid("the format ends after %");
      if (text_[at_] == '%') {
        out.AppendSlice(format_, at_, at_ + 1);
        ++at_;
      } else {
        out.Append(Conversion());
      }
    }
    RequireAllUsed();
    return out;
  }

 private:
  // The next value: of the tuple, or the only one.
  const Value& Next() {
    if (tuple_ == nullptr ? used_ > 0 : used_ >= tuple_->items.size()) {
      FailInvalid("not enough arguments for the format");
    }
    ++used_;
    return tuple_ == nullptr ? values_ : tuple_->items[used_ - 1];
  }
  bool AtAny(std::string_view characters) const {
    return at_ < text_.size() && characters.find(text_[at_]) != std::string_view::npos;
  }
  // A number, or the next value in place of '*'.
  int Number() {
    if (!AtAny("*")) return ReadNumber(text_, &at_);
    ++at_;
    const auto n = Next().AsInteger();
    if (!n || *n < -kMaxWidth || *n > kMaxWidth) FailInvalid("* takes an integer");
    return static_cast<int>(*n);
  }
  // "(key)", if it stands here.
  const Value* Named() {
    if (!AtAny("(")) return nullptr;
    const std::size_t close = text_.find(')', at_);
    if (close == std::string_view::npos) FailInvalid("a key in a format is not closed");
    if (dict_ == nullptr) FailInvalid("this format takes a dictionary");
    const Value* value = dict_->Find(text_.substr(at_ + 1, close - at_ - 1));
    if (value == nullptr) FailInvalid("a key of the format is missing");
    named_ = true;
    at_ = close + 1;
    return value;
  }

  // From behind the '%' to the end of the conversion.
  Text Conversion() {
    const Value* value = Named();
    Spec spec;
    bool left = false;
    for (; AtAny("-+ #0"); ++at_) {
      const char flag = text_[at_];
      if (flag == '-')
        left = true;
      else if (flag == '#')
        spec.alternate = true;
      else if (flag == '0')
        spec.zero = true;
      else if (spec.sign != '+')
        spec.sign = flag;
    }
    spec.width = Number();
    if (spec.width < 0) left = true;
    spec.width = std::abs(spec.width);
    if (AtAny(".")) {
      ++at_;
      spec.precision = std::max(Number(), 0);
    }
    while (AtAny("lhL")) ++at_;
    if (at_ >= text_.size()) FailInvalid("the format ends inside a conversion");
    spec.type = text_[at_++];
    const bool textual = std::string_view("srca").find(spec.type) != std::string_view::npos;
    if (left) spec.align = '<';
    if (left || textual) spec.zero = false;
    return PercentValue(interpreter_, spec, value != nullptr ? *value : Next());
  }

  // Dictionaries and lists need not be used up, tuples and single values must.
  void RequireAllUsed() const {
    const bool all = tuple_ != nullptr ? used_ == tuple_->items.size() : used_ > 0 || named_;
    const bool optional = tuple_ == nullptr && (dict_ != nullptr || values_.AsList() != nullptr);
    if (!all && !optional) FailInvalid("not all arguments were used by the format");
  }

  Interpreter& interpreter_;
  const Text& format_;
  const std::string_view text_;
  const Value& values_;
  const List* tuple_;
  const Dict* dict_;
  std::size_t at_ = 0;
  std::size_t used_ = 0;
  bool named_ = false;
};

}  // namespace

Text FormatPercent(Interpreter& interpreter, const Text& format, const Value& values) {
  return PercentFormatter(interpreter, format, values).Run();
}

}  // namespace cairn::model::jinja
