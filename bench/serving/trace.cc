// SPDX-License-Identifier: Apache-2.0
#include "trace.h"

#include <boost/json.hpp>
#include <random>

#include "apps/text.h"

namespace cairn::bench {

Result<std::vector<TraceRequest>> ReadTrace(const std::string& path) {
  const std::string text = OR_RETURN(apps::ReadTextFile(path));
  std::vector<TraceRequest> trace;
  try {
    const boost::json::value file = boost::json::parse(text);
    for (const auto& value : file.as_object().at("requests").as_array()) {
      const auto& request = value.as_object();
      trace.push_back(
          {.prompt = boost::json::value_to<std::vector<std::int32_t>>(request.at("prompt")),
           .answer = request.at("answer").to_number<std::int64_t>(),
           .gap = request.at("gap").to_number<double>()});
    }
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kCorrupt, "'" + path + "' is no serving trace: " + error.what());
  }
  return trace;
}

std::vector<std::int32_t> SomeTokens(std::int64_t count, int vocabulary, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  // The special ones come first in the vocabularies at hand.
  std::uniform_int_distribution<std::int32_t> id(1000, vocabulary - 1);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (std::int32_t& token : tokens) token = id(random);
  return tokens;
}

}  // namespace cairn::bench
