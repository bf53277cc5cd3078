// SPDX-License-Identifier: Apache-2.0
#include "grammar/tool_calls.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>

#include "base/printable.h"
#include "grammar/json_schema.h"
#include "grammar/schema_words.h"

namespace cairn::grammar {
namespace {

namespace json = boost::json;

constexpr std::uint32_t kMostBlanks = 16;  // around thoughts

std::string TextOf(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(ViewOf(value->get_string()))
                                                : std::string();
}
bool FlagOf(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::u32string CharactersOf(std::string_view text) {
  std::u32string characters;
  while (!text.empty()) {
    const ReadCodePoint read = FirstCodePoint(text);
    if (read.bytes == 0) break;
    characters += read.value;
    text.remove_prefix(read.bytes);
  }
  return characters;
}

class Writer {
 public:
  Writer(const json::object& form, const ToolFormat& format)
      : form_(form), format_(format), text_(out_) {}

  Result<std::shared_ptr<const Grammar>> Run() {
    const RuleId root = out_.AddRule("root");
    const auto* tools = form_.if_contains("tools");
    const json::array none;
    std::vector<ExpressionId> calls;
    for (const json::value& tool :
         tools != nullptr && tools->is_array() ? tools->get_array() : none) {
      if (!tool.is_object()) return Fail(ErrorCode::kInvalidArgument, "a tool is an object");
      calls.push_back(OR_RETURN(Call(tool.get_object())));
    }
    if (calls.empty() && !form_.contains("content")) {
      return Fail(ErrorCode::kInvalidArgument, "there are no tools to call");
    }
    const RuleId call = out_.AddRule("call");
    out_.Define(call, out_.Choice(calls));
    call_ = out_.Call(call);
    const ExpressionId answer = OR_RETURN(Answer());
    out_.Define(root, out_.Sequence({Thoughts(), answer}));
    return Grammar::Compile(out_, root, kMostJsonLevels);
  }

 private:
  Result<ExpressionId> Answer() {
    if (FlagOf(form_, "required")) return Calls(false);
    if (const auto* content = form_.if_contains("content")) {
      return out_.Choice({OR_RETURN(ReadJsonSchema(out_, text_, *content)), Calls(false)});
    }
    if (format_.marker().empty()) {
      const ExpressionId other =
          out_.Sequence({out_.Characters(CodePoints{{'{', '{'}}.Complement()),
                         out_.Star(out_.Characters(CodePoints::All()))});
      return out_.Choice({Expressions::kEmpty, other, Calls(false)});
    }
    return out_.Sequence(
        {TextWithout(format_.marker()),
         out_.Optional(out_.Sequence({out_.Bytes(format_.marker()), Calls(true)}))});
  }

  // Nothing where the form has none.
  ExpressionId Thoughts() {
    const auto* given = form_.if_contains("thoughts");
    if (given == nullptr || !given->is_object()) return Expressions::kEmpty;
    const json::object& marks = given->get_object();
    const std::string end = TextOf(marks, "end");
    const ExpressionId blanks = out_.Repeat(
        out_.Characters({{' ', ' '}, {'\t', '\t'}, {'\n', '\n'}, {'\r', '\r'}}), 0, kMostBlanks);
    const ExpressionId rest = out_.Sequence({TextWithout(end), out_.Bytes(end), blanks});
    if (FlagOf(marks, "begun")) return rest;
    return out_.Optional(out_.Sequence({blanks, out_.Bytes(TextOf(marks, "begin")), rest}));
  }

  // A call of this tool.
  Result<ExpressionId> Call(const json::object& tool) {
    const std::string name = TextOf(tool, "name");
    ExpressionId arguments = text_.Object();
    if (const auto* schema = tool.if_contains("parameters")) {
      auto read = ReadJsonSchema(out_, text_, *schema);
      if (read) {
        arguments = *read;
      } else if (FlagOf(tool, "strict")) {
        return std::unexpected(
            std::move(read).error().Within(fmt::format("tool {}", Printable(name, 60))));
      }
    }
    if (!format_.middle.empty()) {
      return out_.Sequence({out_.Bytes(name), out_.Bytes(format_.middle), arguments});
    }
    const auto key = [&](std::string_view word) {
      return out_.Sequence(
          {out_.Bytes(fmt::format("\"{}\"", word)), text_.Space(), out_.Bytes(":"), text_.Space()});
    };
    return out_.Sequence({out_.Bytes("{"), text_.Space(), key("name"),
                          out_.Bytes(fmt::format("\"{}\"", name)), text_.Comma(),
                          key(format_.arguments), arguments, text_.Space(), out_.Bytes("}")});
  }

  // One call with what stands around it. `read`: what stands before it has been read.
  ExpressionId Marked(bool read) {
    const ExpressionId space = format_.middle.empty() ? text_.Space() : Expressions::kEmpty;
    return out_.Sequence({read ? Expressions::kEmpty : out_.Bytes(format_.open), space, call_,
                          space, out_.Bytes(format_.close)});
  }

  // One call or several. `read`: the format's marker has been read.
  ExpressionId Calls(bool read) {
    const bool begins = !format_.begin.empty();
    const bool several = format_.parallel && FlagOf(form_, "parallel");
    const ExpressionId between = format_.list ? text_.Comma() : text_.Space();
    const ExpressionId more =
        out_.Repeat(out_.Sequence({between, Marked(false)}), 0, several ? kMostToolCalls - 1 : 0);
    ExpressionId calls = out_.Sequence({Marked(read && !begins), more});
    if (format_.list) {
      calls = out_.Sequence(
          {text_.Space(), out_.Bytes("["), text_.Space(), calls, text_.Space(), out_.Bytes("]")});
    }
    return out_.Sequence(
        {read ? Expressions::kEmpty : out_.Bytes(format_.begin), calls, out_.Bytes(format_.end)});
  }

  // Any text in which the mark does not come, which may end with a beginning of it. The mark's
  // first character does not come in it again: so a beginning that does not go on as the mark is
  // broken off by a character that is another one, by a new beginning, or by the text's end.
  ExpressionId TextWithout(std::string_view mark) {
    const std::u32string characters = CharactersOf(mark);
    if (characters.size() < 2) return Expressions::kNever;  // no mark is so short
    const CodePoints first{{characters[0], characters[0]}};
    // Behind the first i characters: the end of a beginning, and one that is broken off.
    ExpressionId beginning = Expressions::kEmpty, broken = Expressions::kNever;
    for (std::size_t i = characters.size() - 1; i > 0; --i) {
      const CodePoints next{{characters[i], characters[i]}};
      const bool last = i + 1 == characters.size();
      const ExpressionId go_on = last ? Expressions::kNever : out_.Characters(next);
      beginning = out_.Optional(out_.Sequence({go_on, beginning}));
      broken = out_.Choice(
          {out_.Characters(first.Complement().Without(next)), out_.Sequence({go_on, broken})});
    }
    const ExpressionId start = out_.Characters(first);
    const ExpressionId beginnings = out_.Star(out_.Sequence({start, beginning}));
    const ExpressionId piece = out_.Choice(
        {out_.Characters(first.Complement()), out_.Sequence({beginnings, start, broken})});
    return out_.Sequence({out_.Star(piece), beginnings});
  }

  const json::object& form_;
  const ToolFormat& format_;
  Expressions out_;
  JsonText text_;
  ExpressionId call_ = Expressions::kNever;
};

}  // namespace

AnswerForm FormOfToolCalls(const ToolCallForm& form) {
  const auto view = [](std::string_view text) {
    return json::string_view(text.data(), text.size());
  };
  json::array tools;
  for (const CallableTool& tool : form.tools) {
    tools.push_back(json::object{
        {"name", tool.name}, {"strict", tool.strict}, {"parameters", tool.parameters}});
  }
  json::object whole{{"format", view(form.format->name)},
                     {"required", form.required},
                     {"parallel", form.parallel},
                     {"tools", std::move(tools)}};
  if (form.content) whole["content"] = *form.content;
  if (form.thoughts) {
    whole["thoughts"] = json::object{{"begin", form.thoughts->begin},
                                     {"end", form.thoughts->end},
                                     {"begun", form.thoughts->begun}};
  }
  return {.kind = FormKind::kToolCalls, .text = json::serialize(whole)};
}

Result<std::shared_ptr<const Grammar>> CompileToolCalls(const json::value& form) {
  const auto* object = form.if_object();
  const ToolFormat* format =
      object == nullptr ? nullptr : FindToolFormat(TextOf(*object, "format"));
  if (format != nullptr) return Writer(*object, *format).Run();
  return Fail(ErrorCode::kInvalidArgument, "no form of calls of tools");
}

}  // namespace cairn::grammar
