// SPDX-License-Identifier: Apache-2.0
#include "server/keys.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

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

// What is left of a line: words of the form NAME=VALUE.
bool ReadLimits(std::string_view line, KeyLimits& limits) {
  while (true) {
    const std::string_view word = TakeWord(line);
    if (word.empty()) return true;
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view name = word.substr(0, equals);
    std::string_view value = word.substr(equals + 1);
    if (name == "models") {
      while (!value.empty()) {
        const std::string_view model = value.substr(0, value.find(','));
        value.remove_prefix(std::min(value.size(), model.size() + 1));
        if (!model.empty()) limits.models.emplace_back(model);
      }
      if (limits.models.empty()) return false;
      continue;
    }
    std::int64_t* const limit = name == "requests"     ? &limits.requests
                                : name == "tokens"     ? &limits.tokens
                                : name == "concurrent" ? &limits.concurrent
                                                       : nullptr;
    if (limit == nullptr) return false;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), *limit);
    if (error != std::errc() || end != value.data() + value.size()) return false;
    if (*limit < 1 || *limit > Keys::kMostLimit) return false;
  }
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
    KeyHolder holder{.name = std::string(name), .limits = {}};
    if (!IsName(name) || !hash || !ReadLimits(line, holder.limits)) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("line {} must be a name of letters, digits, '.', '_' and '-', the "
                              "SHA-256 of a key in 64 hexadecimal digits, and limits: requests=N, "
                              "tokens=N, concurrent=N, models=NAME,NAME",
                              number));
    }
    if (keys.entries_.size() == kMostKeys) {
      return Fail(ErrorCode::kLimit, fmt::format("more than {} keys", kMostKeys));
    }
    keys.entries_.push_back({std::make_shared<const KeyHolder>(std::move(holder)), *hash});
  }
  return keys;
}

std::shared_ptr<const KeyHolder> Keys::Find(std::string_view key) const {
  const Sha256 hash = Sha256Of(key);
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(entry.hash.data(), hash.data(), hash.size()) == 0) found = &entry;
  }
  return found == nullptr ? nullptr : found->holder;
}

}  // namespace cairn::server
