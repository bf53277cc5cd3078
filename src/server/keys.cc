// SPDX-License-Identifier: Apache-2.0
#include "server/keys.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/check.h"

namespace cairn::server {
namespace {

constexpr std::size_t kMostNameBytes = 64;

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMostNameBytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

std::optional<Sha256> ReadHash(std::string_view text) {
  Sha256 hash;
  if (text.size() != 2 * hash.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = static_cast<char>(text[i] | 0x20);
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    const int value = digit ? text[i] - '0' : c - 'a' + 10;
    hash[i / 2] = static_cast<unsigned char>((i % 2 == 0 ? 0 : hash[i / 2] << 4) | value);
  }
  return hash;
}

std::string_view TakeWord(std::string_view& text) {
  constexpr std::string_view kSpace = " \t\r";
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(kSpace)));
  const std::string_view word = text.substr(0, text.find_first_of(kSpace));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

Sha256 Sha256Of(std::string_view text) {
  Sha256 hash;
  unsigned size = 0;
  const int good = EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr);
  CAIRN_CHECK(good == 1 && size == hash.size());
  return hash;
}

Result<Keys> Keys::Parse(std::string_view text) {
  Keys keys;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line = line.substr(0, line.find('#'));
    const std::string_view name = TakeWord(line);
    if (name.empty()) continue;
    const auto hash = ReadHash(TakeWord(line));
    if (!IsName(name) || !hash || !TakeWord(line).empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("line {} must be a name of letters, digits, '.', '_' and '-', and "
                              "the SHA-256 of a key in 64 hexadecimal digits",
                              number));
    }
    if (keys.entries_.size() == kMostKeys) {
      return Fail(ErrorCode::kLimit, fmt::format("more than {} keys", kMostKeys));
    }
    keys.entries_.push_back({std::string(name), *hash});
  }
  return keys;
}

std::optional<std::string> Keys::Find(std::string_view key) const {
  const Sha256 hash = Sha256Of(key);
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(entry.hash.data(), hash.data(), hash.size()) == 0) found = &entry;
  }
  return found == nullptr ? std::nullopt : std::optional(found->name);
}

}  // namespace cairn::server
