// SPDX-License-Identifier: Apache-2.0
#include "model/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace cairn::model {
namespace {

template <typename T>
T Load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// The integer in `bytes` of type `type`, or nothing where it is no integer or does not fit.
std::optional<std::int64_t> IntOf(GgufType type, const std::byte* bytes) {
  switch (type) {
    case GgufType::kU8: return Load<std::uint8_t>(bytes);
    case GgufType::kI8: return Load<std::int8_t>(bytes);
    case GgufType::kU16: return Load<std::uint16_t>(bytes);
    case GgufType::kI16: return Load<std::int16_t>(bytes);
    case GgufType::kU32: return Load<std::uint32_t>(bytes);
    case GgufType::kI32: return Load<std::int32_t>(bytes);
    case GgufType::kI64: return Load<std::int64_t>(bytes);
    case GgufType::kU64: {
      const auto value = Load<std::uint64_t>(bytes);
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return {};
      return static_cast<std::int64_t>(value);
    }
    default: return {};
  }
}

std::string Describe(const GgufValue& value) {
  if (value.type != GgufType::kArray) return std::string(GgufTypeName(value.type));
  return fmt::format("array of {} {}", value.count, GgufTypeName(value.element));
}

std::unexpected<Error> Missing(std::string_view key) {
  return Fail(ErrorCode::kCorrupt, fmt::format("metadata '{}' is missing", key));
}
std::unexpected<Error> Mismatch(std::string_view key, const GgufValue& value,
                                std::string_view expected) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("metadata '{}' is {}, {} was expected", key, Describe(value), expected));
}

}  // namespace

std::string_view GgufTypeName(GgufType type) {
  constexpr std::string_view kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<std::size_t>(type)];
}

std::span<const std::byte> GgufTensor::Row(std::int64_t row) const {
  const std::size_t size = row_bytes();
  const auto at = [size](std::span<const std::byte> all, std::int64_t place) {
    return all.subspan(static_cast<std::size_t>(place) * size, size);
  };
  if (places == nullptr) return at(bytes, row);
  if (places->halved_heads > 0) {
    const std::int64_t head = rows() / places->halved_heads, in = row % head;
    return at(bytes, row - in + in % 2 * (head / 2) + in / 2);
  }
  const auto matrix = static_cast<std::size_t>(row / shape[1]);
  return at(places->matrices[matrix], row % shape[1]);
}

std::optional<std::string_view> GgufNames::Sort() {
  std::ranges::sort(names_);
  const auto twice =
      std::ranges::adjacent_find(names_, {}, &std::pair<std::string_view, std::size_t>::first);
  if (twice == names_.end()) return std::nullopt;
  return twice->first;
}

std::optional<std::size_t> GgufNames::Find(std::string_view name) const {
  const auto it =
      std::ranges::lower_bound(names_, name, {}, &std::pair<std::string_view, std::size_t>::first);
  if (it == names_.end() || it->first != name) return std::nullopt;
  return it->second;
}

const GgufTensor* Gguf::FindTensor(std::string_view name) const {
  const auto index = tensor_names_.Find(name);
  return index ? &tensors_[*index] : nullptr;
}

const GgufValue* Gguf::Find(std::string_view key) const {
  const auto index = keys_.Find(key);
  return index ? &metadata_[*index].second : nullptr;
}

Result<std::int64_t> Gguf::GetInt(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  const auto number = IntOf(value->type, value->bytes.data());
  if (!number) return Mismatch(key, *value, "an integer below 2^63");
  return *number;
}

Result<double> Gguf::GetFloat(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type == GgufType::kF32) return Load<float>(value->bytes.data());
  if (value->type == GgufType::kF64) return Load<double>(value->bytes.data());
  return Mismatch(key, *value, "a float");
}

Result<bool> Gguf::GetBool(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type != GgufType::kBool) return Mismatch(key, *value, "true or false");
  return value->bytes[0] != std::byte{0};
}

Result<std::string_view> Gguf::GetString(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type != GgufType::kString) return Mismatch(key, *value, "a string");
  return std::string_view(reinterpret_cast<const char*>(value->bytes.data()), value->bytes.size());
}

Result<std::int64_t> Gguf::GetInt(std::string_view key, std::int64_t fallback) const {
  return Find(key) == nullptr ? fallback : GetInt(key);
}
Result<double> Gguf::GetFloat(std::string_view key, double fallback) const {
  return Find(key) == nullptr ? fallback : GetFloat(key);
}
Result<bool> Gguf::GetBool(std::string_view key, bool fallback) const {
  return Find(key) == nullptr ? fallback : GetBool(key);
}

Result<std::string_view> Gguf::GetString(std::string_view key, std::string_view fallback) const {
  return Find(key) == nullptr ? fallback : GetString(key);
}

Result<std::vector<std::string_view>> Gguf::GetStrings(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type != GgufType::kArray || value->element != GgufType::kString) {
    return Mismatch(key, *value, "an array of strings");
  }
  std::vector<std::string_view> strings;
  strings.reserve(value->count);  // checked by the parser: 8 bytes of file each
  const std::byte* at = value->bytes.data();
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const auto length = Load<std::uint64_t>(at);
    strings.emplace_back(reinterpret_cast<const char*>(at + sizeof(length)), length);
    at += sizeof(length) + length;
  }
  return strings;
}

Result<std::vector<float>> Gguf::GetFloats(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  if (value->type != GgufType::kArray || value->element != GgufType::kF32) {
    return Mismatch(key, *value, "an array of f32");
  }
  std::vector<float> floats(value->count);
  if (!floats.empty()) std::memcpy(floats.data(), value->bytes.data(), value->bytes.size());
  return floats;
}

Result<std::vector<std::int32_t>> Gguf::GetInts(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  const bool is_array = value->type == GgufType::kArray && value->count > 0;
  const std::size_t stride = is_array ? value->bytes.size() / value->count : 0;
  if (value->type != GgufType::kArray) return Mismatch(key, *value, "an array of integers");
  std::vector<std::int32_t> ints;
  ints.reserve(value->count);
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const auto number = IntOf(value->element, value->bytes.data() + i * stride);
    if (!number || *number < std::numeric_limits<std::int32_t>::min() ||
        *number > std::numeric_limits<std::int32_t>::max()) {
      return Mismatch(key, *value, "an array of integers of 32 bits");
    }
    ints.push_back(static_cast<std::int32_t>(*number));
  }
  return ints;
}

Result<std::vector<bool>> Gguf::GetBools(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return Missing(key);
  std::vector<bool> flags;
  if (value->type == GgufType::kArray && value->element == GgufType::kBool) {
    for (const std::byte b : value->bytes) flags.push_back(b != std::byte{0});
    return flags;
  }
  for (const std::int32_t i : OR_RETURN(GetInts(key))) flags.push_back(i != 0);
  return flags;
}

}  // namespace cairn::model
