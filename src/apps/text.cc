// SPDX-License-Identifier: Apache-2.0
#include "apps/text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "model/utf8.h"

namespace cairn::apps {
namespace {

Result<std::string> ReadAll(int descriptor, const std::string& name) {
  std::string text;
  char bytes[1 << 16];
  while (true) {
    const ssize_t got = read(descriptor, bytes, sizeof bytes);
    if (got == 0) return text;
    if (got < 0) {
      if (errno == EINTR) continue;
      return Fail(errno == EISDIR ? ErrorCode::kInvalidArgument : ErrorCode::kIo,
                  fmt::format("{} cannot be read: {}", name, std::strerror(errno)));
    }
    text.append(bytes, static_cast<std::size_t>(got));
    if (text.size() > kMostTextBytes) {
      return Fail(ErrorCode::kLimit,
                  fmt::format("{} has more than {} bytes of text", name, kMostTextBytes));
    }
  }
}

std::string Scaled(double value, std::span<const char* const> units) {
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, decimals, units[unit]);
}

}  // namespace

Result<std::string> ReadStandardInput() { return ReadAll(STDIN_FILENO, "standard input"); }

Result<std::string> ReadTextFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                fmt::format("{} cannot be read: {}", path, std::strerror(errno)));
  }
  auto text = ReadAll(descriptor, path);
  close(descriptor);
  return text;
}

Result<std::string> ReadTemplateFile(const std::string& path) {
  std::string text = OR_RETURN(ReadTextFile(path));
  std::string well_formed;
  model::AppendWellFormed(text, well_formed);
  if (text == well_formed && !text.contains('\0')) return text;
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{} is no template: text in UTF-8 was expected", path));
}

Result<std::string> ReadArgument(const std::string& argument) {
  if (argument == "-") return ReadStandardInput();
  if (argument.starts_with('@')) return ReadTextFile(argument.substr(1));
  return argument;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string HumanBytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {" B", " kB", " MB", " GB", " TB"};
  return Scaled(static_cast<double>(bytes), kUnits);
}

std::string HumanCount(std::uint64_t count) {
  static constexpr const char* kUnits[] = {"", " k", " M", " B", " T"};
  return Scaled(static_cast<double>(count), kUnits);
}

}  // namespace cairn::apps
