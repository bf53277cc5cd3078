// SPDX-License-Identifier: Apache-2.0
// Reading JSON that strangers send: every type, range and length is checked, and what is wrong is
// said in one sentence that names the member.
// Threads: pure functions and plain values.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::server {

// Arrays and objects inside one another; deep enough for the schemas of tools.
inline constexpr std::size_t kMostJsonDepth = 64;

// Errors: kInvalidArgument (no JSON, ill-formed UTF-8, too deep), kLimit (longer than `most`
// bytes). Costs at most about 12 bytes per byte of the text.
[[nodiscard]] Result<boost::json::value> ParseJson(std::string_view text, std::size_t most);

// "a string", "null", ...: for messages.
std::string_view KindOf(const boost::json::value& value);

// The whole number that a value is (3 and 3.0 are), if it is one and fits.
std::optional<std::int64_t> WholeOf(const boost::json::value& value);

// A request's body. Errors: kInvalidArgument.
[[nodiscard]] Result<const boost::json::object*> BodyObject(const boost::json::value& body);

// "PLACE WHAT", told of that member.
std::unexpected<Error> FailAt(ErrorCode code, const std::string& place, std::string_view what);

// The members of an object. One that is null counts as absent; an absent one leaves `out` as it
// was. Errors of all readers: kInvalidArgument. Borrows the object.
class Members {
 public:
  // `place` stands before the names of members in messages: "", "messages[2].".
  Members(const boost::json::object& object, std::string place)
      : object_(object), place_(std::move(place)) {}

  const boost::json::value* Find(std::string_view name) const;

  [[nodiscard]] Result<void> Read(std::string_view name, bool& out) const;
  // At most `most` bytes.
  [[nodiscard]] Result<void> Read(std::string_view name, std::size_t most, std::string& out) const;
  // A whole number in [least, most].
  [[nodiscard]] Result<void> Read(std::string_view name, std::int64_t least, std::int64_t most,
                                  std::int64_t& out) const;
  // A number in [least, most], and not 0 where `positive`.
  [[nodiscard]] Result<void> Read(std::string_view name, double least, double most, bool positive,
                                  float& out) const;

  // "NAME must be WHAT, got ...".
  std::unexpected<Error> Wrong(std::string_view name, std::string_view what,
                               const boost::json::value& value) const;

 private:
  const boost::json::object& object_;
  std::string place_;
};

}  // namespace cairn::server
