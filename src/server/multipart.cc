// SPDX-License-Identifier: Apache-2.0
#include "server/multipart.h"

#include <algorithm>
#include <cctype>

namespace cairn::server {
namespace {

constexpr std::size_t kMostBoundaryBytes = 70;  // RFC 2046
constexpr std::string_view kLine = "\r\n";

std::unexpected<Error> Wrong(const char* what) {
  return Fail(ErrorCode::kInvalidArgument,
              std::string("the body must be multipart/form-data: ") + what);
}

bool StartsWithWord(std::string_view text, std::string_view word) {
  return text.size() >= word.size() &&
         std::ranges::equal(text.substr(0, word.size()), word, {},
                            [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
}

// The value of `name` among the parameters of a header: name=value or name="value".
std::string Parameter(std::string_view header, std::string_view name) {
  for (std::size_t at = header.find(';'); at != std::string_view::npos; at = header.find(';', at)) {
    ++at;
    while (at < header.size() && header[at] == ' ') ++at;
    std::string_view rest = header.substr(at);
    if (!StartsWithWord(rest, name) || rest.substr(name.size(), 1) != "=") continue;
    rest.remove_prefix(name.size() + 1);
    if (!rest.starts_with('"')) return std::string(rest.substr(0, rest.find_first_of("; ")));
    std::string value;
    for (std::size_t i = 1; i < rest.size() && rest[i] != '"'; ++i) {
      if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
      value += rest[i];
    }
    return value;
  }
  return {};
}

// The header of that name among those of a part.
std::string_view HeaderOf(std::string_view headers, std::string_view name) {
  while (!headers.empty()) {
    const std::string_view line = headers.substr(0, headers.find(kLine));
    headers.remove_prefix(std::min(headers.size(), line.size() + kLine.size()));
    if (StartsWithWord(line, name) && line.substr(name.size(), 1) == ":") {
      return line.substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace

Result<std::vector<FormPart>> ParseMultipart(std::string_view type, std::string_view body) {
  const std::string boundary = Parameter(type, "boundary");
  if (!StartsWithWord(type, "multipart/form-data") || boundary.empty() ||
      boundary.size() > kMostBoundaryBytes) {
    return Wrong("its Content-Type must say so and name a boundary");
  }
  const std::string mark = "--" + boundary;
  std::size_t at = body.find(mark);
  if (at == std::string_view::npos) return Wrong("its boundary does not stand in it");
  std::vector<FormPart> parts;
  while (true) {
    std::string_view rest = body.substr(at + mark.size());
    if (rest.starts_with("--")) return parts;
    if (!rest.starts_with(kLine)) return Wrong("a boundary has no line to itself");
    rest.remove_prefix(kLine.size());
    // The line break before a boundary belongs to it.
    const std::size_t end = rest.find(std::string(kLine) + mark);
    if (end == std::string_view::npos) return Wrong("its last part has no end");
    const std::string_view part = rest.substr(0, end);
    const std::size_t head = part.find("\r\n\r\n");
    if (head == std::string_view::npos) return Wrong("a part has no headers");
    const std::string_view disposition = HeaderOf(part.substr(0, head), "content-disposition");
    if (parts.size() == kMostFormParts) {
      return Fail(ErrorCode::kLimit, "the body has too many parts");
    }
    parts.push_back({.name = Parameter(disposition, "name"),
                     .filename = Parameter(disposition, "filename"),
                     .content = part.substr(head + 4)});
    at = static_cast<std::size_t>(rest.data() - body.data()) + end + kLine.size();
  }
}

}  // namespace cairn::server
