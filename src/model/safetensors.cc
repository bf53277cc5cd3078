// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstring>

#include "base/checked.h"
#include "base/printable.h"

namespace cairn::model {
namespace {

namespace json = boost::json;

struct TypeRow {
  std::string_view name;
  std::uint64_t bytes;  // of a value
  std::optional<tensor::Format> format;
};
constexpr TypeRow kTypes[] = {
    {"F64", 8, tensor::Format::kF64}, {"F32", 4, tensor::Format::kF32},
    {"F16", 2, tensor::Format::kF16}, {"BF16", 2, tensor::Format::kBF16},
    {"I64", 8, tensor::Format::kI64}, {"I32", 4, tensor::Format::kI32},
    {"I16", 2, tensor::Format::kI16}, {"I8", 1, tensor::Format::kI8},
    {"U64", 8, std::nullopt},         {"U32", 4, std::nullopt},
    {"U16", 2, std::nullopt},         {"U8", 1, std::nullopt},
    {"BOOL", 1, std::nullopt},        {"F8_E4M3", 1, std::nullopt},
    {"F8_E5M2", 1, std::nullopt},     {"F8_E8M0", 1, std::nullopt},
    {"C64", 8, std::nullopt},
};

std::unexpected<Error> Corrupt(std::string_view name, std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("tensor '{}' {}", Printable(name), what));
}

// A whole number that is not negative.
std::optional<std::uint64_t> WholeNumber(const json::value& value) {
  if (const std::uint64_t* u = value.if_uint64()) return *u;
  const std::int64_t* i = value.if_int64();
  if (i == nullptr || *i < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*i);
}

struct Place {
  std::uint64_t begin, end;  // bytes of the data
  std::size_t tensor;
};

Result<Place> ReadPlace(const json::object& entry, std::string_view name, std::uint64_t data) {
  const json::value* offsets = entry.if_contains("data_offsets");
  const json::array* pair = offsets != nullptr ? offsets->if_array() : nullptr;
  if (pair == nullptr || pair->size() != 2) return Corrupt(name, "has no pair of data_offsets");
  const auto begin = WholeNumber((*pair)[0]);
  const auto end = WholeNumber((*pair)[1]);
  if (!begin || !end || *begin > *end || *end > data) {
    return Corrupt(name, fmt::format("does not lie in the {} bytes of data", data));
  }
  return Place{*begin, *end, 0};
}

// The type and the shape, which must take `bytes`.
Result<SafeTensor> ReadShape(const json::object& entry, std::string_view name,
                             std::uint64_t bytes) {
  const json::value* dtype = entry.if_contains("dtype");
  if (dtype == nullptr || !dtype->is_string()) return Corrupt(name, "has no dtype");
  const auto row = std::ranges::find(kTypes, std::string_view(dtype->get_string()), &TypeRow::name);
  if (row == std::end(kTypes)) {
    return Corrupt(name, fmt::format("has the unknown dtype '{}'",
                                     Printable(std::string_view(dtype->get_string()))));
  }
  const json::value* shape = entry.if_contains("shape");
  const json::array* sizes = shape != nullptr ? shape->if_array() : nullptr;
  if (sizes == nullptr || sizes->size() > kMostSafeDimensions) {
    return Corrupt(name, fmt::format("has no shape of at most {} sizes", kMostSafeDimensions));
  }
  SafeTensor tensor{.name = std::string(name),
                    .dtype = std::string(row->name),
                    .format = row->format,
                    .shape = {},
                    .bytes = {}};
  std::uint64_t total = row->bytes;
  for (const json::value& size : *sizes) {
    const auto number = WholeNumber(size);
    const auto product = number && *number <= INT64_MAX ? CheckedMul(total, *number) : std::nullopt;
    if (!product) return Corrupt(name, "has a shape that fits no file");
    total = *product;
    tensor.shape.push_back(static_cast<std::int64_t>(*number));
  }
  if (total != bytes) {
    return Corrupt(name, fmt::format("has {} bytes where its shape asks for {}", bytes, total));
  }
  return tensor;
}

// The format forbids overlaps and bytes that belong to nobody.
Result<void> CheckPlaces(std::vector<Place> places, const std::vector<SafeTensor>& tensors,
                         std::uint64_t data) {
  std::ranges::sort(places, {}, [](const Place& p) { return std::pair(p.begin, p.end); });
  std::uint64_t at = 0;
  for (const Place& place : places) {
    if (place.begin != at) {
      return Corrupt(
          tensors[place.tensor].name,
          fmt::format("begins at byte {} of the data, {} was expected", place.begin, at));
    }
    at = place.end;
  }
  if (at == data) return {};
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{} bytes after the last tensor belong to nobody", data - at));
}

}  // namespace

Result<Safetensors> Safetensors::Parse(std::span<const std::byte> file) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t header = 0;
  if (file.size() < sizeof header) {
    return Fail(ErrorCode::kCorrupt, "the file is too short for a safetensors header");
  }
  std::memcpy(&header, file.data(), sizeof header);
  if (header > file.size() - sizeof header) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the header claims {} bytes, more than the file has", header));
  }
  if (header > kMostHeaderBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("the header has {} bytes, at most {} are read",
                                               header, kMostHeaderBytes));
  }
  const auto text = file.subspan(sizeof header, header);
  const auto data = file.subspan(sizeof header + header);
  boost::system::error_code error;
  const json::value parsed =
      json::parse({reinterpret_cast<const char*>(text.data()), text.size()}, error);
  if (error || !parsed.is_object()) {
    return Fail(ErrorCode::kCorrupt, "the header is no JSON object");
  }
  const json::object& entries = parsed.get_object();
  if (entries.size() > kMostSafeTensors) {
    return Fail(ErrorCode::kLimit, fmt::format("the header names {} tensors, at most {} are read",
                                               entries.size(), kMostSafeTensors));
  }
  Safetensors result;
  std::vector<Place> places;
  for (const auto& [key, value] : entries) {
    const std::string_view name = key;
    if (name == "__metadata__") continue;
    const json::object* entry = value.if_object();
    if (entry == nullptr) return Corrupt(name, "is no object");
    Place place = OR_RETURN(ReadPlace(*entry, name, data.size()));
    SafeTensor tensor = OR_RETURN(ReadShape(*entry, name, place.end - place.begin));
    tensor.bytes = data.subspan(place.begin, place.end - place.begin);
    place.tensor = result.tensors_.size();
    places.push_back(place);
    result.tensors_.push_back(std::move(tensor));
  }
  OR_RETURN(CheckPlaces(std::move(places), result.tensors_, data.size()));
  std::ranges::sort(result.tensors_, {}, &SafeTensor::name);
  const auto twice = std::ranges::adjacent_find(result.tensors_, {}, &SafeTensor::name);
  if (twice != result.tensors_.end()) return Corrupt(twice->name, "is there twice");
  return result;
}

const SafeTensor* Safetensors::Find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(tensors_, name, {}, &SafeTensor::name);
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

}  // namespace cairn::model
