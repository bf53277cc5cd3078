// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <cstring>
#include <utility>

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

// The names of an object, as often as it has them: a parsed object keeps one of each.
class NameCollector {
 public:
  static constexpr std::size_t max_object_size = SIZE_MAX, max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX, max_string_size = SIZE_MAX;
  using Code = boost::system::error_code;

  bool on_object_begin(Code&) { return ++depth_ > 0; }
  bool on_object_end(std::size_t, Code&) { return --depth_ >= 0; }
  bool on_key_part(std::string_view part, std::size_t, Code&) {
    if (depth_ == 1) part_ += part;
    return true;
  }
  bool on_key(std::string_view part, std::size_t, Code&) {
    if (depth_ == 1) names_.push_back(std::exchange(part_, {}).append(part));
    return true;
  }
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_string_part(std::string_view, std::size_t, Code&) { return true; }
  bool on_string(std::string_view, std::size_t, Code&) { return true; }
  bool on_number_part(std::string_view, Code&) { return true; }
  bool on_int64(std::int64_t, std::string_view, Code&) { return true; }
  bool on_uint64(std::uint64_t, std::string_view, Code&) { return true; }
  bool on_double(double, std::string_view, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(std::string_view, Code&) { return true; }
  bool on_comment(std::string_view, Code&) { return true; }

  // One that is there twice, or nothing.
  std::optional<std::string> Twice() {
    std::ranges::sort(names_);
    const auto found = std::ranges::adjacent_find(names_);
    if (found == names_.end()) return std::nullopt;
    return *found;
  }

 private:
  int depth_ = 0;
  std::string part_;
  std::vector<std::string> names_;
};

Result<void> RefuseNamesTwice(std::string_view header) {
  json::basic_parser<NameCollector> parser{json::parse_options{}};
  boost::system::error_code error;  // parsed before: there is none
  parser.write_some(false, header.data(), header.size(), error);
  if (const auto twice = parser.handler().Twice()) return Corrupt(*twice, "is there twice");
  return {};
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
  const std::string_view text(reinterpret_cast<const char*>(file.data() + sizeof header), header);
  const auto data = file.subspan(sizeof header + header);
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  if (error || !parsed.is_object()) {
    return Fail(ErrorCode::kCorrupt, "the header is no JSON object");
  }
  const json::object& entries = parsed.get_object();
  if (entries.size() > kMostSafeTensors) {
    return Fail(ErrorCode::kLimit, fmt::format("the header names {} tensors, at most {} are read",
                                               entries.size(), kMostSafeTensors));
  }
  OR_RETURN(RefuseNamesTwice(text));
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
  return result;
}

const SafeTensor* Safetensors::Find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(tensors_, name, {}, &SafeTensor::name);
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

}  // namespace cairn::model
