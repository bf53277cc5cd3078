// SPDX-License-Identifier: Apache-2.0
// JSON in (messages, tools) and out (the filter tojson, which is Python's json.dumps).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/jinja_interpreter.h"
#include "model/utf8.h"

namespace cairn::model::jinja {

Value FromJson(Interpreter& interpreter, const boost::json::value& json, int depth) {
  if (depth > kMaxNesting) FailLimit("the messages are nested too deeply");
  const auto text = [&](std::string_view bytes) {
    std::string clean;
    AppendWellFormed(bytes, clean);
    return interpreter.MakeStr(clean);
  };
  switch (json.kind()) {
    case boost::json::kind::null: return None{};
    case boost::json::kind::bool_: return json.get_bool();
    case boost::json::kind::int64: return static_cast<Integer>(json.get_int64());
    case boost::json::kind::uint64: return static_cast<Integer>(json.get_uint64());
    case boost::json::kind::double_: return json.get_double();
    case boost::json::kind::string: return text(json.get_string());
    case boost::json::kind::array: {
      std::vector<Value> items;
      for (const auto& item : json.get_array())
        items.push_back(FromJson(interpreter, item, depth + 1));
      return interpreter.MakeList(ListKind::kList, std::move(items));
    }
    case boost::json::kind::object: break;
  }
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, value] : json.get_object()) {
    entries.emplace_back(text(key), FromJson(interpreter, value, depth + 1));
  }
  return interpreter.MakeDict(std::move(entries));
}

namespace {

class Writer {
 public:
  Writer(Interpreter& interpreter) : interpreter_(interpreter) {}

  bool ascii = false;
  bool sort = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  std::string out;

  void Write(const Value& value, int level) {
    interpreter_.budget().Spend(1);
    if (out.size() > kMaxStringBytes) FailLimit("tojson makes too long a text");
    if (const Str* s = value.AsStr()) return String(s->text.bytes());
    if (const List* l = value.AsList(); l != nullptr && l->kind <= ListKind::kTuple) {
      return WriteList(*l, level);
    }
    if (const Dict* d = value.AsDict()) return WriteDict(*d, level);
    const auto simple = Simple(value);
    if (!simple) FailInvalid(fmt::format("tojson cannot write a {}", TypeName(value)));
    out += *simple;
  }

 private:
  static std::optional<std::string> Simple(const Value& value) {
    if (value.IsNone()) return "null";
    if (const auto* b = value.If<bool>()) return *b ? "true" : "false";
    if (const auto* i = value.If<Integer>()) return FormatInteger(*i);
    if (const auto* d = value.If<double>()) {
      if (std::isnan(*d)) return "NaN";
      if (std::isinf(*d)) return *d < 0 ? "-Infinity" : "Infinity";
      return FormatDouble(*d);
    }
    return std::nullopt;
  }

  void NewLine(int level) {
    if (!indent) return;
    out.push_back('\n');
    for (int i = 0; i < level; ++i) out += *indent;
  }

  void WriteList(const List& list, int level) {
    if (list.items.empty()) {
      out += "[]";
      return;
    }
    out.push_back('[');
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out += item_separator;
      NewLine(level + 1);
      Write(list.items[i], level + 1);
    }
    NewLine(level);
    out.push_back(']');
  }

  void WriteDict(const Dict& dict, int level) {
    if (dict.entries.empty()) {
      out += "{}";
      return;
    }
    std::vector<const std::pair<Value, Value>*> entries;
    entries.reserve(dict.entries.size());
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (sort) {
      interpreter_.budget().Spend(entries.size() * 8);
      std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
        return Compare(a->first, b->first, interpreter_.budget()) < 0;
      });
    }
    out.push_back('{');
    bool first = true;
    for (const auto* entry : entries) {
      if (!first) out += item_separator;
      first = false;
      NewLine(level + 1);
      if (const Str* s = entry->first.AsStr()) {
        String(s->text.bytes());
      } else {
        const auto key = Simple(entry->first);
        if (!key) FailInvalid("tojson: a key is not a string");
        out += '"' + *key + '"';
      }
      out += key_separator;
      Write(entry->second, level + 1);
    }
    NewLine(level);
    out.push_back('}');
  }

  void String(std::string_view text) {
    interpreter_.budget().Spend(text.size() / 64);
    out.push_back('"');
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t begin = i;
      const char32_t c = NextCodePoint(text, &i);
      static constexpr std::string_view kFrom = "\"\\\n\r\t\b\f";
      static constexpr std::string_view kTo = "\"\\nrtbf";
      const auto named = c < 0x80 ? kFrom.find(static_cast<char>(c)) : std::string_view::npos;
      if (named != std::string_view::npos) {
        out.push_back('\\');
        out.push_back(kTo[named]);
      } else if (c < 0x20) {
        out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      } else if (ascii && c > 0x7e && c != 0x7f) {
        const auto wide = static_cast<unsigned>(c);
        if (wide < 0x10000) {
          out += fmt::format("\\u{:04x}", wide);
        } else {
          out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((wide - 0x10000) >> 10),
                             0xdc00 + ((wide - 0x10000) & 0x3ff));
        }
      } else {
        out += text.substr(begin, i - begin);
      }
    }
    out.push_back('"');
  }

  Interpreter& interpreter_;
};

}  // namespace

Value ToJson(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const auto bound =
      Bind(arguments, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}, 0);
  Writer writer(interpreter);
  writer.ascii = bound[0] != nullptr && Truth(*bound[0]);
  if (bound[1] != nullptr && !bound[1]->IsNone()) {
    if (const Str* s = bound[1]->AsStr()) {
      writer.indent = s->text.bytes();
    } else {
      const auto width = bound[1]->AsInteger();
      if (!width) FailInvalid("tojson: the indent is neither a number nor a string");
      writer.indent =
          std::string(static_cast<std::size_t>(std::clamp<Integer>(*width, 0, 1000)), ' ');
    }
    writer.item_separator = ",";
  }
  if (bound[2] != nullptr && !bound[2]->IsNone()) {
    const auto two = interpreter.Items(*bound[2]);
    if (two.size() != 2 || two[0].AsStr() == nullptr || two[1].AsStr() == nullptr) {
      FailInvalid("tojson: the separators are two strings");
    }
    writer.item_separator = two[0].AsStr()->text.bytes();
    writer.key_separator = two[1].AsStr()->text.bytes();
  }
  writer.sort = bound[3] != nullptr && Truth(*bound[3]);
  writer.Write(input, 0);
  return interpreter.MakeStr(writer.out);
}

}  // namespace cairn::model::jinja
